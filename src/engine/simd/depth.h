/* depth.h: what the depthwise kernels share: where windows lie wholly inside a row. */
#ifndef LB_ENGINE_SIMD_DEPTH_H
#define LB_ENGINE_SIMD_DEPTH_H

#include "engine/simd/simd_protos.h"

typedef struct lb_span {
    int from, to;
} lb_span;

/* The columns of y whose three columns of x all exist; empty spans lie inside y, too. */
LB_INLINE lb_span lb_depth_inside(const lb_depth *s)
{
    const int last = s->w - 3 + s->pad_w; /* where the last such window may begin */
    int from = s->pad_w > 0 ? (s->pad_w + s->stride - 1) / s->stride : 0;
    int to = last >= 0 ? last / s->stride + 1 : 0;

    from = from < s->ow ? from : s->ow;
    to = to < s->ow ? to : s->ow;
    return (lb_span){from, to > from ? to : from};
}

/* The three rows of x below row i of y, from column 0 on; NULL: outside. */
LB_INLINE void lb_depth_rows(const lb_depth *s, const float *x, int i,
                             const float *row[3])
{
    const int first = i * s->stride - s->pad_h;

#pragma GCC unroll 3
    for (int r = 0; r < 3; r++)
        row[r] = first + r >= 0 && first + r < s->h
                     ? x + (ptrdiff_t)(first + r) * s->w * LB_BLOCK
                     : NULL;
}

#endif
