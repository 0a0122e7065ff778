/* fw_pointwise.c: 1x1 convolution, four output channels of two positions at a time. */
#include "fw.h"

#include <stddef.h>

static float clamp(const fw_shape *s, float v)
{
    return v < s->low ? s->low : v > s->high ? s->high : v;
}

/* Channels m..m+3 of two positions: sum[0..3] of the first, sum[4..7] of the second. */
static void eight(const float *x, const float *weight, const float *bias, int n,
                  float *sum)
{
    const float *const x1 = x + n;
    const float *w0 = weight, *w1 = w0 + n, *w2 = w1 + n, *w3 = w2 + n;
    float a0 = bias[0], a1 = bias[1], a2 = bias[2], a3 = bias[3];
    float b0 = a0, b1 = a1, b2 = a2, b3 = a3;
    int i;

    for (i = 0; i < n; i++) {
        const float u = x[i], v = x1[i];
        const float k0 = w0[i], k1 = w1[i], k2 = w2[i], k3 = w3[i];
        a0 += u * k0;
        a1 += u * k1;
        a2 += u * k2;
        a3 += u * k3;
        b0 += v * k0;
        b1 += v * k1;
        b2 += v * k2;
        b3 += v * k3;
    }
    sum[0] = a0;
    sum[1] = a1;
    sum[2] = a2;
    sum[3] = a3;
    sum[4] = b0;
    sum[5] = b1;
    sum[6] = b2;
    sum[7] = b3;
}

static float one(const float *x, const float *weight, float sum, int n)
{
    int i;

    for (i = 0; i < n; i++)
        sum += x[i] * weight[i];
    return sum;
}

void fw_pointwise(const fw_shape *s, const float *x, const float *weight,
                  const float *bias, const float *residual, float *y)
{
    const int n = s->in_c, m_n = s->out_c, positions = s->out_h * s->out_w;
    int p, m, i;

    for (p = 0; p < positions;) {
        const int two = positions - p >= 2;
        const float *const from = x + (ptrdiff_t)p * n;
        const ptrdiff_t at = (ptrdiff_t)p * m_n;
        m = 0;
        for (; two && m + 4 <= m_n; m += 4) {
            float sum[8];
            eight(from, weight + (ptrdiff_t)m * n, bias + m, n, sum);
            for (i = 0; i < 8; i++) {
                const ptrdiff_t to = at + (i < 4 ? 0 : m_n) + m + i % 4;
                y[to] = clamp(s, residual ? sum[i] + residual[to] : sum[i]);
            }
        }
        for (; m < m_n; m++)
            for (i = 0; i <= two; i++) {
                const float *const w = weight + (ptrdiff_t)m * n;
                const float sum = one(from + (ptrdiff_t)i * n, w, bias[m], n);
                const ptrdiff_t to = at + (ptrdiff_t)i * m_n + m;
                y[to] = clamp(s, residual ? sum + residual[to] : sum);
            }
        p += two ? 2 : 1;
    }
}
