/* quantize_keys.c: what can be set of a quantisation. */
#include "compress/quantize.h"

#include <stddef.h>

static const char *const ranges[] = {"minmax", "percentile", "mse", NULL};
static const char *const roundings[] = {"single", "tflite", NULL};
static const char *const weights[] = {"8", "4", "mixed", NULL};

#define AT(field) offsetof(lb_quantize_options, field)
const lb_key lb_quantize_keys[] = {
    {.name = "samples",
     .type = LB_KEY_INT,
     .offset = AT(samples),
     .min = 1,
     .max = 1e6,
     .usual = "512",
     .help = "training samples that the ranges of activations are found with"},
    {.name = "ranges",
     .type = LB_KEY_CHOICE,
     .offset = AT(ranges),
     .choices = ranges,
     .usual = "mse",
     .help = "how: minmax, percentile, or the least mean square error"},
    {.name = "percentile",
     .type = LB_KEY_FLOAT,
     .offset = AT(percentile),
     .min = 50,
     .max = 100,
     .usual = "99.99",
     .help = "of ranges: percentile; the share above it and that below its "
             "counterpart are cut off"},
    {.name = "equalise",
     .type = LB_KEY_BOOL,
     .offset = AT(equalise),
     .usual = "true",
     .help = "brings the channels between two convolutions to like ranges"},
    {.name = "correct_bias",
     .type = LB_KEY_BOOL,
     .offset = AT(correct_bias),
     .usual = "true",
     .help = "takes the mean shift of each output channel off its bias"},
    {.name = "rounding",
     .type = LB_KEY_CHOICE,
     .offset = AT(rounding),
     .choices = roundings,
     .usual = "single",
     .help = "the integer arithmetic that it is made for: single, or tflite"},
    {.name = "weights",
     .type = LB_KEY_CHOICE,
     .offset = AT(weights),
     .choices = weights,
     .usual = "8",
     .help = "bits of the weights: 8, 4, or mixed: 4 in layers that mind it least"},
    {.name = "flash",
     .type = LB_KEY_BYTES,
     .offset = AT(flash),
     .min = 1,
     .max = 1e12,
     .usual = "",
     .help = "of weights: mixed: bytes that the firmware may have, as in 100K; 4 bits in "
             "as few layers as that takes"},
    {.name = "max_drop",
     .type = LB_KEY_FLOAT,
     .offset = AT(max_drop),
     .min = 0,
     .max = 100,
     .usual = "0.5",
     .help = "of weights: mixed without flash: percentage points of accuracy that 4 bits "
             "may cost; in as many layers as that allows"},
    {0},
};
