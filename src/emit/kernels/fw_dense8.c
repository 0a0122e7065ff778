/* fw_dense8.c: dense layer, four outputs at a time. */
#include "fw8.h"

#include <stddef.h>

/* k0..k3 as k0 k2 k1 k3; filled up with zeros. */
static void widen(const int8_t *x, int n, int16_t *to)
{
    for (; n > 0; n -= 4, x += 4, to += 4) {
        to[0] = x[0];
        to[1] = n > 2 ? x[2] : 0;
        to[2] = n > 1 ? x[1] : 0;
        to[3] = n > 3 ? x[3] : 0;
    }
}

static void dot(const int16_t *x, const int8_t *weight, int blocks, const int32_t *bias,
                int32_t *sum)
{
    int32_t a = bias[0], b = bias[1], c = bias[2], d = bias[3];

    for (; blocks > 0; blocks--, x += 4, weight += 16) {
        const int32_t x0 = x[0], x2 = x[1], x1 = x[2], x3 = x[3];
        a += x0 * weight[0] + x2 * weight[2] + x1 * weight[8] + x3 * weight[10];
        b += x0 * weight[1] + x2 * weight[3] + x1 * weight[9] + x3 * weight[11];
        c += x0 * weight[4] + x2 * weight[6] + x1 * weight[12] + x3 * weight[14];
        d += x0 * weight[5] + x2 * weight[7] + x1 * weight[13] + x3 * weight[15];
    }
    sum[0] = a;
    sum[1] = b;
    sum[2] = c;
    sum[3] = d;
}

void fw8_dense(const fw8_shape *s, const fw8_layer *l, const int8_t *x, void *scratch,
               int8_t *y)
{
    const int n = s->in_h * s->in_w * s->in_c, blocks = (n + 3) / 4;
    const fw8_grid *const g = &l->grid;
    const int8_t *weight = l->weight;
    int m, i;

    widen(x, n, scratch);
    for (m = 0; m < s->out_c; m += 4, weight += 16 * (ptrdiff_t)blocks) {
        int32_t sum[4];
        dot(scratch, weight, blocks, l->bias + m, sum);
        for (i = m; i < s->out_c && i < m + 4; i++)
            y[i] = (int8_t)fw8_clamp(
                fw8_scale(sum[i - m], g->factor[i], g->shift[i], g->zero), g->low,
                g->high);
    }
}
