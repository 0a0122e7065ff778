/* wino.h: the one-dimensional transforms of Winograd's F(4x4,3x3) over the points 0, 1,
 * -1, 2, -2 and infinity, on blocks of channels (Lavin and Gray, "Fast Algorithms for
 * Convolutional Neural Networks", 2015, arXiv:1509.09308). */
#ifndef LB_ENGINE_SIMD_WINO_H
#define LB_ENGINE_SIMD_WINO_H

#include "engine/simd/simd_protos.h"

enum { LB_WINO_TILE = 4, LB_WINO_POINTS = 6, LB_WINO_ALL = 36 };

/* Floats between two points of an array of rows: a cache line more than the rows need,
 * so that the 36 of a tile do not fall into one set of the cache. */
LB_INLINE size_t lb_wino_pitch(int rows, int blocks)
{
    return (size_t)rows * (size_t)blocks * LB_BLOCK + 16;
}

/* B^T d: an input tile's column. */
LB_INLINE void lb_wino_in(lb_vec d[6])
{
    const lb_vec four = lb_splat(4), five = lb_splat(5), two = lb_splat(2);
    const lb_vec a = lb_fnma(four, d[2], d[4]), b = lb_fnma(four, d[1], d[3]);
    const lb_vec c = d[4] - d[2], e = d[3] - d[1];
    const lb_vec first = lb_fma(four, d[0], lb_fnma(five, d[2], d[4]));
    const lb_vec last = lb_fma(four, d[1], lb_fnma(five, d[3], d[5]));

    d[0] = first;
    d[1] = a + b;
    d[2] = a - b;
    d[3] = lb_fma(two, e, c);
    d[4] = lb_fnma(two, e, c);
    d[5] = last;
}

/* A^T m: four results. */
LB_INLINE void lb_wino_out(const lb_vec m[6], lb_vec o[4])
{
    const lb_vec a = m[1] + m[2], b = m[1] - m[2], c = m[3] + m[4], d = m[3] - m[4];

    o[0] = m[0] + a + c;
    o[1] = lb_fma(lb_splat(2), d, b);
    o[2] = lb_fma(lb_splat(4), c, a);
    o[3] = lb_fma(lb_splat(8), d, b) + m[5];
}

/* G g: three weights. */
LB_INLINE void lb_wino_weight_in(const lb_vec g[3], lb_vec o[6])
{
    const lb_vec sixth = lb_splat(-1 / 6.0F), small = lb_splat(1 / 24.0F);
    const lb_vec a = g[0] + g[2], u = lb_fma(lb_splat(4), g[2], g[0]), v = g[1] + g[1];

    o[0] = lb_splat(0.25F) * g[0];
    o[1] = sixth * (a + g[1]);
    o[2] = sixth * (a - g[1]);
    o[3] = small * (u + v);
    o[4] = small * (u - v);
    o[5] = g[2];
}

/* G for four values: a tile of dy, for the gradient of the weights. */
LB_INLINE void lb_wino_grad_in(const lb_vec y[4], lb_vec o[6])
{
    const lb_vec sixth = lb_splat(-1 / 6.0F), small = lb_splat(1 / 24.0F);
    const lb_vec four = lb_splat(4), p = y[0] + y[2], q = y[1] + y[3];
    const lb_vec u = lb_fma(four, y[2], y[0]), v = lb_fma(four, y[3], y[1]), vv = v + v;

    o[0] = lb_splat(0.25F) * y[0];
    o[1] = sixth * (p + q);
    o[2] = sixth * (p - q);
    o[3] = small * (u + vv);
    o[4] = small * (u - vv);
    o[5] = y[3];
}

/* A^T for three results: the gradient of three weights. */
LB_INLINE void lb_wino_weight_out(const lb_vec m[6], lb_vec o[3])
{
    const lb_vec a = m[1] + m[2], b = m[1] - m[2], c = m[3] + m[4], d = m[3] - m[4];

    o[0] = m[0] + a + c;
    o[1] = lb_fma(lb_splat(2), d, b);
    o[2] = lb_fma(lb_splat(4), c, a) + m[5];
}

