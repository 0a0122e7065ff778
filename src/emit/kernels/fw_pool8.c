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

#if !FW8_MVE

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

#endif

/* All channels of a position: of a window with its corner at x. */
static void most_of_all(const fw8_shape *s, const int8_t *x, taps v, taps h, int low,
                        int high, int8_t *y)
{
#if FW8_MVE
    const int8x16_t least = vdupq_n_s8((int8_t)low), largest = vdupq_n_s8((int8_t)high);
    const ptrdiff_t down = (ptrdiff_t)s->dilation_h * s->in_w * s->in_c;
    const ptrdiff_t along = (ptrdiff_t)s->dilation_w * s->in_c;
    int c, kh, kw;

    for (c = 0; c < s->out_c; c += 16) {
        const mve_pred16_t p = vctp8q((uint32_t)(s->out_c - c));
        int8x16_t best = least;
        for (kh = v.first; kh < v.end; kh++) {
            const int8_t *at = x + c + kh * down + h.first * along;
            for (kw = h.first; kw < h.end; kw++, at += along)
                best = vmaxq_s8(best, vldrbq_z_s8(at, p));
        }
        vstrbq_p_s8(y + c, vminq_s8(best, largest), p);
    }
#else
    int c;

    for (c = 0; c < s->out_c; c++)
        y[c] = (int8_t)fw8_clamp(most(s, x + c, v, h), low, high);
#endif
}

void fw8_max_pool(const fw8_shape *s, int low, int high, const int8_t *x, int8_t *y)
{
    int oh, ow;

    for (oh = 0; oh < s->out_h; oh++) {
        const int top = oh * s->stride_h - s->pad_top;
        const taps v = taps_at(top, s->kernel_h, s->dilation_h, s->in_h);
        for (ow = 0; ow < s->out_w; ow++, y += s->out_c) {
            const int left = ow * s->stride_w - s->pad_left;
            const taps h = taps_at(left, s->kernel_w, s->dilation_w, s->in_w);
            const ptrdiff_t at = ((ptrdiff_t)top * s->in_w + left) * s->in_c;
            most_of_all(s, x + at, v, h, low, high, y);
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

/* The sums of the next channels, no more than there are; how many. */
enum { SUMS = FW8_MVE ? 4 : 1 };

static int totals(const fw8_shape *s, const int8_t *x, int channels, taps v, taps h,
                  int32_t sum[SUMS])
{
#if FW8_MVE
    const ptrdiff_t down = (ptrdiff_t)s->dilation_h * s->in_w * s->in_c;
    const ptrdiff_t along = (ptrdiff_t)s->dilation_w * s->in_c;
    const mve_pred16_t p = vctp32q((uint32_t)channels);
    int32x4_t all = vdupq_n_s32(0);
    int kh, kw;

    for (kh = v.first; kh < v.end; kh++) {
        const int8_t *at = x + kh * down + h.first * along;
        for (kw = h.first; kw < h.end; kw++, at += along)
            all = vaddq_s32(all, vldrbq_z_s32(at, p));
    }
    vstrwq_s32(sum, all);
    return channels < SUMS ? channels : SUMS;
#else
    (void)channels;
    sum[0] = total(s, x, v, h);
    return 1;
#endif
}

void fw8_average_pool(const fw8_shape *s, const fw8_grid *grid, int by_taps, int zero_x,
                      const int8_t *x, int8_t *y)
{
    int oh, ow, c, i;

    for (oh = 0; oh < s->out_h; oh++) {
        const int top = oh * s->stride_h - s->pad_top;
        const taps v = taps_at(top, s->kernel_h, s->dilation_h, s->in_h);
        for (ow = 0; ow < s->out_w; ow++) {
            const int left = ow * s->stride_w - s->pad_left;
            const taps h = taps_at(left, s->kernel_w, s->dilation_w, s->in_w);
            const ptrdiff_t at = ((ptrdiff_t)top * s->in_w + left) * s->in_c;
            const int inside = (v.end - v.first) * (h.end - h.first);
            for (c = 0; c < s->out_c; c += SUMS) {
                int32_t sum[SUMS];
                const int n = totals(s, x + at + c, s->out_c - c, v, h, sum);
                for (i = 0; i < n; i++)
                    *y++ =
                        (int8_t)fw8_clamp(mean(s, grid, by_taps, zero_x, inside, sum[i]),
                                          grid->low, grid->high);
            }
        }
    }
}
