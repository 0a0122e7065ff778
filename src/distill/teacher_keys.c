/* teacher_keys.c: the settings of a teacher and its cache, as recipes spell them. */
#include "distill/teacher_int.h"

#include <stddef.h>

static const char *const stores[] = {"none", "fp32", "fp16", NULL};

static const char *const combines[] = {"probabilities", "logits", NULL};
static const char *const weighings[] = {"given", "validation", NULL};

#define AT(field) offsetof(lb_teacher_options, field)
const lb_key lb_teacher_keys[] = {
    {.name = "onnx",
     .type = LB_KEY_PATH,
     .offset = AT(onnx),
     .usual = "",
     .help = "the teacher's ONNX file"},
    {.name = "recipe",
     .type = LB_KEY_PATH,
     .offset = AT(recipe),
     .usual = "",
     .help = "a recipe that trains the teacher first if its ONNX file is missing"},
    {.name = "name",
     .type = LB_KEY_TEXT,
     .offset = AT(name),
     .usual = "",
     .help = "what losses over layers call it, as in {loss: hint, of: NAME}"},
    {0},
};

const lb_key lb_cache_keys[] = {
    {.name = "views",
     .type = LB_KEY_INT,
     .offset = AT(views),
     .min = 1,
     .max = 256,
     .usual = "4",
     .help = "fixed views of each sample; epoch e shows view e mod views"},
    {.name = "store",
     .type = LB_KEY_CHOICE,
     .offset = AT(store),
     .usual = "fp32",
     .choices = stores,
     .help = "fp32 keeps the teacher's logits in a file; fp16 halves it and rounds "
             "them; none asks the teacher each time"},
    {.name = "top",
     .type = LB_KEY_INT,
     .offset = AT(top),
     .min = 0,
     .max = LB_ROW_TOP,
     .usual = "0",
     .help = "keep only so many of each row's largest logits, and share what is left "
             "evenly among the other classes; 0 keeps all"},
    {0},
};

const lb_key lb_member_keys[] = {
    {.name = "weight",
     .type = LB_KEY_FLOAT,
     .offset = AT(weight),
     .min = 1e-6,
     .max = 1e6,
     .usual = "1",
     .help = "of one teacher among several; what counts is its share of their sum"},
    {0},
};
#undef AT

const lb_key lb_ensemble_keys[] = {
    {.name = "combine",
     .type = LB_KEY_CHOICE,
     .offset = offsetof(lb_ensemble, combine),
     .usual = "probabilities",
     .choices = combines,
     .help = "what the mean of several teachers is taken of"},
    {.name = "weights",
     .type = LB_KEY_CHOICE,
     .offset = offsetof(lb_ensemble, weighing),
     .usual = "given",
     .choices = weighings,
     .help =
         "given: each teacher's `weight`; validation: those by which they answer best "
         "together on the validation split"},
    {.name = "correct_only",
     .type = LB_KEY_BOOL,
     .offset = offsetof(lb_ensemble, correct_only),
     .usual = "false",
     .help = "leaves out, for each sample with a label, the answers of the teachers that "
             "are wrong about it, unless all are"},
    {0},
};
