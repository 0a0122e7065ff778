/* fw_mve_depthwise8.c: depthwise convolution with the vectors of Cortex-M55: the window
 * of a channel lies in one vector, so that an output takes one instruction of sixteen
 * multiply-adds.
 *
 * Four channels at a time. The input under the kernel is kept apart, in its padding:
 * of each column, for each of the four channels, the last four rows (the kernel's lowest
 * is the last byte); or, for kernels of one row, that row. The two directions may be
 * exchanged, so that rows are long. Other kernels are left to the common file. */
#include "fw8.h"

#if FW8_MVE

#include <stddef.h>
#include <string.h>

/* One direction of the map. */
typedef struct axis {
    int in, out, kernel, stride, dilation, pad;
    ptrdiff_t x_step, y_step; /* to the next position */
} axis;

/* What the outputs of four channels need. */
typedef struct constants {
    int32_t bias[4], factor[4], shift[4], low[4], high[4];
} constants;

/* Four channels of a row of the output. */
typedef struct job {
    const int8_t *window; /* of the first position */
    int8_t *y;
    const int8_t *weight; /* four vectors */
    int zero;
    int y_step;
    const constants *constants;
    int window_step;
    int n;
} job;

#if FW8_TFLITE
#define SCALE \
    "vqrdmulh.s32 q0, q0, q1\n" \
    "vand q1, q0, q2\n" \
    "vshr.s32 q1, q1, #31\n" \
    "vqadd.s32 q0, q0, q1\n" \
    "vrshl.s32 q0, q0, q2\n"
#else
#define SCALE \
    "vmulh.s32 q0, q0, q1\n" \
    "vrshl.s32 q0, q0, q2\n"
#endif
/* To -128..127; to low..high. */
#define NARROW \
    "vqmovnb.s32 q0, q0\n" \
    "vqmovnb.s16 q0, q0\n"
#define CLAMP \
    "vldrw.32 q1, [r9, #48]\n" \
    "vldrw.32 q2, [r9, #64]\n" \
    "vmax.s32 q0, q0, q1\n" \
    "vmin.s32 q0, q0, q2\n"
#define LOAD(n, size) "vld4" #n "." #size " {q0, q1, q2, q3}, [r1]\n"

/* size: of what is loaded for each channel and column, in bits. */
#define RUN(size, LIMIT) \
    __asm__ volatile("push {r4-r11, lr}\n" \
                     "vpush {d8-d15}\n" \
                     "ldm r0, {r1, r3, r5, r7, r8, r9, r10, r11}\n" \
                     "vldrw.32 q4, [r5]\n" \
                     "vldrw.32 q5, [r5, #16]\n" \
                     "vldrw.32 q6, [r5, #32]\n" \
                     "vldrw.32 q7, [r5, #48]\n" \
                     "dls lr, r11\n" \
                     "1:\n" \
                     "ldm r9, {r0, r2, r4, r6}\n" LOAD(0, size) LOAD(1, size) \
                         LOAD(2, size) LOAD(3, size) "vmladava.s8 r0, q0, q4\n" \
                                                     "vmladava.s8 r2, q1, q5\n" \
                                                     "vmladava.s8 r4, q2, q6\n" \
                                                     "vmladava.s8 r6, q3, q7\n" \
                                                     "add r1, r1, r10\n" \
                                                     "vldrw.32 q1, [r9, #16]\n" \
                                                     "vmov q0[2], q0[0], r0, r4\n" \
                                                     "vmov q0[3], q0[1], r2, r6\n" \
                                                     "vldrw.32 q2, [r9, #32]\n" SCALE \
                                                     "vadd.i32 q0, q0, r7\n" LIMIT \
                                                     "vstrb.32 q0, [r3]\n" \
                                                     "add r3, r3, r8\n" \
                                                     "le lr, 1b\n" \
                                                     "vpop {d8-d15}\n" \
                                                     "pop {r4-r11, pc}\n")

FW8_ASSEMBLY static void run_words(FW8_UNUSED const job *j)
{
    RUN(32, NARROW);
}

FW8_ASSEMBLY static void run_words_clamped(FW8_UNUSED const job *j)
{
    RUN(32, CLAMP);
}

FW8_ASSEMBLY static void run_bytes(FW8_UNUSED const job *j)
{
    RUN(8, NARROW);
}

FW8_ASSEMBLY static void run_bytes_clamped(FW8_UNUSED const job *j)
{
    RUN(8, CLAMP);
}

