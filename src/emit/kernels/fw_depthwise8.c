/* fw_depthwise8.c: depthwise convolution, four channels at a time, in place where the
 * output is no larger than the input: the rows under the kernel are widened in the
 * scratch memory, with their padding, before a row of the output is written. */
#include "fw8.h"

#include <stddef.h>

/* Rows of the input lie in a ring of `rows` slots; four channels of each position. */
typedef struct ring {
    int16_t *at;
    int rows, width;
    int next; /* the first row of the input that has not been brought in */
} ring;

static void bring_row(const fw8_shape *s, const int8_t *x, int many, const ring *r,
                      int row)
{
    int16_t *to = r->at + (row + s->pad_top) % r->rows * 4 * (ptrdiff_t)r->width;
    int w, i;

    for (w = -s->pad_left; w < r->width - s->pad_left; w++, to += 4) {
        const int inside = row >= 0 && row < s->in_h && w >= 0 && w < s->in_w;
        const int8_t *const from =
            inside ? x + ((ptrdiff_t)row * s->in_w + w) * s->in_c : NULL;
        for (i = 0; i < 4; i++)
            to[i] = from && i < many ? from[i] : (int16_t)s->fill;
    }
}

/* Four channels of one position, whose window begins at column w of the ring and at its
 * slot `slot`. */
static void position(const fw8_shape *s, const ring *r, const int16_t *weight, int slot,
                     int w, int32_t *sum)
{
    int32_t a = sum[0], b = sum[1], c = sum[2], d = sum[3];
    int kh, kw;

    for (kh = 0; kh < s->kernel_h; kh++) {
        const int16_t *x = r->at + (slot * (ptrdiff_t)r->width + w) * 4;
        for (kw = 0; kw < s->kernel_w; kw++, weight += 4) {
            a += x[0] * weight[0];
            b += x[1] * weight[1];
            c += x[2] * weight[2];
            d += x[3] * weight[3];
            x += 4 * (ptrdiff_t)s->dilation_w;
        }
        slot += s->dilation_h;
        slot = slot >= r->rows ? slot - r->rows : slot;
    }
    sum[0] = a;
    sum[1] = b;
    sum[2] = c;
    sum[3] = d;
}

/* Channels m to m + many of a row of the output. */
static void run_row(const fw8_shape *s, const fw8_layer *l, const ring *r,
                    const int16_t *weight, int m, int oh, const int8_t *z, int8_t *y)
{
    const fw8_grid *const g = &l->grid;
    const int many = s->out_c - m < 4 ? s->out_c - m : 4;
    const int slot = oh * s->stride_h % r->rows;
    int ow, i;

    for (ow = 0; ow < s->out_w; ow++) {
        int32_t sum[4];
        for (i = 0; i < 4; i++)
            sum[i] = l->bias[m + i];
        position(s, r, weight, slot, ow * s->stride_w, sum);
        for (i = 0; i < many; i++) {
            const ptrdiff_t at = ((ptrdiff_t)oh * s->out_w + ow) * s->out_c + m + i;
            int v =
                fw8_clamp(fw8_scale(sum[i], g->factor[m + i], g->shift[m + i], g->zero),
                          g->low, g->high);
            if (z)
                v = fw8_clamp(fw8_sum_of(l->residual, v, z[at]), l->residual->low,
                              l->residual->high);
            y[at] = (int8_t)v;
        }
    }
}

void fw8_depthwise(const fw8_shape *s, const fw8_layer *l, const int8_t *x,
                   const int8_t *z, void *scratch, int8_t *y)
{
    const int taps = s->kernel_h * s->kernel_w;
    int16_t *const weight = scratch;
    ring r;
    int m, oh, i;

    r.at = weight + 4 * (ptrdiff_t)taps;
    r.rows = (s->kernel_h - 1) * s->dilation_h + 1;
    r.width = (s->out_w - 1) * s->stride_w + (s->kernel_w - 1) * s->dilation_w + 1;
    for (m = 0; m < s->out_c; m += 4) {
        const int many = s->out_c - m < 4 ? s->out_c - m : 4;
        for (i = 0; i < 4 * taps; i++)
            weight[i] = l->weight[(ptrdiff_t)m * taps + i];
        r.next = -s->pad_top;
        for (oh = 0; oh < s->out_h; oh++) {
            const int top = oh * s->stride_h - s->pad_top;
            if (r.next < top) /* rows between two windows */
                r.next = top;
            for (; r.next < top + r.rows; r.next++)
                bring_row(s, x + m, many, &r, r.next);
            run_row(s, l, &r, weight, m, oh, z, y);
        }
    }
}
