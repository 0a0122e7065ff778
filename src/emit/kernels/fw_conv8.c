/* fw_conv8.c: convolution: the inputs of two output positions are gathered in the scratch
 * memory, then all channels are computed from there. */
#include "fw8.h"

#if !FW8_OWN_DOT

#include <stddef.h>
#include <string.h>

/* Where the kernel lies over the input, for one output position. */
typedef struct window {
    int top, left;
} window;

/* The input under row h of the kernel at tap w; NULL in the padding. */
static const int8_t *tap(const fw8_shape *s, const int8_t *x, int h, int w)
{
    if (h < 0 || h >= s->in_h || w < 0 || w >= s->in_w)
        return NULL;
    return x + ((ptrdiff_t)h * s->in_w + w) * s->in_c;
}

/* No tap is in the padding left or right. */
static int is_between(const fw8_shape *s, const window *v)
{
    return v->left >= 0 && v->left + (s->kernel_w - 1) * s->dilation_w < s->in_w;
}

/* The four channels of every tap are adjacent, so taps are widened where they lie;
 * without padding and dilation those of a kernel row are one stretch. */
static void gather_fours(const fw8_shape *s, const int8_t *x, const window *u,
                         const window *v, const int8_t *padding, int16_t *column)
{
    const int joined = s->dilation_w == 1 && is_between(s, u) && is_between(s, v);
    int kh, kw;

    for (kh = 0; kh < s->kernel_h * s->dilation_h; kh += s->dilation_h)
        for (kw = 0; kw < s->kernel_w;) {
            const int w = kw * s->dilation_w;
            const int8_t *const p = tap(s, x, u->top + kh, u->left + w);
            const int8_t *const q = tap(s, x, v->top + kh, v->left + w);
            const int run = joined && p && q ? s->kernel_w : 1;
            fw8_widen(p ? p : padding, q ? q : padding, run * s->in_c, column);
            column += 2 * (ptrdiff_t)run * s->in_c;
            kw += run;
        }
}

static int8_t *copy(int8_t *to, const int8_t *from, int n)
{
#if FW8_DSP
    for (; n >= 4; n -= 4, to += 4, from += 4)
        memcpy(to, from, 4);
#endif
    while (n-- > 0)
        *to++ = *from++;
    return to;
}

static int8_t *fill(int8_t *to, int value, int n)
{
    while (n-- > 0)
        *to++ = (int8_t)value;
    return to;
}

/* Any number of channels: the taps of one position, one after the other. */
static void gather_bytes(const fw8_shape *s, const int8_t *x, const window *v, int8_t *to)
{
    const int c = s->in_c, n = s->kernel_w;
    /* without dilation: taps before the input's first column, and up to its last */
    const int first = v->left >= 0 ? 0 : -v->left < n ? -v->left : n;
    const int inside = s->in_w - v->left < n ? s->in_w - v->left : n;
    const int end = inside > first ? inside : first;
    int kh, kw;

    for (kh = 0; kh < s->kernel_h; kh++) {
        const int h = v->top + kh * s->dilation_h;
        if (h < 0 || h >= s->in_h) {
            to = fill(to, s->fill, n * c);
        } else if (s->dilation_w == 1) {
            to = fill(to, s->fill, first * c);
            to = copy(to, x + ((ptrdiff_t)h * s->in_w + v->left + first) * c,
                      (end - first) * c);
            to = fill(to, s->fill, (n - end) * c);
        } else {
            for (kw = 0; kw < n; kw++) {
                const int8_t *const p = tap(s, x, h, v->left + kw * s->dilation_w);
                to = p ? copy(to, p, c) : fill(to, s->fill, c);
            }
        }
    }
}

/* From one output position to the next, by rows. */
static void advance(const fw8_shape *s, window *v, int *ow)
{
    v->left += s->stride_w;
    if (++*ow == s->out_w) {
        *ow = 0;
        v->left = -s->pad_left;
        v->top += s->stride_h;
    }
}

void fw8_conv(const fw8_shape *s, const fw8_layer *l, const int8_t *x, const int8_t *z,
              void *scratch, int8_t *y)
{
    const int taps = s->kernel_h * s->kernel_w * s->in_c, blocks = (taps + 3) / 4;
    const int all = s->out_h * s->out_w;
    int16_t *const column = scratch;
    int8_t *const bytes = (int8_t *)(column + 8 * (ptrdiff_t)blocks);
    const int fours = s->in_c % 4 == 0;
    window u, v;
    int p, ow = 0;

    u.top = -s->pad_top;
    u.left = -s->pad_left;
    if (fours)
        memset(bytes, s->fill, (size_t)s->in_c);
    for (p = 0; p < all; p += 2) {
        const int positions = all - p < 2 ? 1 : 2;
        const ptrdiff_t at = (ptrdiff_t)p * s->out_c;
        v = u;
        if (positions > 1)
            advance(s, &v, &ow);
        if (fours) {
            gather_fours(s, x, &u, &v, bytes, column);
        } else {
            gather_bytes(s, x, &u, bytes);
            gather_bytes(s, x, &v, bytes + taps);
            fw8_widen(bytes, bytes + taps, taps, column);
        }
        fw8_run(l, s->out_c, column, blocks, positions, z ? z + at : NULL, y + at);
        u = v;
        advance(s, &u, &ow);
    }
}

#endif