/* Rows move up by one byte, four channels of n positions come in below. */
static void bring_words(const int8_t *x, ptrdiff_t step, int n, int8_t *to)
{
    __asm__ volatile("wls lr, %3, 2f\n"
                     "1:\n"
                     "vldrw.32 q0, [%1]\n"
                     "vldrb.u32 q1, [%0]\n"
                     "vshr.u32 q0, q0, #8\n"
                     "add %0, %0, %2\n"
                     "vsli.32 q0, q1, #24\n"
                     "vstrw.32 q0, [%1], #16\n"
                     "le lr, 1b\n"
                     "2:\n"
                     : "+l"(x), "+r"(to)
                     : "r"(step), "r"(n)
                     : "lr", "q0", "q1", "memory");
}

/* Two rows at once. */
static void bring_two(const int8_t *x, ptrdiff_t row, ptrdiff_t step, int n, int8_t *to)
{
    const int8_t *below = x + row;

    __asm__ volatile("wls lr, %4, 2f\n"
                     "1:\n"
                     "vldrw.32 q0, [%2]\n"
                     "vldrb.u32 q1, [%0]\n"
                     "vldrb.u32 q2, [%1]\n"
                     "vshr.u32 q0, q0, #16\n"
                     "add %0, %0, %3\n"
                     "vsli.32 q0, q1, #16\n"
                     "add %1, %1, %3\n"
                     "vsli.32 q0, q2, #24\n"
                     "vstrw.32 q0, [%2], #16\n"
                     "le lr, 1b\n"
                     "2:\n"
                     : "+l"(x), "+l"(below), "+r"(to)
                     : "r"(step), "r"(n)
                     : "lr", "q0", "q1", "q2", "memory");
}

static void bring_bytes(const int8_t *x, ptrdiff_t step, int n, int8_t *to)
{
    for (; n > 0; n--, x += step, to += 4)
        memcpy(to, x, 4);
}

/* How the kernel is run: rows down, columns along. */
typedef struct plan {
    axis down, along;
    int turned; /* down is the input's width */
    int is_words;
    int reach;     /* rows from the kernel's first to its last */
    int window;    /* bytes of a column */
    int before, n; /* columns of padding before the input's, and the input's */
    int bytes;     /* of all columns */
} plan;

