/* rng.h: random numbers that are a function of where they are used.
 *
 * A stream is named by a seed and up to three numbers (which network, view, sample).
 * The same names give the same numbers on any thread and in any order: nothing is
 * shared. The generator is SplitMix64 over a counter (Steele, Lea and Flood, 2014). */
#ifndef LB_BASE_RNG_H
#define LB_BASE_RNG_H

#include <stdint.h>

typedef struct lb_rng {
    uint64_t state;
} lb_rng;

/* What a stream is for: keeps streams with equal numbers apart. */
typedef enum lb_rng_use {
    LB_RNG_INIT = 1, /* initial weights: a = index of the parameter */
    LB_RNG_ORDER,    /* order of samples: a = epoch */
    LB_RNG_VIEW,     /* augmentation: a = view, b = sample */
    LB_RNG_SPLIT,    /* validation split */
    LB_RNG_TEST,
    LB_RNG_HELPER, /* what losses train beside the student: a = number of its name */
} lb_rng_use;

lb_rng lb_rng_make(uint64_t seed, lb_rng_use use, uint64_t a, uint64_t b);

uint64_t lb_rng_next(lb_rng *rng);

/* In [0, 1), 53 bits. */
double lb_rng_uniform(lb_rng *rng);

/* In 0..n-1, unbiased; n > 0. */
uint64_t lb_rng_below(lb_rng *rng, uint64_t n);

/* Standard normal (Box and Muller, one value a call). */
double lb_rng_normal(lb_rng *rng);

/* Fisher and Yates over 0..n-1 already in `order`. */
void lb_rng_shuffle(lb_rng *rng, int32_t *order, int n);

#endif
