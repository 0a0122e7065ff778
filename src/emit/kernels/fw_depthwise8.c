/* fw_depthwise8.c: depthwise convolution, four channels at a time, in place where the
 * output is no larger than the input: the rows under the kernel are widened in the
 * scratch memory, with their padding, before a row of the output is written.
 *
 * In the scratch memory the channels of a group are in the order 0 2 1 3, as the DSP
 * instructions leave them. */
#include "fw8.h"

#if !FW8_OWN_DEPTHWISE

#if FW8_MVE /* which leaves some cases to this one */
#define fw8_depthwise fw8_depthwise_common
#endif

#include <stddef.h>

/* Rows of the input lie in a ring of `rows` slots; four channels of each position. */
typedef struct ring {
    int16_t *at;
    int rows, width;
    int before, n;  /* positions of padding to the left, and of the input */
    int next, slot; /* the first row that has not been brought in, and where it goes */
} ring;

/* `many` channels at x; others are 0. */
static void widen(const int8_t *x, int many, int16_t *to)
{
#if FW8_DSP
    if (many == 4) {
        const uint32_t word = fw8_word(x);
        uint32_t *const pair = (uint32_t *)(void *)to;
        pair[0] = fw8_even(word);
        pair[1] = fw8_odd(word);
        return;
    }
#endif
    to[0] = x[0];
    to[1] = many > 2 ? x[2] : 0;
    to[2] = many > 1 ? x[1] : 0;
    to[3] = many > 3 ? x[3] : 0;
}

