/* halve_pack.c: weights as Winograd's convolution of stride 2 reads them: for each point
 * a matrix, on the way forward [phase][channel] by [filter], on the way back [filter] by
 * [phase][channel], in panels. */
#include "engine/simd/halve.h"
#include "engine/simd/wino_product.h"

size_t LB_SIMD(halve_packed)(const lb_wino *s)
{
    return (size_t)81 * (size_t)(s->ic * s->oc) * LB_BLOCK * LB_BLOCK;
}

/* Weights 0 and 2 belong to even phases and change places on the way back; weight 1 to
 * odd ones: first or last, where the point that is left out does not see it. */
LB_INLINE void pair_of(bool odd, bool back, int left_out, lb_vec w0, lb_vec w1, lb_vec w2,
                       lb_vec *g0, lb_vec *g1)
{
    if (odd) {
        *g0 = left_out == 0 ? lb_zero() : w1;
        *g1 = left_out == 0 ? w1 : lb_zero();
    } else {
        *g0 = back ? w2 : w0;
        *g1 = back ? w0 : w2;
    }
}

/* The points of one phase of a block of weights. */
static void transform(float w[9][LB_BLOCK], int phase, bool back, int left_out,
                      lb_vec u[5][5])
{
    lb_vec t[5][3];

    for (int j = 0; j < 3; j++) {
        lb_vec g0, g1, o[5];
        pair_of(phase & 2, back, left_out, lb_load(w[j]), lb_load(w[3 + j]),
                lb_load(w[6 + j]), &g0, &g1);
        lb_halve_weight_in(g0, g1, o);
        for (int i = 0; i < 5; i++)
            t[i][j] = o[i];
    }
    for (int i = 0; i < 5; i++) {
        lb_vec g0, g1;
        pair_of(phase & 1, back, left_out, t[i][0], t[i][1], t[i][2], &g0, &g1);
        lb_halve_weight_in(g0, g1, u[i]);
    }
}

/* Nine weights of a block of pairs, one of both the same for all: channel i and filters
 * from o on, or channels from i on and filter o. */
static void pick(const float *w, int m, int c, int i, int o, bool along_channels,
                 float to[9][LB_BLOCK])
{
    for (int k = 0; k < LB_BLOCK; k++) {
        const int channel = along_channels ? i + k : i,
                  filter = along_channels ? o : o + k;
        const float *const from = w + ((ptrdiff_t)filter * c + channel) * 9;
        for (int j = 0; j < 9; j++)
            to[j][k] = channel < c && filter < m ? from[j] : 0;
    }
}

static void store_phase(const lb_wino *s, lb_vec points[5][5], int phase, int i, int b,
                        float *u)
{
    for (int p = 0; p < LB_HALVE_ALL; p++) {
        const int rows = lb_halve_rows(p, LB_HALVE_FORWARD) * s->ic * LB_BLOCK;
        const int row = lb_halve_place(phase, p, LB_HALVE_FORWARD) * s->ic * LB_BLOCK + i;
        if (lb_halve_has(phase, p, LB_HALVE_FORWARD))
            lb_store(u + lb_wino_panel(rows, s->oc, row, b), points[p / 5][p % 5]);
        u += (size_t)rows * (size_t)s->oc * LB_BLOCK;
    }
}

void LB_SIMD(halve_pack)(const lb_wino *s, int m, int c, const float *w, float *u)
{
    for (int i = 0; i < s->ic * LB_BLOCK; i++)
        for (int b = 0; b < s->oc; b++) {
            float g[9][LB_BLOCK];
            pick(w, m, c, i, b * LB_BLOCK, false, g);
            for (int phase = 0; phase < LB_HALVE_PHASES; phase++) {
                lb_vec points[5][5];
                transform(g, phase, false, LB_HALVE_FORWARD, points);
                store_phase(s, points, phase, i, b, u);
            }
        }
}

static void store_back(const lb_wino *s, lb_vec points[5][5], int phase, int o, int b,
                       float *u)
{
    const int rows = s->oc * LB_BLOCK, left_out = lb_halve_back_of(s);

    for (int p = 0; p < LB_HALVE_ALL; p++) {
        const int blocks = lb_halve_rows(p, left_out) * s->ic;
        const int block = lb_halve_place(phase, p, left_out) * s->ic + b;
        if (lb_halve_has(phase, p, left_out))
            lb_store(u + lb_wino_panel(rows, blocks, o, block), points[p / 5][p % 5]);
        u += (size_t)rows * (size_t)blocks * LB_BLOCK;
    }
}

void LB_SIMD(halve_pack_back)(const lb_wino *s, int m, int c, const float *w, float *u)
{
    for (int o = 0; o < s->oc * LB_BLOCK; o++)
        for (int b = 0; b < s->ic; b++) {
            float g[9][LB_BLOCK];
            pick(w, m, c, b * LB_BLOCK, o, true, g);
            for (int phase = 0; phase < LB_HALVE_PHASES; phase++) {
                lb_vec points[5][5];
                transform(g, phase, true, lb_halve_back_of(s), points);
                store_back(s, points, phase, o, b, u);
            }
        }
}
