/* halve_weight.c: the gradient of the weights of a 3x3 convolution of stride 2. */
#include "engine/simd/halve.h"
#include "engine/simd/wino_product.h"

/* d [25][count][oc] */
static void gather_dy(const lb_wino *s, const float *dy, int first, int count, float *d)
{
    const size_t plane = (size_t)s->oh * (size_t)s->ow * LB_BLOCK;
    const size_t pitch = lb_halve_pitch(s->chunk, s->oc);

    for (int b = 0; b < s->oc; b++)
        for (int t = 0; t < count; t++) {
            const lb_halve_tile tile = lb_halve_tile_of(s, first + t);
            const float *const from =
                dy + ((size_t)tile.sample * (size_t)s->oc + (size_t)b) * plane;
            float *const to = d + (size_t)(t * s->oc + b) * LB_BLOCK;
            lb_vec y[5][5], w[5][4];
            lb_halve_load(from, s->oh, s->ow, tile.row, tile.column, 1, 4, 4, y);
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++) {
                const lb_vec v[4] = {y[0][j], y[1][j], y[2][j], y[3][j]};
                lb_vec o[5];
                lb_halve_grad_in(v, o);
#pragma GCC unroll 5
                for (int i = 0; i < 5; i++)
                    w[i][j] = o[i];
            }
#pragma GCC unroll 5
            for (int i = 0; i < 5; i++) {
                lb_vec o[5];
                lb_halve_grad_in(w[i], o);
#pragma GCC unroll 5
                for (int j = 0; j < 5; j++)
                    lb_store(to + (size_t)(i * 5 + j) * pitch, o[j]);
            }
        }
}

/* Floats of the sums before a point. */
static size_t sum_at(const lb_wino *s, int point)
{
    size_t rows = 0;

    for (int p = 0; p < point; p++)
        rows += (size_t)(lb_halve_rows(p, LB_HALVE_FORWARD) * s->ic) * LB_BLOCK;
    return rows * (size_t)s->oc * LB_BLOCK;
}

/* sum [point][phases][ic][oc] = v^T * d, added unless it is the first chunk. */
static void add_all(const lb_wino *s, bool first, const float *v, const float *d,
                    int count, float *sum)
{
    const size_t v_pitch = lb_halve_pitch(s->chunk, LB_HALVE_PHASES * s->ic);
    const size_t d_pitch = lb_halve_pitch(s->chunk, s->oc);
    const size_t m = (size_t)s->oc * LB_BLOCK;

    for (int point = 0; point < LB_HALVE_ALL; point++) {
        const size_t rows =
            (size_t)(lb_halve_rows(point, LB_HALVE_FORWARD) * s->ic) * LB_BLOCK;
        lb_wino_add(first, v + (size_t)point * v_pitch, rows, d + (size_t)point * d_pitch,
                    m, count, sum);
        sum += rows * m;
    }
}

/* The weights of a phase, of one block: from its points on, `from` floats on, to rows and
 * columns 0 and 2 of the nine, or to 1. */
LB_INLINE void transform_block(const float *const points[25], size_t from, int phase,
                               size_t n, float *dw)
{
    const bool row_odd = phase & 2, column_odd = phase & 1;
    lb_vec w[2][5];

#pragma GCC unroll 5
    for (int j = 0; j < 5; j++) {
        lb_vec v[5], o[2] = {lb_zero(), lb_zero()};
#pragma GCC unroll 5
        for (int i = 0; i < 5; i++)
            v[i] = lb_halve_has(phase, i * 5 + j, LB_HALVE_FORWARD)
                       ? lb_load(points[i * 5 + j] + from)
                       : lb_zero();
        lb_halve_weight_out(v, row_odd, o);
        w[0][j] = o[0];
        w[1][j] = o[1];
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        float *const to = dw + (size_t)(row_odd ? 3 : 6 * i) * n + from;
        lb_vec o[2];
        if (i > 0 && row_odd)
            continue;
        lb_halve_weight_out(w[i], column_odd, o);
        lb_store(column_odd ? to + n : to, o[0]);
        if (!column_odd)
            lb_store(to + 2 * n, o[1]);
    }
}

/* One phase: its weights of all channels and filters. n: floats of [ic][oc]. */
LB_INLINE void transform_back(const lb_wino *s, const float *sum, int phase, size_t n,
                              float *dw)
{
    const float *points[25];

    for (int p = 0; p < LB_HALVE_ALL; p++)
        points[p] =
            sum + sum_at(s, p) + (size_t)lb_halve_place(phase, p, LB_HALVE_FORWARD) * n;
    for (size_t k = 0; k < n; k += LB_BLOCK)
        transform_block(points, k, phase, n, dw);
}

void LB_SIMD(halve_weight)(const lb_wino *s, const float *x, const float *dy, float *dw,
                           float *scratch)
{
    const int tiles = s->n * s->tiles_h * s->tiles_w;
    const size_t n = (size_t)(s->ic * s->oc) * LB_BLOCK * LB_BLOCK;
    float *const v = scratch;
    float *const d = v + LB_HALVE_ALL * lb_halve_pitch(s->chunk, LB_HALVE_PHASES * s->ic);
    float *const sum = d + LB_HALVE_ALL * lb_halve_pitch(s->chunk, s->oc);

    for (int first = 0; first < tiles; first += s->chunk) {
        const int count = tiles - first < s->chunk ? tiles - first : s->chunk;
        lb_halve_gather(s, x, first, count, v);
        gather_dy(s, dy, first, count, d);
        add_all(s, first == 0, v, d, count, sum);
    }
    transform_back(s, sum, 0, n, dw);
    transform_back(s, sum, 1, n, dw);
    transform_back(s, sum, 2, n, dw);
    transform_back(s, sum, 3, n, dw);
}
