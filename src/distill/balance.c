/* balance.c: finds a weight by the lengths of gradients. */
#include "distill/balance.h"

#include <math.h>
#include <stddef.h>

#define AT(field) offsetof(lb_balance, field)
const lb_key lb_balance_keys[] = {
    {.name = "auto",
     .type = LB_KEY_FLOAT,
     .offset = AT(share),
     .min = 1e-6,
     .max = 1e6,
     .usual = "1",
     .help = "the weight is found: so that the loss pulls this much of what those of "
             "fixed weights pull together"},
    {.name = "steps",
     .type = LB_KEY_INT,
     .offset = AT(steps),
     .min = 1,
     .max = 100000,
     .usual = "50",
     .help = "with auto: the first steps, in which it is found; an epoch's at most"},
    {0},
};
#undef AT

void lb_balance_step(const lb_balance *balance, double fixed, double own,
                     lb_balancing *state)
{
    state->steps++;
    state->fixed += fixed;
    state->own += own;
    const double weight = balance->share * state->fixed / state->own;
    state->weight =
        state->own > 0 && isfinite(weight) ? fmin(weight, LB_BALANCE_MOST) : 0;
}
