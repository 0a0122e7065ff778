/* fw_depthwise.c: depthwise convolution, channel by channel. */
#include "fw.h"

#include <stddef.h>

/* One channel of one position; x and weight point to the kernel's corner. */
static float tap_sum(const fw_shape *s, const float *x, const float *weight, float sum,
                     fw_taps v, fw_taps h)
{
    const int step = s->dilation_w * s->in_c;
    int kh, kw;

    for (kh = v.first; kh < v.end; kh++) {
        const float *from = x + (kh * s->dilation_h * s->in_w) * s->in_c + h.first * step;
        const float *w = weight + (kh * s->kernel_w + h.first) * s->in_c;
        for (kw = h.first; kw < h.end; kw++) {
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
        const fw_taps v = fw_taps_at(top, s->kernel_h, s->dilation_h, s->in_h);
        for (ow = 0; ow < s->out_w; ow++) {
            const int left = ow * s->stride_w - s->pad_left;
            const fw_taps h = fw_taps_at(left, s->kernel_w, s->dilation_w, s->in_w);
            const ptrdiff_t at = ((ptrdiff_t)top * s->in_w + left) * s->in_c;
            for (c = 0; c < s->out_c; c++) {
                float r = tap_sum(s, x + at + c, weight + c, bias[c], v, h);
                if (residual)
                    r += *residual++;
                *y++ = r < s->low ? s->low : r > s->high ? s->high : r;
            }
        }
    }
}
