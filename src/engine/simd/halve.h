/* halve.h: Winograd for 3x3 convolutions of stride 2.
 *
 * Along an axis, output i reads x at 2i-pad, 2i-pad+1 and 2i-pad+2. The positions 2u-pad
 * ("even" here) meet two weights, 0 and 2; the positions 2u-pad+1 ("odd") meet weight 1
 * alone. So the convolution is a sum of four of stride 1, one for each phase of rows and
 * columns, with 2x2, 2x1, 1x2 and 1x1 weights: all of them are brought into the domain of
 * F(4x4,2x2) over the points 0, 1, -1, 2 and infinity and added there. Where a phase has
 * one weight, a point has none and is left out: infinity, but 0 in the gradient of the
 * input without padding, where the weight meets the window's last value. 81 products for
 * 16 outputs instead of 144. */
#ifndef LB_ENGINE_SIMD_HALVE_H
#define LB_ENGINE_SIMD_HALVE_H

#include "engine/simd/simd_protos.h"

enum { LB_HALVE_TILE = 4, LB_HALVE_POINTS = 5, LB_HALVE_ALL = 25, LB_HALVE_PHASES = 4 };

/* The point along an axis that an odd phase leaves out. */
enum { LB_HALVE_FORWARD = 4, LB_HALVE_BACK_0 = 0, LB_HALVE_BACK_1 = 4 /* of pad 0, 1 */ };

LB_INLINE int lb_halve_back_of(const lb_wino *s)
{
    return s->pad_h == 1 ? LB_HALVE_BACK_1 : LB_HALVE_BACK_0;
}

/* Phase f is odd in its rows if f & 2, in its columns if f & 1. */
LB_INLINE bool lb_halve_has(int phase, int point, int left_out)
{
    return !((phase & 2) && point / 5 == left_out) &&
           !((phase & 1) && point % 5 == left_out);
}

/* How many phases before `phase` a point has: where it lies among them. */
LB_INLINE int lb_halve_place(int phase, int point, int left_out)
{
    int n = 0;

    for (int f = 0; f < phase; f++)
        n += lb_halve_has(f, point, left_out);
    return n;
}

LB_INLINE size_t lb_halve_pitch(int rows, int blocks)
{
    return (size_t)rows * (size_t)blocks * LB_BLOCK + 16;
}

/* B^T d, in place; with four inputs the last point is left out. */
LB_INLINE void lb_halve_in(int n, lb_vec d[5])
{
    const lb_vec two = lb_splat(2), three = lb_splat(3);
    const lb_vec a = d[3] - d[1];
    const lb_vec p0 = lb_fma(two, d[0] - d[2], a);
    const lb_vec p1 = lb_fnma(two, d[1], d[3] - d[2]);
    const lb_vec p2 = lb_fnma(three, d[2], lb_fma(two, d[1], d[3]));

    if (n > 4)
        d[4] = lb_fnma(two, a, d[4] - d[2]);
    d[0] = p0;
    d[1] = p1;
    d[2] = p2;
    d[3] = a;
}

/* A^T m: four results; `left_out` as above, or -1: of an even phase. */
LB_INLINE void lb_halve_out(int left_out, const lb_vec m[5], lb_vec o[4])
{
    const lb_vec a = m[1] + m[2], b = m[1] - m[2];

    o[0] = a + m[3];
    if (left_out != 0)
        o[0] = m[0] + o[0];
    o[1] = lb_fma(lb_splat(2), m[3], b);
    o[2] = lb_fma(lb_splat(4), m[3], a);
    o[3] = lb_fma(lb_splat(8), m[3], b);
    if (left_out != 4)
        o[3] = o[3] + m[4];
}

/* G for two weights. */
LB_INLINE void lb_halve_weight_in(lb_vec g0, lb_vec g1, lb_vec o[5])
{
    o[0] = lb_splat(0.5F) * g0;
    o[1] = lb_splat(-0.5F) * (g0 + g1);
    o[2] = lb_splat(1 / 6.0F) * (g1 - g0);
    o[3] = lb_splat(1 / 6.0F) * (g0 + g1 + g1);
    o[4] = g1;
}

/* G for four values of dy. */
LB_INLINE void lb_halve_grad_in(const lb_vec y[4], lb_vec o[5])
{
    const lb_vec a = y[0] + y[2], b = y[1] + y[3], four = lb_splat(4);
    const lb_vec u = lb_fma(four, y[2], y[0]), v = lb_fma(four, y[3], y[1]);

    o[0] = lb_splat(0.5F) * y[0];
    o[1] = lb_splat(-0.5F) * (a + b);
    o[2] = lb_splat(1 / 6.0F) * (b - a);
    o[3] = lb_splat(1 / 6.0F) * (u + v + v);
    o[4] = y[3];
}

/* A^T for the two weights of an even phase; an odd one has the first alone. */
LB_INLINE void lb_halve_weight_out(const lb_vec m[5], bool odd, lb_vec o[2])
{
    o[0] = m[0] + (m[1] + m[2]) + m[3];
    if (!odd)
        o[1] = lb_fma(lb_splat(2), m[3], m[1] - m[2]) + m[4];
}

typedef struct lb_halve_tile {
    int sample, row, column; /* of the tile, in its units */
} lb_halve_tile;

