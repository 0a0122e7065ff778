/* fw_depthwise.c: depthwise convolution, channel by channel. */
#include "fw.h"

#include <stddef.h>

/* Taps of the kernel that lie inside the input: from *first to *end. */
static void taps_at(int start, int kernel, int dilation, int size, int *first, int *end)
{
    *first = 0;
    *end = kernel;
    while (*first < kernel && start + *first * dilation < 0)
        ++*first;
    while (*end > *first && start + (*end - 1) * dilation >= size)
        --*end;
}

/* One channel of one position; x and weight point to the kernel's corner. */
typedef struct patch {
    int v0, v1, h0, h1;
} patch;

static float tap_sum(const fw_shape *s, const float *x, const float *weight, float sum,
                     const patch *p)
{
    const int step = s->dilation_w * s->in_c;
    int kh, kw;

    for (kh = p->v0; kh < p->v1; kh++) {
        const float *from = x + (kh * s->dilation_h * s->in_w) * s->in_c + p->h0 * step;
        const float *w = weight + (kh * s->kernel_w + p->h0) * s->in_c;
        for (kw = p->h0; kw < p->h1; kw++) {
            sum += *from * *w;
            from += step;
            w += s->in_c;
        }
    }
    return sum;
}

void fw_depthwise(const fw_shape *s, const float *x, const float *weight,
                  const float *bias, const float *residual, float *y)
{
    int oh, ow, c;

    for (oh = 0; oh < s->out_h; oh++) {
        const int top = oh * s->stride_h - s->pad_top;
        patch p;
        taps_at(top, s->kernel_h, s->dilation_h, s->in_h, &p.v0, &p.v1);
        for (ow = 0; ow < s->out_w; ow++) {
            const int left = ow * s->stride_w - s->pad_left;
            const ptrdiff_t at = ((ptrdiff_t)top * s->in_w + left) * s->in_c;
            taps_at(left, s->kernel_w, s->dilation_w, s->in_w, &p.h0, &p.h1);
            for (c = 0; c < s->out_c; c++) {
                float r = tap_sum(s, x + at + c, weight + c, bias[c], &p);
                if (residual)
                    r += *residual++;
                *y++ = r < s->low ? s->low : r > s->high ? s->high : r;
            }
        }
    }
}
