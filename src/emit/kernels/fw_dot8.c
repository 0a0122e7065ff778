/* fw_dot8.c: what convolutions have in common: two output positions of four channels at a
 * time, over inputs that were widened to int16 once for all channels. */
#include "fw8.h"

#include <stddef.h>

void fw8_widen(const int8_t *x0, const int8_t *x1, int n, int16_t *column)
{
    for (; n >= 4; n -= 4, x0 += 4, x1 += 4, column += 8) {
        column[0] = x0[0];
        column[1] = x0[2];
        column[2] = x1[0];
        column[3] = x1[2];
        column[4] = x0[1];
        column[5] = x0[3];
        column[6] = x1[1];
        column[7] = x1[3];
    }
    if (n > 0) {
        column[0] = x0[0];
        column[1] = n > 2 ? x0[2] : 0;
        column[2] = x1[0];
        column[3] = n > 2 ? x1[2] : 0;
        column[4] = n > 1 ? x0[1] : 0;
        column[5] = 0;
        column[6] = n > 1 ? x1[1] : 0;
        column[7] = 0;
    }
}

/* sum[2 * channel + position] of four channels. */
static void dot(const int16_t *column, const int8_t *weight, int blocks,
                const int32_t *bias, int32_t *sum)
{
    int32_t a0 = bias[0], b0 = bias[1], c0 = bias[2], d0 = bias[3];
    int32_t a1 = a0, b1 = b0, c1 = c0, d1 = d0;

    for (; blocks > 0; blocks--, column += 8, weight += 16) {
        const int32_t p0 = column[0], p2 = column[1], q0 = column[2], q2 = column[3];
        const int32_t p1 = column[4], p3 = column[5], q1 = column[6], q3 = column[7];
        a0 += p0 * weight[0] + p2 * weight[2] + p1 * weight[8] + p3 * weight[10];
        a1 += q0 * weight[0] + q2 * weight[2] + q1 * weight[8] + q3 * weight[10];
        b0 += p0 * weight[1] + p2 * weight[3] + p1 * weight[9] + p3 * weight[11];
        b1 += q0 * weight[1] + q2 * weight[3] + q1 * weight[9] + q3 * weight[11];
        c0 += p0 * weight[4] + p2 * weight[6] + p1 * weight[12] + p3 * weight[14];
        c1 += q0 * weight[4] + q2 * weight[6] + q1 * weight[12] + q3 * weight[14];
        d0 += p0 * weight[5] + p2 * weight[7] + p1 * weight[13] + p3 * weight[15];
        d1 += q0 * weight[5] + q2 * weight[7] + q1 * weight[13] + q3 * weight[15];
    }
    sum[0] = a0;
    sum[1] = a1;
    sum[2] = b0;
    sum[3] = b1;
    sum[4] = c0;
    sum[5] = c1;
    sum[6] = d0;
    sum[7] = d1;
}

/* The int8 of one sum of channel m. */
static int8_t finish(const fw8_layer *l, int m, int32_t sum, const int8_t *z)
{
    const fw8_grid *const g = &l->grid;
    const int v =
        fw8_clamp(fw8_scale(sum, g->factor[m], g->shift[m], g->zero), g->low, g->high);

    if (!z)
        return (int8_t)v;
    return (int8_t)fw8_clamp(fw8_sum_of(l->residual, v, *z), l->residual->low,
                             l->residual->high);
}

void fw8_run(const fw8_layer *l, int channels, const int16_t *column, int blocks,
             int positions, const int8_t *z, int8_t *y)
{
    const int8_t *weight = l->weight;
    int m, i, p;

    for (m = 0; m < channels; m += 4, weight += 16 * (ptrdiff_t)blocks) {
        const int many = channels - m < 4 ? channels - m : 4;
        int32_t sum[8];
        dot(column, weight, blocks, l->bias + m, sum);
        for (p = 0; p < positions; p++)
            for (i = 0; i < many; i++) {
                const ptrdiff_t at = (ptrdiff_t)p * channels + m + i;
                y[at] = finish(l, m + i, sum[2 * i + p], z ? z + at : NULL);
            }
    }
}