LB_INLINE lb_halve_tile lb_halve_tile_of(const lb_wino *s, int tile)
{
    const int plane = s->tiles_h * s->tiles_w, r = tile % plane;

    return (lb_halve_tile){tile / plane, r / s->tiles_w * LB_HALVE_TILE,
                           r % s->tiles_w * LB_HALVE_TILE};
}

/* Pixels r0 + i*step, c0 + j*step of a plane h x w of one block; zeros outside. */
LB_INLINE void lb_halve_load(const float *x, int h, int w, int r0, int c0, int step,
                             int n_rows, int n_columns, lb_vec d[5][5])
{
    static const float zeros[10 * LB_BLOCK] __attribute__((aligned(64))) = {0};
    const int r_end = r0 + step * (n_rows - 1), c_end = c0 + step * (n_columns - 1);
    const ptrdiff_t row = (ptrdiff_t)w * LB_BLOCK, side = (ptrdiff_t)step * LB_BLOCK;
    const float *const first = x + ((ptrdiff_t)r0 * w + c0) * LB_BLOCK;

    if (r0 >= 0 && c0 >= 0 && r_end < h && c_end < w) {
#pragma GCC unroll 5
        for (int i = 0; i < n_rows; i++)
#pragma GCC unroll 5
            for (int j = 0; j < n_columns; j++)
                d[i][j] = lb_load(first + i * step * row + j * side);
        return;
    }
    const float *from[5];
#pragma GCC unroll 5
    for (int i = 0; i < n_rows; i++)
        from[i] =
            r0 + i * step >= 0 && r0 + i * step < h ? first + i * step * row : zeros;
#pragma GCC unroll 5
    for (int j = 0; j < n_columns; j++) {
        const bool inside = c0 + j * step >= 0 && c0 + j * step < w;
#pragma GCC unroll 5
        for (int i = 0; i < n_rows; i++)
            d[i][j] = inside ? lb_load(from[i] + j * side) : lb_zero();
    }
}

/* Transforms the rows [n_rows] x [n_columns] at d into their points. */
LB_INLINE void lb_halve_points(lb_vec d[5][5], int n_rows, int n_columns)
{
#pragma GCC unroll 5
    for (int j = 0; j < n_columns; j++) {
        lb_vec v[5];
#pragma GCC unroll 5
        for (int i = 0; i < 5; i++)
            v[i] = i < n_rows ? d[i][j] : lb_zero();
        lb_halve_in(n_rows, v);
#pragma GCC unroll 5
        for (int i = 0; i < n_rows; i++)
            d[i][j] = v[i];
    }
#pragma GCC unroll 5
    for (int i = 0; i < n_rows; i++)
        lb_halve_in(n_columns, d[i]);
}

/* How many phases a point has: a tile's row of channels is so many times as long. */
LB_INLINE int lb_halve_rows(int point, int left_out)
{
    return lb_halve_place(LB_HALVE_PHASES, point, left_out);
}

/* Where in an array [point][tile][phase][blocks] a block lies. */
LB_INLINE size_t lb_halve_at(int point, int phase, int left_out, size_t pitch, int tile,
                             int blocks, int block)
{
    const int row =
        tile * lb_halve_rows(point, left_out) + lb_halve_place(phase, point, left_out);

    return (size_t)point * pitch + (size_t)(row * blocks + block) * LB_BLOCK;
}

/* One phase of tile number t of a chunk, at `tile` of x, whose plane of block b begins at
 * x. */
LB_INLINE void lb_halve_gather_phase(const lb_wino *s, const float *x, lb_halve_tile tile,
                                     int phase, int t, int b, float *v, size_t pitch)
{
    const int r0 = 2 * tile.row - s->pad_h + (phase >> 1);
    const int c0 = 2 * tile.column - s->pad_w + (phase & 1);
    const int n_rows = phase & 2 ? 4 : 5, n_columns = phase & 1 ? 4 : 5;
    lb_vec d[5][5];

    lb_halve_load(x, s->h, s->w, r0, c0, 2, n_rows, n_columns, d);
    lb_halve_points(d, n_rows, n_columns);
#pragma GCC unroll 5
    for (int i = 0; i < n_rows; i++)
#pragma GCC unroll 5
        for (int j = 0; j < n_columns; j++)
            lb_store(
                v + lb_halve_at(i * 5 + j, phase, LB_HALVE_FORWARD, pitch, t, s->ic, b),
                d[i][j]);
}

/* Tiles first..first+count-1 of x: at each point v [count][phases][ic]. */
LB_INLINE void lb_halve_gather(const lb_wino *s, const float *x, int first, int count,
                               float *v)
{
    const size_t plane = (size_t)s->h * (size_t)s->w * LB_BLOCK;
    const size_t pitch = lb_halve_pitch(s->chunk, LB_HALVE_PHASES * s->ic);

    for (int b = 0; b < s->ic; b++)
        for (int t = 0; t < count; t++) {
            const lb_halve_tile tile = lb_halve_tile_of(s, first + t);
            const float *const from =
                x + ((size_t)tile.sample * (size_t)s->ic + (size_t)b) * plane;
            lb_halve_gather_phase(s, from, tile, 0, t, b, v, pitch);
            lb_halve_gather_phase(s, from, tile, 1, t, b, v, pitch);
            lb_halve_gather_phase(s, from, tile, 2, t, b, v, pitch);
            lb_halve_gather_phase(s, from, tile, 3, t, b, v, pitch);
        }
}

#endif
