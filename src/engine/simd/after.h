/* after.h: what follows a convolution, for one block of filters. */
#ifndef LB_ENGINE_SIMD_AFTER_H
#define LB_ENGINE_SIMD_AFTER_H

#include "engine/simd/simd_protos.h"

typedef struct lb_after {
    lb_vec bias, low, high;
    bool adds, clips;
} lb_after;

LB_INLINE lb_after lb_after_of(const lb_conv_after *after, int block)
{
    return (lb_after){.bias = after->bias ? lb_load(after->bias + block * LB_BLOCK)
                                          : lb_zero(),
                      .low = lb_splat(after->low),
                      .high = lb_splat(after->high),
                      .adds = after->residual != NULL,
                      .clips = after->clips};
}

/* v holds the bias already. */
LB_INLINE lb_vec lb_finish(const lb_after *f, lb_vec v, const float *residual)
{
    if (f->adds)
        v = v + lb_load(residual);
    if (f->clips)
        v = lb_min(f->high, lb_max(f->low, v));
    return v;
}

#endif