static int reach_of(const axis *a)
{
    return (a->kernel - 1) * a->dilation + 1;
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* 0: the vectors hold no such window, or there is no room for the columns. */
static int make_plan(const axis *down, const axis *along, int room, plan *p)
{
    const int reach = reach_of(along);
    int last, columns;

    p->down = *down;
    p->along = *along;
    p->reach = reach_of(down);
    p->is_words = p->reach > 1;
    p->window = p->is_words ? 16 : 4;
    if (p->reach > 4 || reach > 64 / p->window)
        return 0;
    last = (along->out - 1) * along->stride; /* where the last window begins */
    columns = last + reach;
    p->before = least(along->pad, columns);
    p->n = least(along->in, columns - p->before);
    p->bytes = (last + 64 / p->window) * p->window;
    return p->bytes <= room;
}

enum { OWN = 512 };

/* Whether columns may be taken for rows. Nothing is written over what is still needed if
 * the arrays do not meet, if each output lies where its input lies, or if all inputs of
 * four channels are taken before one of their outputs is written. */
static int can_turn(const fw8_shape *s, const int8_t *x, const int8_t *y)
{
    const ptrdiff_t in = (ptrdiff_t)s->in_h * s->in_w * s->in_c;
    const ptrdiff_t out = (ptrdiff_t)s->out_h * s->out_w * s->out_c;

    return y + out <= x || x + in <= y ||
           (x == y && ((s->in_h == s->out_h && s->in_w == s->out_w) || s->out_w == 1));
}

static int choose(const fw8_shape *s, const int8_t *x, const int8_t *y, plan *p)
{
    const int rows = (s->kernel_h - 1) * s->dilation_h + 1;
    const int width =
        (s->out_w - 1) * s->stride_w + (s->kernel_w - 1) * s->dilation_w + 1;
    const int scratch = 8 * (s->kernel_h * s->kernel_w + rows * width);
    const int room = scratch > OWN ? scratch : OWN;
    const int c = s->in_c;
    const axis h = {s->in_h,
                    s->out_h,
                    s->kernel_h,
                    s->stride_h,
                    s->dilation_h,
                    s->pad_top,
                    (ptrdiff_t)s->in_w * c,
                    (ptrdiff_t)s->out_w * c};
    const axis w = {s->in_w,       s->out_w,    s->kernel_w, s->stride_w,
                    s->dilation_w, s->pad_left, c,           c};

    p->turned = s->in_h > s->in_w && can_turn(s, x, y) && make_plan(&w, &h, room, p);
    return p->turned || make_plan(&h, &w, room, p);
}

/* Those of the four channels from m on, each a vector of what a window holds. */
static void take_weights(const fw8_shape *s, const fw8_layer *l, const plan *p, int m,
                         int8_t *to)
{
    const uint32x4_t vectors = vshlq_n_u32(vidupq_n_u32(0, 4), 2); /* 0, 16, 32, 48 */
    const int column = p->is_words ? 4 : 1; /* bytes; a row is one further */
    const int down = (p->turned ? column : 1) * s->dilation_h;
    const int along = (p->turned ? 1 : column) * s->dilation_w;
    const int8_t *from = l->weight + (ptrdiff_t)m * s->kernel_h * s->kernel_w;
    int kh, kw, i;

    for (i = 0; i < 64; i += 16)
        vstrbq_s8(to + i, vdupq_n_s8(0));
    to += p->is_words ? 4 - p->reach : 0;
    for (kh = 0; kh < s->kernel_h; kh++, to += down) {
        int8_t *at = to;
        for (kw = 0; kw < s->kernel_w; kw++, from += 4, at += along)
            vstrbq_scatter_offset_s32(at, vectors, vldrbq_s32(from));
    }
}

static void take_constants(const fw8_layer *l, int m, constants *c)
{
    const int32x4_t shift = vldrbq_s32(l->grid.shift + m);

    vstrwq_s32(c->bias, vldrwq_s32(l->bias + m));
    vstrwq_s32(c->factor, vldrwq_s32(l->grid.factor + m));
#if FW8_TFLITE
    vstrwq_s32(c->shift, vnegq_s32(shift));
#else
    vstrwq_s32(c->shift, vmvnq_s32(shift)); /* see fw8_scale_four */
#endif
    vstrwq_s32(c->low, vdupq_n_s32(l->grid.low));
    vstrwq_s32(c->high, vdupq_n_s32(l->grid.high));
}

/* Row h of the input joins the columns, or that and the next; the next to come. */
static int bring_rows(const plan *p, const int8_t *x, int h, int end, const int8_t *fill,
                      int8_t *columns)
{
    const int inside = h >= 0 && h < p->down.in;
    const int8_t *const from = inside ? x + h * p->down.x_step : fill;
    const ptrdiff_t step = inside ? p->along.x_step : 0;
    int8_t *const to = columns + p->before * (ptrdiff_t)p->window;

    if (!p->is_words) {
        bring_bytes(from, step, p->n, to);
    } else if (inside && h + 1 < end && h + 1 < p->down.in) {
        bring_two(from, p->down.x_step, step, p->n, to);
        return h + 2;
    } else {
        bring_words(from, step, p->n, to);
    }
    return h + 1;
}

/* Four channels, from m on. */
static void run_group(const fw8_shape *s, const fw8_layer *l, const plan *p, int m,
                      const int8_t *x, int8_t *columns, int8_t *y)
{
    const int whole = l->grid.low == -128 && l->grid.high == 127;
    int32_t weight[16];
    int8_t fill[4];
    constants c;
    job j = {columns,
             y + m,
             (int8_t *)weight,
             l->grid.zero,
             (int)p->along.y_step,
             &c,
             p->window * p->along.stride,
             p->along.out};
    int next = -p->down.pad, o;

    take_weights(s, l, p, m, (int8_t *)weight);
    take_constants(l, m, &c);
    memset(fill, s->fill, sizeof fill);
    fw8_fill(columns, s->fill, p->bytes);
    for (o = 0; o < p->down.out; o++) {
        const int top = o * p->down.stride - p->down.pad;
        if (next < top) /* rows between two windows */
            next = top;
        while (next < top + p->reach)
            next = bring_rows(p, x + m, next, top + p->reach, fill, columns);
        if (p->is_words)
            (whole ? run_words : run_words_clamped)(&j);
        else
            (whole ? run_bytes : run_bytes_clamped)(&j);
        j.y += p->down.y_step;
    }
}

void fw8_depthwise(const fw8_shape *s, const fw8_layer *l, const int8_t *x,
                   const int8_t *z, void *scratch, int8_t *y)
{
    int32_t own[OWN / 4];
    plan p;
    int m;

    if (!l->flat || z || s->out_c % 4 != 0 || !choose(s, x, y, &p)) {
        fw8_depthwise_common(s, l, x, z, scratch, y);
        return;
    }
    for (m = 0; m < s->out_c; m += 4)
        run_group(s, l, &p, m, x, p.bytes <= OWN ? (int8_t *)own : scratch, y);
}

#endif
