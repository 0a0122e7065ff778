/* wino_after.h: what becomes of a tile's 4x4 results: bias, residual, activation. */
#ifndef LB_ENGINE_SIMD_WINO_AFTER_H
#define LB_ENGINE_SIMD_WINO_AFTER_H

#include "engine/simd/simd.h"
#include "engine/simd/simd_table.h"

typedef struct lb_wino_after {
    lb_vec bias, low, high;
    bool adds, clips;
} lb_wino_after;

LB_INLINE lb_vec lb_wino_finished(const lb_wino_after *f, lb_vec v, const float *residual)
{
    v = v + f->bias;
    if (f->adds)
        v = v + lb_load(residual);
    if (f->clips)
        v = lb_min(f->high, lb_max(f->low, v));
    return v;
}

/* Stores what of the tile's rows x columns results lies inside y. */
LB_INLINE void lb_wino_store(const lb_wino *s, const lb_wino_after *f, lb_vec o[4][4],
                             int row, int column, int rows, int columns,
                             const float *residual, float *y)
{
    const size_t pitch = (size_t)s->ow * LB_BLOCK;
    const size_t at = ((size_t)row * (size_t)s->ow + (size_t)column) * LB_BLOCK;
    const int there_h = s->oh - row, there_w = s->ow - column;

    y += at;
    residual += at;
#pragma GCC unroll 4
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (int j = 0; j < columns; j++)
            if (i < there_h && j < there_w)
                lb_store(y + (size_t)i * pitch + (size_t)j * LB_BLOCK,
                         lb_wino_finished(f, o[i][j],
                                          residual + (size_t)i * pitch +
                                              (size_t)j * LB_BLOCK));
}

/* Of block b of the filters. */
LB_INLINE lb_wino_after lb_wino_after_of(const lb_conv_after *after, int b)
{
    return (lb_wino_after){
        .bias = after->bias ? lb_load(after->bias + (size_t)b * LB_BLOCK) : lb_zero(),
        .low = lb_splat(after->low),
        .high = lb_splat(after->high),
        .adds = after->residual != NULL,
        .clips = after->clips};
}

#endif
