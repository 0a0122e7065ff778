/* fw_packed_depthwise8.c: depthwise convolutions of 3x3, one channel at a time, with the
 * inputs of two adjacent outputs in one word; see fw_packed_dot8.c. In place, as in
 * fw_depthwise8.c. */
#include "fw8.h"

#if FW8_PACKED && !FW8_OWN_DEPTHWISE

#include <stddef.h>

enum { SIZE = 3 };

/* In a function of their own the loops keep their values in registers. */
#define APART __attribute__((noinline))

/* Word w of a row: element w, and 2^16 times the element one stride further. Of the
 * elements `inside` lie at x, one every `step` bytes, with padding around them. */
typedef struct line {
    int before, inside, after; /* inside: at least 2 */
    int width;                 /* words */
    int32_t fill;
    ptrdiff_t step;
} line;

/* Words of nothing but padding. */
static int32_t *pad(int32_t *to, int32_t fill, int n)
{
    for (; n > 0; n--)
        *to++ = fill + fill * 65536;
    return to;
}

/* Stride 1; a: the element that waits for the next one. */
APART static void bring_ones(const line *l, const int8_t *x, int32_t *to)
{
    const ptrdiff_t step = l->step;
    int n = l->inside;
    int32_t a = l->fill, b;

    if (l->before == 0) {
        a = *x;
        x += step;
        n--;
    }
    to = pad(to, l->fill, l->before - 1);
    for (; n >= 2; n -= 2) {
        b = *x;
        x += step;
        *to++ = a + b * 65536;
        a = *x;
        x += step;
        *to++ = b + a * 65536;
    }
    if (n > 0) {
        b = *x;
        *to++ = a + b * 65536;
        a = b;
    }
    if (l->after > 0)
        *to++ = a + l->fill * 65536;
    pad(to, l->fill, l->after - 1);
}

/* Stride 2; a, then b: elements that wait. */
APART static void bring_twos(const line *l, const int8_t *x, int32_t *to)
{
    const ptrdiff_t step = l->step;
    int n = l->inside, after = l->after;
    int32_t a = l->fill, b = l->fill;

    if (l->before == 0) {
        a = *x;
        x += step;
        n--;
    }
    if (l->before <= 1) {
        b = *x;
        x += step;
        n--;
    }
    to = pad(to, l->fill, l->before - 2);
    for (; n >= 2; n -= 2) {
        *to++ = a + *x * 65536;
        a = *x;
        x += step;
        *to++ = b + *x * 65536;
        b = *x;
        x += step;
    }
    if (n > 0) {
        *to++ = a + *x * 65536;
        a = b;
        b = *x;
    }
    for (; after > 0; after--) {
        *to++ = a + l->fill * 65536;
        a = b;
        b = l->fill;
    }
}

#if !FW8_V6M && !FW8_V7M

void fw8_run_deep_job(const fw8_deep_job *j)
{
    const int32_t factor = j->factor_high * 65536 + j->factor_low;
    const int32_t *const weight = j->weight;
    ptrdiff_t at = 0;
    int8_t *y = j->y;
    int n = j->n, k;

    for (; n > 0; n -= 2, at += j->stride, y += 2 * (ptrdiff_t)j->step) {
        int32_t high = j->bias;
        uint32_t both = (uint32_t)j->both;
        for (k = 0; k < SIZE; k++) {
            const int32_t *const x = j->rows[k] + at, *const w = weight + SIZE * k;
            const int32_t two = w[0] * x[0] + w[1] * x[1], one = w[2] * x[2];
            both += (uint32_t)two + (uint32_t)one;
            high += (two + 0x8000) >> 16;
            high += (one + 0x8000) >> 16;
        }
        both -= (uint32_t)high << 16;
        *y = (int8_t)fw8_clamp(
            ((fw8_high((int32_t)both, factor) >> j->shift) + j->offset) >> 1, -128, 127);
        if (n > 1)
            y[j->step] = (int8_t)fw8_clamp(
                ((fw8_high(high, factor) >> j->shift) + j->offset) >> 1, -128, 127);
    }
}

#endif

/* at: room for the rows. */
APART static void run_channel(const fw8_shape *s, const line *row, fw8_deep_job *j,
                              const int8_t *x, int32_t *at)
{
    const ptrdiff_t down = (ptrdiff_t)s->in_w * s->in_c;
    const int in_h = s->in_h, stride_h = s->stride_h, stride_w = s->stride_w;
    int32_t *first = at, *second = at + row->width, *third = second + row->width;
    int next = -s->pad_top, end = next + SIZE, oh;

    for (oh = s->out_h; oh > 0; oh--, end += stride_h) {
        if (next < end - SIZE) /* rows between two windows */
            next = end - SIZE;
        for (; next < end; next++) { /* in place of the row that lies furthest back */
            int32_t *const to = first;
            first = second;
            second = third;
            third = to;
            if (next < 0 || next >= in_h)
                pad(to, row->fill, row->width);
            else if (stride_w == 1)
                bring_ones(row, x + next * down, to);
            else
                bring_twos(row, x + next * down, to);
        }
        j->rows[0] = first;
        j->rows[1] = second;
        j->rows[2] = third;
        fw8_run_deep_job(j);
        j->y += j->n * (ptrdiff_t)j->step;
    }
}

/* Channel c. */
static void begin_job(const fw8_layer *l, int c, int32_t *weight, fw8_deep_job *j)
{
    enum { TAPS = SIZE * SIZE };
    const int8_t *const w = l->weight + (c / 4 * TAPS * 4 + c % 4);
    const uint32_t bias = (uint32_t)l->bias[c], factor = (uint32_t)l->grid.factor[c];
    int k;

    for (k = 0; k < TAPS; k++)
        weight[k] = w[4 * k];
    j->bias = (int32_t)bias;
    j->both = (int32_t)(bias * 0x10001u);
    j->factor_low = (int32_t)(factor & 0xffff);
    j->factor_high = (int32_t)(factor >> 16);
    j->shift = l->grid.shift[c];
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

int fw8_packed_depthwise(const fw8_shape *s, const fw8_layer *l, const int8_t *x,
                         const int8_t *z, void *scratch, int8_t *y)
{
    const int width = ((s->out_w + 1) / 2 * 2 - 2) * s->stride_w + SIZE;
    const int n = width + s->stride_w, inside = least(s->in_w, n - s->pad_left);
    const line row = {s->pad_left, inside,  n - s->pad_left - inside,
                      width,       s->fill, s->in_c};
    int32_t *const weight = scratch, *const at = weight + SIZE * SIZE;
    int c;

    if (!l->plain || !l->paired || z || s->kernel_h != SIZE || s->kernel_w != SIZE ||
        s->dilation_h != 1 || s->dilation_w != 1 || s->stride_w > 2 || inside < 2)
        return 0;
    for (c = 0; c < s->out_c; c++) {
        fw8_deep_job j = {{NULL, NULL, NULL},
                          weight,
                          0,
                          0,
                          0,
                          0,
                          0,
                          2 * l->grid.zero + 1,
                          l->grid.zero == -128 ? 0 : INT32_MIN,
                          y + c,
                          s->out_c,
                          2 * s->stride_w,
                          s->out_w};
        begin_job(l, c, weight, &j);
        run_channel(s, &row, &j, x + c, at);
    }
    return 1;
}

#endif
