/* wino_store.h: a tile of Winograd's results on its way out. */
#ifndef LB_ENGINE_SIMD_WINO_STORE_H
#define LB_ENGINE_SIMD_WINO_STORE_H

#include "engine/simd/after.h"

/* Stores what of the tile's rows x columns results lies inside y. */
LB_INLINE void lb_wino_store(const lb_wino *s, const lb_after *f, lb_vec o[4][4], int row,
                             int column, int rows, int columns, const float *residual,
                             float *y)
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
                         lb_finish(f, o[i][j] + f->bias,
                                   residual + (size_t)i * pitch + (size_t)j * LB_BLOCK));
}

#endif
