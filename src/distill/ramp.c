/* ramp.c: what a number is that changes with the epochs, and how recipes spell it. */
#include "distill/ramp.h"

#include <math.h>
#include <stddef.h>

static const char *const shapes[] = {"linear", "cosine", "step", NULL}; /* as the enum */

#define AT(field) offsetof(lb_ramp, field)
const lb_key lb_ramp_keys[] = {
    {.name = "from",
     .type = LB_KEY_FLOAT,
     .offset = AT(from),
     .usual = "0",
     .help = "where it begins"},
    {.name = "to",
     .type = LB_KEY_FLOAT,
     .offset = AT(to),
     .usual = "1",
     .help = "where it ends, and stays"},
    {.name = "over",
     .type = LB_KEY_FLOAT,
     .offset = AT(over),
     .min = 0,
     .max = 100000,
     .usual = "0",
     .help = "epochs that the way takes; `warmup: N` is short for `from: 0, over: N`"},
    {.name = "after",
     .type = LB_KEY_FLOAT,
     .offset = AT(after),
     .min = 0,
     .max = 100000,
     .usual = "0",
     .help = "epochs before it sets out"},
    {.name = "shape",
     .type = LB_KEY_CHOICE,
     .offset = AT(shape),
     .usual = "linear",
     .choices = shapes,
     .help = "linear, cosine, or step: it waits, then jumps"},
    {0},
};
#undef AT

double lb_ramp_at(const lb_ramp *ramp, double epoch)
{
    const double past = epoch - ramp->after;
    double way = past < 0 ? 0 : 1;

    if (past >= 0 && past < ramp->over)
        way = past / ramp->over;
    switch ((lb_ramp_shape)ramp->shape) {
    case LB_RAMP_LINEAR:
        break;
    case LB_RAMP_COSINE:
        way = 0.5 * (1 - cos(3.14159265358979323846 * way));
        break;
    case LB_RAMP_STEP:
        way = way < 1 ? 0 : 1;
        break;
    }
    /* each end to the bit */
    return way >= 1 ? ramp->to : ramp->from + way * (ramp->to - ramp->from);
}
