/* fw_dense.c: dense layer, four outputs at a time. */
#include "fw.h"

#include <stddef.h>

static float clamp(const fw_shape *s, float v)
{
    return v < s->low ? s->low : v > s->high ? s->high : v;
}

void fw_dense(const fw_shape *s, const float *x, const float *weight, const float *bias,
              float *y)
{
    const int n = s->in_h * s->in_w * s->in_c;
    const float *w0 = weight;
    int m = 0, i;

    for (; m + 4 <= s->out_c; m += 4, w0 += 4 * (ptrdiff_t)n) {
        const float *const w1 = w0 + n, *const w2 = w1 + n, *const w3 = w2 + n;
        float s0 = bias[m], s1 = bias[m + 1], s2 = bias[m + 2], s3 = bias[m + 3];
        for (i = 0; i < n; i++) {
            const float v = x[i];
            s0 += v * w0[i];
            s1 += v * w1[i];
            s2 += v * w2[i];
            s3 += v * w3[i];
        }
        y[m] = clamp(s, s0);
        y[m + 1] = clamp(s, s1);
        y[m + 2] = clamp(s, s2);
        y[m + 3] = clamp(s, s3);
    }
    for (; m < s->out_c; m++, w0 += n) {
        float s0 = bias[m];
        for (i = 0; i < n; i++)
            s0 += x[i] * w0[i];
        y[m] = clamp(s, s0);
    }
}
