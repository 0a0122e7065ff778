/* data_keys.c: the settings of data and of a network's input, as recipes spell them. */
#include "data/data.h"

#include <stddef.h>

static const char *const pixels[] = {"unit", "raw", NULL};
static const char *const layouts[] = {"channels-first", "channels-last", NULL};

#define AT(field) offsetof(lb_data_options, field)
const lb_key lb_data_keys[] = {
    {.name = "source",
     .type = LB_KEY_TEXT,
     .offset = AT(source),
     .usual = NULL,
     .help = "the kind of data: idx or npy"},
    {.name = "path",
     .type = LB_KEY_PATH,
     .offset = AT(path),
     .usual = NULL,
     .help = "the file or folder of the data"},
    {.name = "class_names",
     .type = LB_KEY_TEXT,
     .offset = AT(class_names),
     .usual = "",
     .help = "what reports call the classes: names with commas between"},
    {.name = "fraction",
     .type = LB_KEY_FLOAT,
     .offset = AT(fraction),
     .min = 1e-6,
     .max = 1,
     .usual = "1",
     .help = "share of the training set that is used"},
    {.name = "validation",
     .type = LB_KEY_FLOAT,
     .offset = AT(validation),
     .min = 0,
     .max = 1e9,
     .usual = "0.1",
     .help = "samples kept apart to choose the best epoch: a number, or a share below 1"},
    {0},
};
#undef AT

#define AT(field) offsetof(lb_unlabelled, field)
const lb_key lb_unlabelled_keys[] = {
    {.name = "source",
     .type = LB_KEY_TEXT,
     .offset = AT(source),
     .usual = "",
     .help = "the kind of data; usually that of data.source"},
    {.name = "path",
     .type = LB_KEY_PATH,
     .offset = AT(path),
     .usual = NULL,
     .help = "a file or folder of further samples, whose labels are not read"},
    {.name = "fraction",
     .type = LB_KEY_FLOAT,
     .offset = AT(fraction),
     .min = 1e-6,
     .max = 1,
     .usual = "1",
     .help = "share of them that is used"},
    {0},
};
#undef AT

#define AT(field) offsetof(lb_input_options, field)
const lb_key lb_input_keys[] = {
    {.name = "pixels",
     .type = LB_KEY_CHOICE,
     .offset = AT(pixels),
     .usual = "unit",
     .choices = pixels,
     .help = "unit: value / 255; raw: 0..255"},
    {.name = "mean",
     .type = LB_KEY_NUMBERS,
     .offset = AT(mean),
     .usual = "",
     .help = "taken off each channel, after `pixels`"},
    {.name = "std",
     .type = LB_KEY_NUMBERS,
     .offset = AT(std),
     .usual = "",
     .help = "what each channel is divided by, after `mean`"},
    {.name = "layout",
     .type = LB_KEY_CHOICE,
     .offset = AT(layout),
     .usual = "channels-first",
     .choices = layouts,
     .help = "order of the network's input; found from its shape where that is clear"},
    {0},
};
#undef AT