/* The 36 points of a tile of x: one block of channels whose plane begins at x, the tile's
 * first row and column at r and c, which may lie outside. */
LB_INLINE void lb_wino_tile(const lb_wino *s, const float *x, int r, int c, float *to,
                            size_t pitch)
{
    lb_vec d[6][6];

    if (r >= 0 && c >= 0 && r + 6 <= s->h && c + 6 <= s->w) {
        const float *const p = x + ((size_t)r * (size_t)s->w + (size_t)c) * LB_BLOCK;
        const size_t row = (size_t)s->w * LB_BLOCK;
#pragma GCC unroll 6
        for (int j = 0; j < 6; j++) {
            lb_vec v[6];
#pragma GCC unroll 6
            for (int i = 0; i < 6; i++)
                v[i] = lb_load(p + (size_t)i * row + (size_t)j * LB_BLOCK);
            lb_wino_in(v);
#pragma GCC unroll 6
            for (int i = 0; i < 6; i++)
                d[i][j] = v[i];
        }
    } else {
        static const float zeros[6 * LB_BLOCK] __attribute__((aligned(64))) = {0};
        const float *row[6];
#pragma GCC unroll 6
        for (int i = 0; i < 6; i++)
            row[i] = r + i >= 0 && r + i < s->h
                         ? x + ((ptrdiff_t)(r + i) * s->w + c) * LB_BLOCK
                         : zeros;
#pragma GCC unroll 6
        for (int j = 0; j < 6; j++) {
            lb_vec v[6];
            const bool inside = c + j >= 0 && c + j < s->w;
#pragma GCC unroll 6
            for (int i = 0; i < 6; i++)
                v[i] = inside ? lb_load(row[i] + (size_t)j * LB_BLOCK) : lb_zero();
            lb_wino_in(v);
#pragma GCC unroll 6
            for (int i = 0; i < 6; i++)
                d[i][j] = v[i];
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < 6; i++) {
        lb_wino_in(d[i]);
#pragma GCC unroll 6
        for (int j = 0; j < 6; j++)
            lb_store(to + (size_t)(i * 6 + j) * pitch, d[i][j]);
    }
}

/* Where a tile of the whole group lies. */
typedef struct lb_wino_place {
    int sample, row, column; /* of the tile */
} lb_wino_place;

LB_INLINE lb_wino_place lb_wino_place_of(const lb_wino *s, int tile)
{
    const int plane = s->tiles_h * s->tiles_w, r = tile % plane;

    return (lb_wino_place){tile / plane, r / s->tiles_w, r % s->tiles_w};
}

LB_INLINE void lb_wino_next(const lb_wino *s, lb_wino_place *p)
{
    if (++p->column < s->tiles_w)
        return;
    p->column = 0;
    if (++p->row < s->tiles_h)
        return;
    p->row = 0;
    p->sample++;
}

/* Transforms tiles first..first+count-1 of all channels: v [36][count][ic]. */
LB_INLINE void lb_wino_gather(const lb_wino *s, const float *x, int first, int count,
                              float *v)
{
    const size_t plane = (size_t)s->h * (size_t)s->w * LB_BLOCK;
    const size_t pitch = lb_wino_pitch(s->chunk, s->ic);

    for (int b = 0; b < s->ic; b++) {
        lb_wino_place p = lb_wino_place_of(s, first);
        for (int t = 0; t < count; t++, lb_wino_next(s, &p))
            lb_wino_tile(s, x + ((size_t)p.sample * (size_t)s->ic + (size_t)b) * plane,
                         p.row * LB_WINO_TILE - s->pad_h,
                         p.column * LB_WINO_TILE - s->pad_w,
                         v + ((size_t)t * (size_t)s->ic + (size_t)b) * LB_BLOCK, pitch);
    }
}

#endif
