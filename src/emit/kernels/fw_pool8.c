/* fw_pool8.c: maximum and average over windows. */
#include "fw8.h"

#include <stddef.h>

/* The taps inside the input: from first to end. */
typedef struct taps {
    int first, end;
} taps;

static taps taps_at(int start, int kernel, int dilation, int size)
{
    taps t = {0, kernel};

    while (t.first < kernel && start + t.first * dilation < 0)
        t.first++;
    while (t.end > t.first && start + (t.end - 1) * dilation >= size)
        t.end--;
    return t;
}

/* x points to the window's corner, in its channel. */
static int most(const fw8_shape *s, const int8_t *x, taps v, taps h)
{
    const ptrdiff_t down = (ptrdiff_t)s->dilation_h * s->in_w * s->in_c;
    const ptrdiff_t along = (ptrdiff_t)s->dilation_w * s->in_c;
    int best = -128, kh, kw;

    for (kh = v.first; kh < v.end; kh++) {
        const int8_t *at = x + kh * down + h.first * along;
        for (kw = h.first; kw < h.end; kw++, at += along)
            if (*at > best)
                best = *at;
    }
    return best;
}

static int32_t total(const fw8_shape *s, const int8_t *x, taps v, taps h)
{
    const ptrdiff_t down = (ptrdiff_t)s->dilation_h * s->in_w * s->in_c;
    const ptrdiff_t along = (ptrdiff_t)s->dilation_w * s->in_c;
    int32_t sum = 0;
    int kh, kw;

    for (kh = v.first; kh < v.end; kh++) {
        const int8_t *at = x + kh * down + h.first * along;
        for (kw = h.first; kw < h.end; kw++, at += along)
            sum += *at;
    }
    return sum;
}

void fw8_max_pool(const fw8_shape *s, int low, int high, const int8_t *x, int8_t *y)
{
    int oh, ow, c;

    for (oh = 0; oh < s->out_h; oh++) {
        const int top = oh * s->stride_h - s->pad_top;
        const taps v = taps_at(top, s->kernel_h, s->dilation_h, s->in_h);
        for (ow = 0; ow < s->out_w; ow++) {
            const int left = ow * s->stride_w - s->pad_left;
            const taps h = taps_at(left, s->kernel_w, s->dilation_w, s->in_w);
            const ptrdiff_t at = ((ptrdiff_t)top * s->in_w + left) * s->in_c;
            for (c = 0; c < s->out_c; c++)
                *y++ = (int8_t)fw8_clamp(most(s, x + at + c, v, h), low, high);
        }
    }
}

/* sum: of the elements as they are stored, over `inside` taps. */
static int32_t mean(const fw8_shape *s, const fw8_grid *g, int by_taps, int zero_x,
                    int inside, int32_t sum)
{
#if FW8_TFLITE
    const int n = by_taps ? inside : s->kernel_h * s->kernel_w;

    (void)g;
    if (n == 0)
        return 0;
    sum += (n - inside) * zero_x; /* pads that count */
    return sum > 0 ? (sum + n / 2) / n : (sum - n / 2) / n;
#else
    const int i = by_taps ? inside - 1 : 0;

    (void)s;
    if (inside == 0)
        return g->zero;
    return fw8_scale(sum - inside * zero_x, g->factor[i], g->shift[i], g->zero);
#endif
}

void fw8_average_pool(const fw8_shape *s, const fw8_grid *grid, int by_taps, int zero_x,
                      const int8_t *x, int8_t *y)
{
    int oh, ow, c;

    for (oh = 0; oh < s->out_h; oh++) {
        const int top = oh * s->stride_h - s->pad_top;
        const taps v = taps_at(top, s->kernel_h, s->dilation_h, s->in_h);
        for (ow = 0; ow < s->out_w; ow++) {
            const int left = ow * s->stride_w - s->pad_left;
            const taps h = taps_at(left, s->kernel_w, s->dilation_w, s->in_w);
            const ptrdiff_t at = ((ptrdiff_t)top * s->in_w + left) * s->in_c;
            const int inside = (v.end - v.first) * (h.end - h.first);
            for (c = 0; c < s->out_c; c++) {
                const int32_t sum = total(s, x + at + c, v, h);
                *y++ = (int8_t)fw8_clamp(mean(s, grid, by_taps, zero_x, inside, sum),
                                         grid->low, grid->high);
            }
        }
    }
}
