/* fw_conv8.c: convolution: the inputs of two output positions are gathered in the scratch
 * memory, then all channels are computed from there. */
#include "fw8.h"

#include <stddef.h>
#include <string.h>

/* The input under tap (kh, kw) of an output position; NULL in the padding. */
static const int8_t *tap(const fw8_shape *s, const int8_t *x, int h, int w)
{
    if (h < 0 || h >= s->in_h || w < 0 || w >= s->in_w)
        return NULL;
    return x + ((ptrdiff_t)h * s->in_w + w) * s->in_c;
}

/* The four channels of every tap are adjacent, so taps are widened where they lie. */
static void gather_fours(const fw8_shape *s, const int8_t *x, int oh, int ow, int next,
                         const int8_t *padding, int16_t *column)
{
    const int top = oh * s->stride_h - s->pad_top;
    const int left = ow * s->stride_w - s->pad_left, step = next ? s->stride_w : 0;
    const int end = left + step + (s->kernel_w - 1) * s->dilation_w;
    /* without padding and dilation the taps of a kernel row are one stretch */
    const int joined = s->dilation_w == 1 && left >= 0 && end < s->in_w;
    const int run = joined ? s->kernel_w : 1;
    int kh, kw;

    for (kh = 0; kh < s->kernel_h; kh++) {
        const int h = top + kh * s->dilation_h;
        for (kw = 0; kw < s->kernel_w; kw += run) {
            const int w = left + kw * s->dilation_w;
            const int8_t *const p = tap(s, x, h, w), *const q = tap(s, x, h, w + step);
            if (joined && !p) { /* a row of padding */
                int i;
                for (i = 0; i < run; i++, column += 2 * (ptrdiff_t)s->in_c)
                    fw8_widen(padding, padding, s->in_c, column);
                continue;
            }
            fw8_widen(p ? p : padding, q ? q : padding, run * s->in_c, column);
            column += 2 * (ptrdiff_t)run * s->in_c;
        }
    }
}

/* Any number of channels: the taps of one position, one after the other. */
static void gather_bytes(const fw8_shape *s, const int8_t *x, int oh, int ow, int8_t *to)
{
    const int top = oh * s->stride_h - s->pad_top;
    const int left = ow * s->stride_w - s->pad_left;
    const size_t n = (size_t)s->in_c;
    int kh, kw;

    for (kh = 0; kh < s->kernel_h; kh++)
        for (kw = 0; kw < s->kernel_w; kw++, to += n) {
            const int8_t *const from =
                tap(s, x, top + kh * s->dilation_h, left + kw * s->dilation_w);
            if (from)
                memcpy(to, from, n);
            else
                memset(to, s->fill, n);
        }
}

void fw8_conv(const fw8_shape *s, const fw8_layer *l, const int8_t *x, const int8_t *z,
              void *scratch, int8_t *y)
{
    const int taps = s->kernel_h * s->kernel_w * s->in_c, blocks = (taps + 3) / 4;
    int16_t *const column = scratch;
    int8_t *const bytes = (int8_t *)(column + 8 * (ptrdiff_t)blocks);
    const int fours = s->in_c % 4 == 0;
    int oh, ow;

    if (fours)
        memset(bytes, s->fill, (size_t)s->in_c);
    for (oh = 0; oh < s->out_h; oh++)
        for (ow = 0; ow < s->out_w; ow += 2) {
            const int positions = s->out_w - ow < 2 ? 1 : 2;
            const ptrdiff_t at = ((ptrdiff_t)oh * s->out_w + ow) * s->out_c;
            if (fours) {
                gather_fours(s, x, oh, ow, positions - 1, bytes, column);
            } else {
                gather_bytes(s, x, oh, ow, bytes);
                gather_bytes(s, x, oh, ow + positions - 1, bytes + taps);
                fw8_widen(bytes, bytes + taps, taps, column);
            }
            fw8_run(l, s->out_c, column, blocks, positions, z ? z + at : NULL, y + at);
        }
}
