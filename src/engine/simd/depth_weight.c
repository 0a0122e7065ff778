/* depth_weight.c: the gradient of the weights of a depthwise 3x3 convolution: its nine
 * sums for a block of channels stay in registers over a plane. Planes are taken as they
 * lie in memory. */
#include "engine/simd/depth.h"

#include <string.h>

enum { AHEAD = 2048, PIXELS = 4, MOST_COLUMNS = 2 * (PIXELS - 1) + 3 };

/* Adds `count` pixels of dy whose windows lie inside; at: the first one's column of x. */
LB_INLINE void add_inside(int count, int stride, const float *const row[3], ptrdiff_t at,
                          const float *dy, lb_vec sum[9])
{
    lb_vec d[PIXELS];

#pragma GCC unroll 4
    for (int i = 0; i < count; i++)
        d[i] = lb_load(dy + i * LB_BLOCK);
#pragma GCC unroll 3
    for (int r = 0; r < 3; r++) {
        lb_vec v[MOST_COLUMNS];
        if (!row[r])
            continue;
#pragma GCC unroll 9
        for (int i = 0; i < (count - 1) * stride + 3; i++)
            v[i] = lb_load(row[r] + (at + i) * LB_BLOCK);
        for (int i = 0; r == 2 && i < count * stride; i++)
            lb_fetch(row[r] + (at + i) * LB_BLOCK, AHEAD);
#pragma GCC unroll 4
        for (int i = 0; i < count; i++)
#pragma GCC unroll 3
            for (int k = 0; k < 3; k++)
                sum[r * 3 + k] = lb_fma(v[i * stride + k], d[i], sum[r * 3 + k]);
    }
}

LB_INLINE void add_edge(int width, const float *const row[3], int at, const float *dy,
                        lb_vec sum[9])
{
    const lb_vec d = lb_load(dy);

#pragma GCC unroll 3
    for (int k = 0; k < 3; k++) {
        if (at + k < 0 || at + k >= width)
            continue;
#pragma GCC unroll 3
        for (int r = 0; r < 3; r++)
            if (row[r])
                sum[r * 3 + k] = lb_fma(lb_load(row[r] + (ptrdiff_t)(at + k) * LB_BLOCK),
                                        d, sum[r * 3 + k]);
    }
}

/* Adds one plane of dy. */
LB_INLINE void add_plane(const lb_depth *s, int stride, lb_span all, const float *x,
                         const float *dy, lb_vec sum[9])
{
    for (int i = 0; i < s->oh; i++, dy += (ptrdiff_t)s->ow * LB_BLOCK) {
        const float *row[3];
        int j = 0;
        lb_depth_rows(s, x, i, row);
        for (; j < all.from; j++)
            add_edge(s->w, row, j * stride - s->pad_w, dy + (ptrdiff_t)j * LB_BLOCK, sum);
        for (; j + PIXELS <= all.to; j += PIXELS)
            add_inside(PIXELS, stride, row, (ptrdiff_t)j * stride - s->pad_w,
                       dy + (ptrdiff_t)j * LB_BLOCK, sum);
        for (; j < all.to; j++)
            add_inside(1, stride, row, (ptrdiff_t)j * stride - s->pad_w,
                       dy + (ptrdiff_t)j * LB_BLOCK, sum);
        for (; j < s->ow; j++)
            add_edge(s->w, row, j * stride - s->pad_w, dy + (ptrdiff_t)j * LB_BLOCK, sum);
    }
}

LB_INLINE void add_block(const lb_depth *s, int stride, lb_span all, const float *x,
                         const float *dy, float *dw)
{
    lb_vec sum[9];

#pragma GCC unroll 9
    for (int k = 0; k < 9; k++)
        sum[k] = lb_load(dw + k * LB_BLOCK);
    add_plane(s, stride, all, x, dy, sum);
#pragma GCC unroll 9
    for (int k = 0; k < 9; k++)
        lb_store(dw + k * LB_BLOCK, sum[k]);
}

void LB_SIMD(depth_weight)(const lb_depth *s, const float *x, const float *dy, float *dw)
{
    const size_t in = (size_t)s->h * (size_t)s->w * LB_BLOCK;
    const size_t out = (size_t)s->oh * (size_t)s->ow * LB_BLOCK;
    const size_t window = (size_t)9 * LB_BLOCK;
    const lb_span all = lb_depth_inside(s);

    memset(dw, 0, (size_t)s->c * window * sizeof *dw);
    for (int n = 0; n < s->n; n++)
        for (int c = 0; c < s->c; c++, x += in, dy += out) {
            float *const to = dw + (size_t)c * window;
            if (s->stride == 1)
                add_block(s, 1, all, x, dy, to);
            else
                add_block(s, 2, all, x, dy, to);
        }
}
