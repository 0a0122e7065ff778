/* fw_elementwise.c: addition, clamp, and a factor and an offset for each channel. */
#include "fw.h"

static float clamp(const fw_shape *s, float v)
{
    return v < s->low ? s->low : v > s->high ? s->high : v;
}

void fw_add(const fw_shape *s, const float *a, const float *b, float *y)
{
    const int n = s->out_h * s->out_w * s->out_c;
    int i;

    for (i = 0; i < n; i++)
        y[i] = clamp(s, a[i] + b[i]);
}

void fw_activation(const fw_shape *s, const float *x, float *y)
{
    const int n = s->out_h * s->out_w * s->out_c;
    int i;

    for (i = 0; i < n; i++)
        y[i] = clamp(s, x[i]);
}

void fw_affine(const fw_shape *s, const float *x, const float *factor,
               const float *offset, float *y)
{
    const int positions = s->out_h * s->out_w;
    int p, c;

    for (p = 0; p < positions; p++)
        for (c = 0; c < s->out_c; c++)
            *y++ = clamp(s, *x++ * factor[c] + offset[c]);
}
