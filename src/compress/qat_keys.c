/* qat_keys.c: what can be set of a training on the grids of int8. */
#include "compress/qat.h"

#include <stddef.h>

/* in the order of lb_int8_mode */
static const char *const modes[] = {"ptq", "qat", NULL};

#define AT(field) offsetof(lb_qat_options, field)
const lb_key lb_qat_keys[] = {
    {.name = "mode",
     .type = LB_KEY_CHOICE,
     .offset = AT(mode),
     .choices = modes,
     .usual = "qat",
     .help =
         "ptq: calibrated after training; qat: calibrated, then trained on as it will "
         "be deployed"},
    {.name = "epochs",
     .type = LB_KEY_INT,
     .offset = AT(epochs),
     .min = 1,
     .max = 100000,
     .usual = "2",
     .help = "of training on, with mode: qat"},
    {.name = "lr",
     .type = LB_KEY_FLOAT,
     .offset = AT(lr),
     .min = 1e-6,
     .max = 1,
     .usual = "0.005",
     .help = "its learning rate at the start, as a share of that of the training before"},
    {0},
};