static int16_t *fill(int16_t *to, int positions, int value)
{
#if FW8_DSP
    const uint32_t pair = ((uint32_t)value & 0xffff) * 0x10001u;

    for (; positions > 0; positions--, to += 4) {
        uint32_t *const at = (uint32_t *)(void *)to;
        at[0] = at[1] = pair;
    }
#endif
    for (; positions > 0; positions--, to += 4)
        to[0] = to[1] = to[2] = to[3] = (int16_t)value;
    return to;
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

static void bring_row(const fw8_shape *s, const int8_t *x, int many, ring *r)
{
    const int row = r->next++, step = s->in_c;
    int16_t *to = r->at + r->slot * 4 * (ptrdiff_t)r->width;
    int n = r->n;

    r->slot = r->slot + 1 < r->rows ? r->slot + 1 : 0;
    if (row < 0 || row >= s->in_h) {
        fill(to, r->width, s->fill);
        return;
    }
    to = fill(to, r->before, s->fill);
    x += (ptrdiff_t)row * s->in_w * step;
    if (many == 4) /* the usual case, in a loop of its own */
        for (; n > 0; n--, x += step, to += 4)
            widen(x, 4, to);
    for (; n > 0; n--, x += step, to += 4)
        widen(x, many, to);
    fill(to, r->width - r->before - r->n, s->fill);
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
            c += x[1] * weight[1];
            b += x[2] * weight[2];
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
    const int many = least(s->out_c - m, 4);
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

#if FW8_DSP

enum { MOST_ROWS = 16 };

/* A row of the output, four channels; arrays in the order of the ring. */
typedef struct job {
    const int16_t *const *rows; /* under the kernel; ends with NULL */
    const int16_t *weight;
    const int32_t *start; /* four biases, then factor and shift of each channel */
    int offset;           /* twice the zero point, plus 1 */
    int step, y_step;     /* bytes from one position to the next */
    int8_t *y;
    int n;
    int taps; /* of a row of the kernel */
} job;

/* Four channels of a tap. */
#define TAP \
    "ldrd r8, r9, [r0], #8\n" \
    "ldrd r10, r11, [r1], #8\n" \
    "smlabb r4, r8, r10, r4\n" \
    "smlatt r5, r8, r10, r5\n" \
    "smlabb r6, r9, r11, r6\n" \
    "smlatt r7, r9, r11, r7\n"
#define FINISH(v) \
    "add " #v ", " #v ", r8\n" \
    "ssat " #v ", #8, " #v ", asr #1\n"

/* TAPS: those of a kernel row, from r0 on; NEXT: whether there are more positions. On the
 * stack: the job. */
#define RUN(TAPS, NEXT) \
    __asm__ volatile("push {r4-r11, lr}\n" \
                     "sub sp, #36\n" \
                     "ldm r0, {r1-r9}\n" \
                     "stm sp, {r1-r9}\n" \
                     "mov r12, r7\n" \
                     "mov lr, r8\n" \
                     "movs r3, #0\n" \
                     "1:\n" \
                     "ldr r2, [sp, #8]\n" \
                     "ldm r2, {r4-r7}\n" \
                     "ldr r2, [sp]\n" \
                     "ldr r1, [sp, #4]\n" \
                     "ldr r0, [r2], #4\n" \
                     "2:\n" \
                     "add r0, r0, r3\n" TAPS "ldr r0, [r2], #4\n" \
                     "cmp r0, #0\n" \
                     "bne 2b\n" \
                     "ldr r2, [sp, #8]\n" \
                     "adds r2, #16\n" \
                     "ldm r2!, {r8-r11}\n" \
                     "smmul r4, r4, r8\n" \
                     "asr r4, r4, r9\n" \
                     "smmul r5, r5, r10\n" \
                     "asr r5, r5, r11\n" \
                     "ldm r2, {r8-r11}\n" \
                     "smmul r6, r6, r8\n" \
                     "asr r6, r6, r9\n" \
                     "smmul r7, r7, r10\n" \
                     "asr r7, r7, r11\n" \
                     "ldr r8, [sp, #12]\n" FINISH(r4) FINISH(r5) FINISH(r6) \
                         FINISH(r7) "strb r4, [r12]\n" \
                                    "strb r5, [r12, #2]\n" \
                                    "strb r6, [r12, #1]\n" \
                                    "strb r7, [r12, #3]\n" \
                                    "ldr r8, [sp, #16]\n" \
                                    "ldr r9, [sp, #20]\n" \
                                    "add r3, r3, r8\n" \
                                    "add r12, r12, r9\n" NEXT "bne 1b\n" \
                                    "add sp, #36\n" \
                                    "pop {r4-r11, pc}\n")

/* Kernels three wide. */
FW8_ASSEMBLY static void run_threes(FW8_UNUSED const job *j)
{
    RUN(TAP TAP TAP, "subs lr, lr, #1\n");
}

FW8_ASSEMBLY static void run_any(FW8_UNUSED const job *j)
{
    RUN("ldr lr, [sp, #32]\n"
        "3:\n" TAP "subs lr, lr, #1\n"
        "bne 3b\n",
        "ldr lr, [sp, #28]\n"
        "subs lr, lr, #1\n"
        "str lr, [sp, #28]\n");
}

static int is_fast(const fw8_shape *s, const fw8_layer *l, int m, const int8_t *z)
{
    return l->plain && !z && s->dilation_w == 1 && s->kernel_h <= MOST_ROWS &&
           s->out_c - m >= 4;
}

static void start_fast(const fw8_layer *l, int m, int32_t *start)
{
    static const int order[] = {0, 2, 1, 3};
    int i;

    for (i = 0; i < 4; i++) {
        start[i] = l->bias[m + order[i]];
        start[4 + 2 * i] = l->grid.factor[m + order[i]];
        start[5 + 2 * i] = l->grid.shift[m + order[i]];
    }
}

/* rows: room for the job's. */
static void run_row_fast(const fw8_shape *s, const ring *r, const int16_t **rows, int oh,
                         job *j)
{
    const ptrdiff_t row = 4 * (ptrdiff_t)r->width;
    int slot = oh * s->stride_h % r->rows, kh;

    for (kh = 0; kh < s->kernel_h; kh++) {
        rows[kh] = r->at + slot * row;
        slot += s->dilation_h;
        slot = slot >= r->rows ? slot - r->rows : slot;
    }
    if (s->kernel_w == 3)
        run_threes(j);
    else
        run_any(j);
    j->y += (ptrdiff_t)s->out_w * s->out_c;
}

#endif

/* Four channels, from m on. */
static void run_group(const fw8_shape *s, const fw8_layer *l, ring *r, int m,
                      const int8_t *x, const int8_t *z, int16_t *weight, int8_t *y)
{
    const int taps = s->kernel_h * s->kernel_w, many = least(s->out_c - m, 4);
    int oh, i;
#if FW8_DSP
    const int fast = is_fast(s, l, m, z);
    const int16_t *rows[MOST_ROWS + 1];
    int32_t start[12];
    job j = {rows,     weight, start,    2 * l->grid.zero + 1, 8 * s->stride_w,
             s->out_c, y + m,  s->out_w, s->kernel_w};

    if (fast) {
        start_fast(l, m, start);
        rows[s->kernel_h] = NULL;
    }
#endif
    for (i = 0; i < taps; i++)
        widen(l->weight + ((ptrdiff_t)m * taps + 4 * (ptrdiff_t)i), 4, weight + 4 * i);
    r->next = -s->pad_top;
    r->slot = 0;
    for (oh = 0; oh < s->out_h; oh++) {
        const int top = oh * s->stride_h - s->pad_top;
        if (r->next < top) { /* rows between two windows */
            r->next = top;
            r->slot = oh * s->stride_h % r->rows;
        }
        while (r->next < top + r->rows)
            bring_row(s, x + m, many, r);
#if FW8_DSP
        if (fast) {
            run_row_fast(s, r, rows, oh, &j);
            continue;
        }
#endif
        run_row(s, l, r, weight, m, oh, z, y);
    }
}

void fw8_depthwise(const fw8_shape *s, const fw8_layer *l, const int8_t *x,
                   const int8_t *z, void *scratch, int8_t *y)
{
    int16_t *const weight = scratch;
    ring r;
    int m;

#if FW8_PACKED
    if (fw8_packed_depthwise(s, l, x, z, scratch, y))
        return;
#endif
    r.at = weight + 4 * (ptrdiff_t)s->kernel_h * s->kernel_w;
    r.rows = (s->kernel_h - 1) * s->dilation_h + 1;
    r.width = (s->out_w - 1) * s->stride_w + (s->kernel_w - 1) * s->dilation_w + 1;
    r.before = least(s->pad_left, r.width);
    r.n = least(s->in_w, r.width - r.before);
    for (m = 0; m < s->out_c; m += 4)
        run_group(s, l, &r, m, x, z, weight, y);
}

#endif
