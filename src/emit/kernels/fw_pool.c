/* fw_pool.c: maximum and average over windows. */
#include "fw.h"

#include <float.h>
#include <stddef.h>

static float clamp(const fw_shape *s, float v)
{
    return v < s->low ? s->low : v > s->high ? s->high : v;
}

/* The taps inside the input, and how many lie before the end of the padding. */
typedef struct span {
    int first, end, padded;
} span;

static span span_at(int start, int kernel, int dilation, int size, int pad_end)
{
    const fw_taps inside = fw_taps_at(start, kernel, dilation, size);
    span t = {inside.first, inside.end, kernel};

    while (t.padded > 0 && start + (t.padded - 1) * dilation >= size + pad_end)
        t.padded--;
    return t;
}

/* x points to the window's corner, in its channel. */
static float most(const fw_shape *s, const float *x, span v, span h)
{
    float best = -FLT_MAX;
    int kh, kw;

    for (kh = v.first; kh < v.end; kh++)
        for (kw = h.first; kw < h.end; kw++) {
            const float a =
                x[(kh * s->dilation_h * s->in_w + kw * s->dilation_w) * s->in_c];
            if (a > best)
                best = a;
        }
    return best;
}

static float mean(const fw_shape *s, const float *x, span v, span h)
{
    const int inside = (v.end - v.first) * (h.end - h.first);
    const int count = s->count_include_pad ? v.padded * h.padded : inside;
    float sum = 0;
    int kh, kw;

    for (kh = v.first; kh < v.end; kh++)
        for (kw = h.first; kw < h.end; kw++)
            sum += x[(kh * s->dilation_h * s->in_w + kw * s->dilation_w) * s->in_c];
    return sum / (float)(count > 0 ? count : 1);
}

static void pool(const fw_shape *s, const float *x, float *y,
                 float (*of)(const fw_shape *s, const float *x, span v, span h))
{
    int oh, ow, c;

    for (oh = 0; oh < s->out_h; oh++) {
        const int top = oh * s->stride_h - s->pad_top;
        const span v = span_at(top, s->kernel_h, s->dilation_h, s->in_h, s->pad_bottom);
        for (ow = 0; ow < s->out_w; ow++) {
            const int left = ow * s->stride_w - s->pad_left;
            const ptrdiff_t at = ((ptrdiff_t)top * s->in_w + left) * s->in_c;
            const span h =
                span_at(left, s->kernel_w, s->dilation_w, s->in_w, s->pad_right);
            for (c = 0; c < s->out_c; c++)
                *y++ = clamp(s, of(s, x + at + c, v, h));
        }
    }
}

void fw_max_pool(const fw_shape *s, const float *x, float *y)
{
    pool(s, x, y, most);
}

void fw_average_pool(const fw_shape *s, const float *x, float *y)
{
    pool(s, x, y, mean);
}
