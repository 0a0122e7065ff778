/* halve_back.c: the gradient of the input of a 3x3 convolution of stride 2: one transform
 * of a tile of dy serves the four phases of an 8x8 tile of x. */
#include "engine/simd/halve.h"
#include "engine/simd/wino_product.h"

/* Tiles of dy, without padding a row and a column further up and to the left:
 * v [25][count][oc]. */
static void gather_dy(const lb_wino *s, const float *dy, int first, int count, float *v)
{
    const size_t plane = (size_t)s->oh * (size_t)s->ow * LB_BLOCK;
    const size_t pitch = lb_halve_pitch(s->chunk, s->oc);
    const int back = 1 - s->pad_h;

    for (int b = 0; b < s->oc; b++)
        for (int t = 0; t < count; t++) {
            const lb_halve_tile tile = lb_halve_tile_of(s, first + t);
            const float *const from =
                dy + ((size_t)tile.sample * (size_t)s->oc + (size_t)b) * plane;
            float *const to = v + (size_t)(t * s->oc + b) * LB_BLOCK;
            lb_vec d[5][5];
            lb_halve_load(from, s->oh, s->ow, tile.row - back, tile.column - back, 1, 5,
                          5, d);
            lb_halve_points(d, 5, 5);
#pragma GCC unroll 5
            for (int i = 0; i < 5; i++)
#pragma GCC unroll 5
                for (int j = 0; j < 5; j++)
                    lb_store(to + (size_t)(i * 5 + j) * pitch, d[i][j]);
        }
}

/* m [25][count][phases][ic] = v [25][count][oc] * u */
static void multiply_all(const lb_wino *s, const float *v, const float *u, int count,
                         float *m)
{
    const size_t v_pitch = lb_halve_pitch(s->chunk, s->oc);
    const size_t m_pitch = lb_halve_pitch(s->chunk, LB_HALVE_PHASES * s->ic);
    lb_wino_product p = {.rows = count, .k = (size_t)s->oc * LB_BLOCK};

    p.v_row = p.k;
    for (int point = 0; point < LB_HALVE_ALL; point++) {
        const int blocks = lb_halve_rows(point, lb_halve_back_of(s)) * s->ic;
        p.v = v + (size_t)point * v_pitch;
        p.m = m + (size_t)point * m_pitch;
        p.m_row = (size_t)blocks * LB_BLOCK;
        u = lb_wino_multiply_panels(&p, blocks, u);
    }
}

/* One phase: 4x4 pixels of dx, every other one of a row and of a column. */
LB_INLINE void scatter_phase(const lb_wino *s, const float *m, size_t pitch, int phase,
                             int t, int b, lb_halve_tile tile, int left_out, float *dx)
{
    const int row_out = phase & 2 ? left_out : -1;
    const int column_out = phase & 1 ? left_out : -1;
    const int row_odd = phase >> 1, column_odd = phase & 1;
    const bool pad = left_out == LB_HALVE_BACK_1;
    const int r0 = 2 * tile.row + (pad ? 1 - row_odd : row_odd);
    const int c0 = 2 * tile.column + (pad ? 1 - column_odd : column_odd);
    lb_vec w[4][5];

#pragma GCC unroll 5
    for (int j = 0; j < 5; j++) {
        lb_vec v[5], r[4];
#pragma GCC unroll 5
        for (int i = 0; i < 5; i++)
            v[i] = lb_halve_has(phase, i * 5 + j, left_out)
                       ? lb_load(m + lb_halve_at(i * 5 + j, phase, left_out, pitch, t,
                                                 s->ic, b))
                       : lb_zero();
        lb_halve_out(row_out, v, r);
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            w[i][j] = r[i];
    }
    const bool inside = r0 >= 0 && c0 >= 0 && r0 + 6 < s->h && c0 + 6 < s->w;
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        const int r = r0 + 2 * i;
        float *const to = dx + ((ptrdiff_t)r * s->w + c0) * LB_BLOCK;
        lb_vec o[4];
        lb_halve_out(column_out, w[i], o);
        if (inside) {
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++)
                lb_store(to + (ptrdiff_t)(2 * j) * LB_BLOCK, o[j]);
        } else if (r >= 0 && r < s->h) {
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++)
                if (c0 + 2 * j >= 0 && c0 + 2 * j < s->w)
                    lb_store(to + (ptrdiff_t)(2 * j) * LB_BLOCK, o[j]);
        }
    }
}

LB_INLINE void scatter(const lb_wino *s, const float *m, int first, int count,
                       int left_out, float *dx)
{
    const size_t plane = (size_t)s->h * (size_t)s->w * LB_BLOCK;
    const size_t pitch = lb_halve_pitch(s->chunk, LB_HALVE_PHASES * s->ic);

    for (int b = 0; b < s->ic; b++)
        for (int t = 0; t < count; t++) {
            const lb_halve_tile tile = lb_halve_tile_of(s, first + t);
            float *const to =
                dx + ((size_t)tile.sample * (size_t)s->ic + (size_t)b) * plane;
            scatter_phase(s, m, pitch, 0, t, b, tile, left_out, to);
            scatter_phase(s, m, pitch, 1, t, b, tile, left_out, to);
            scatter_phase(s, m, pitch, 2, t, b, tile, left_out, to);
            scatter_phase(s, m, pitch, 3, t, b, tile, left_out, to);
        }
}

void LB_SIMD(halve_back)(const lb_wino *s, const float *dy, const float *u, float *dx,
                         float *scratch)
{
    const int tiles = s->n * s->tiles_h * s->tiles_w;
    float *const v = scratch, *const m =
                                  v + LB_HALVE_ALL * lb_halve_pitch(s->chunk, s->oc);

    for (int first = 0; first < tiles; first += s->chunk) {
        const int count = tiles - first < s->chunk ? tiles - first : s->chunk;
        gather_dy(s, dy, first, count, v);
        multiply_all(s, v, u, count, m);
        if (lb_halve_back_of(s) == LB_HALVE_BACK_1)
            scatter(s, m, first, count, LB_HALVE_BACK_1, dx);
        else
            scatter(s, m, first, count, LB_HALVE_BACK_0, dx);
    }
}
