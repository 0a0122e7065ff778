/* ramp.h: a number that changes while training goes on: a weight that warms up, a
 * temperature that cools.
 *
 * Time is counted in epochs of the stage, in fractions too: the step that comes after s
 * steps is at s / (steps of an epoch). */
#ifndef LB_DISTILL_RAMP_H
#define LB_DISTILL_RAMP_H

#include "base/key.h"

typedef enum lb_ramp_shape {
    LB_RAMP_LINEAR,
    LB_RAMP_COSINE, /* half a cosine wave: slow, fast, slow */
    LB_RAMP_STEP,   /* holds `from`, then jumps */
} lb_ramp_shape;

/* `from` until `after`, `to` from `after` + `over` on, and the shape between them. */
typedef struct lb_ramp {
    bool on; /* false: the number is constant, and none of this counts */
    double from, to;
    double over, after; /* epochs */
    int shape;          /* lb_ramp_shape */
} lb_ramp;

extern const lb_key lb_ramp_keys[]; /* from, to, over, after, shape */

/* The number at that time, a pure function. */
double lb_ramp_at(const lb_ramp *ramp, double epoch);

#endif
