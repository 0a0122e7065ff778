/* fw_conv.c: convolution, four output channels at a time. */
#include "fw.h"

#include <stddef.h>

/* sum[0..3] += x . weight for four rows of weights, `row` apart. */
static void add_four(const float *x, const float *weight, int row, int n, float *sum)
{
    const float *w0 = weight, *w1 = w0 + row, *w2 = w1 + row, *w3 = w2 + row;
    float s0 = sum[0], s1 = sum[1], s2 = sum[2], s3 = sum[3];
    int i;

    for (i = 0; i < n; i++) {
        const float v = x[i];
        s0 += v * w0[i];
        s1 += v * w1[i];
        s2 += v * w2[i];
        s3 += v * w3[i];
    }
    sum[0] = s0;
    sum[1] = s1;
    sum[2] = s2;
    sum[3] = s3;
}

static void add_one(const float *x, const float *weight, int n, float *sum)
{
    float s0 = sum[0];
    int i;

    for (i = 0; i < n; i++)
        s0 += x[i] * weight[i];
    sum[0] = s0;
}

/* `many` channels, 4 or 1, of one position; x and weight point to their first taps. */
static void position(const fw_shape *s, const float *x, const float *weight, int many,
                     fw_taps v, fw_taps h, float *sum)
{
    const int row = s->kernel_h * s->kernel_w * s->in_c;
    /* without dilation the taps of a kernel row and their channels are one stretch */
    const int joined = s->dilation_w == 1;
    const int n = joined ? (h.end - h.first) * s->in_c : s->in_c;
    int kh, kw;

    for (kh = v.first; kh < v.end; kh++)
        for (kw = h.first; kw < (joined && h.end > h.first ? h.first + 1 : h.end); kw++) {
            const float *const from =
                x + (kh * s->dilation_h * s->in_w + kw * s->dilation_w) * s->in_c;
            const float *const w = weight + (kh * s->kernel_w + kw) * s->in_c;
            if (many == 4)
                add_four(from, w, row, n, sum);
            else
                add_one(from, w, n, sum);
        }
}

void fw_conv(const fw_shape *s, const float *x, const float *weight, const float *bias,
             const float *residual, float *y)
{
    const int row = s->kernel_h * s->kernel_w * s->in_c;
    int oh, ow, m, i;

    for (oh = 0; oh < s->out_h; oh++) {
        const int top = oh * s->stride_h - s->pad_top;
        const fw_taps v = fw_taps_at(top, s->kernel_h, s->dilation_h, s->in_h);
        for (ow = 0; ow < s->out_w; ow++) {
            const int left = ow * s->stride_w - s->pad_left;
            const fw_taps h = fw_taps_at(left, s->kernel_w, s->dilation_w, s->in_w);
            const ptrdiff_t at = ((ptrdiff_t)top * s->in_w + left) * s->in_c;
            for (m = 0; m < s->out_c;) {
                const int many = s->out_c - m >= 4 ? 4 : 1;
                float sum[4];
                for (i = 0; i < many; i++)
                    sum[i] = bias[m + i];
                position(s, x + at, weight + (ptrdiff_t)m * row, many, v, h, sum);
                for (i = 0; i < many; i++, m++) {
                    float r = sum[i];
                    if (residual)
                        r += *residual++;
                    *y++ = r < s->low ? s->low : r > s->high ? s->high : r;
                }
            }
        }
    }
}
