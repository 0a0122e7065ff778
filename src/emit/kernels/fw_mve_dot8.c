/* fw_mve_dot8.c: convolutions and dense layers with the vectors of Cortex-M55: sixteen
 * multiply-adds of one channel and position at a time, into a register of its own.
 *
 * The inputs of a position are copied to the scratch memory first, one after the other,
 * so that y may lie over x; what is read behind them meets weights of 0. */
#include "fw8.h"

#if FW8_MVE

#include <stddef.h>

/* Two positions and four channels at a time, group by group, pair by pair. */
typedef struct job {
    /* of the group at hand */
    const int32_t *factor;
    const int8_t *shift;
    int8_t *y0, *y1;
    int zero, left; /* groups */
    const int8_t *x0, *x1;
    /* of every pair */
    const int32_t *all_factors;
    const int8_t *all_shifts;
    int groups;
    const int8_t *weight;
    const int8_t *end; /* of the inputs at x0, in whole blocks */
    const int32_t *bias;
    const int8_t *from; /* what is copied to x0 before each pair, */
    int bytes;          /* and how much */
    int stride;         /* of y, from one position to the next */
    int back;           /* from behind the groups of one position to the next position */
    int pairs;
    int low, high;
    int skip;                    /* from the first block of the loop to the way in */
    const void *way_in, *finish; /* the assembly's own */
    int adds;                    /* a residual; what follows is of that */
    const int8_t *z0, *z1;
    int factor_own, factor_z, offset, minus_shift, zero_y;
    int low_y, high_y;
} job;

/* Sixteen inputs of both positions, r1 and r3; sums in r0..r6 and r8..lr; 56 bytes. */
#define BLOCK \
    "vldrb.8 q0, [r1], #16\n" \
    "vldrb.8 q1, [r3], #16\n" CHANNEL(q2, r0, r8) CHANNEL(q3, r2, r10) \
        CHANNEL(q2, r4, r12) CHANNEL(q3, r6, lr)
#define CHANNEL(w, p, q) \
    "vldrb.8 " #w ", [r5], #16\n" \
    "vmladava.s8 " #p ", q0, " #w "\n" \
    "vmladava.s8 " #q ", q1, " #w "\n"
/* fw8_scale_four of q0 and q1 by q2 and q3. */
#if FW8_TFLITE
#define SCALE \
    "vneg.s32 q3, q3\n" \
    "vqrdmulh.s32 q0, q0, q2\n" \
    "vqrdmulh.s32 q1, q1, q2\n" ROUND(q0) ROUND(q1)
#define ROUND(v) \
    "vand q2, " #v ", q3\n" \
    "vshr.s32 q2, q2, #31\n" \
    "vqadd.s32 " #v ", " #v ", q2\n" \
    "vrshl.s32 " #v ", " #v ", q3\n"
#else
#define SCALE \
    "vmvn q3, q3\n" \
    "vmulh.s32 q0, q0, q2\n" \
    "vmulh.s32 q1, q1, q2\n" \
    "vrshl.s32 q0, q0, q3\n" \
    "vrshl.s32 q1, q1, q3\n"
#endif
/* q0 and q1 on the grid of the layer. */
#define GRID \
    "ldm r11, {r0, r2, r4, r6, r8, r10}\n" \
    "vldrw.32 q2, [r0], #16\n" \
    "vldrb.s32 q3, [r2], #4\n" SCALE \
    LIMIT(q0, r8, q4, q5) LIMIT(q1, r8, q4, q5)
#define LIMIT(v, zero, low, high) \
    "vadd.i32 " #v ", " #v ", " #zero "\n" \
    "vmax.s32 " #v ", " #v ", " #low "\n" \
    "vmin.s32 " #v ", " #v ", " #high "\n"
#define STORE \
    "vstrb.32 q0, [r4], #4\n" \
    "vstrb.32 q1, [r6], #4\n" \
    "subs r10, r10, #1\n" \
    "stm r11, {r0, r2, r4, r6, r8, r10}\n" \
    "bne.w 4b\n"
#if FW8_TFLITE
#define RESIDUAL
#else
/* fw8_sum_four of q0 and q1 and what lies at z0 and z1. */
#define RESIDUAL \
    "ldrd r1, r3, [r11, #100]\n" \
    "vldrb.s32 q2, [r1], #4\n" \
    "vldrb.s32 q3, [r3], #4\n" \
    "strd r1, r3, [r11, #100]\n" \
    "add r12, r11, #108\n" \
    "stm r11, {r0, r2}\n" \
    "ldm r12, {r0, r1, r2, r3, r12}\n" SUM(q0, q2) SUM(q1, q3) LIMIT(q0, r12, q6, q7) \
        LIMIT(q1, r12, q6, q7) "ldrd r0, r2, [r11]\n"
#define SUM(v, z) \
    "vmul.i32 " #v ", " #v ", r0\n" \
    "vmla.s32 " #v ", " #z ", r1\n" \
    "vadd.i32 " #v ", " #v ", r2\n" \
    "vshl.s32 " #v ", r3\n"
#endif

/* 128 multiply-adds take 14 instructions. The job is at r11; the loop is entered so that
 * the number of blocks comes out. */
FW8_ASSEMBLY static void run(FW8_UNUSED job *j)
{
    __asm__ volatile("push {r4-r11, lr}\n"
                     "vpush {d8-d15}\n"
                     "mov r11, r0\n"
                     "ldrd r0, r2, [r11, #76]\n"
                     "vdup.32 q4, r0\n"
                     "vdup.32 q5, r2\n"
                     "adr r0, 5f\n"
                     "ldr r2, [r11, #84]\n"
                     "add r0, r0, r2\n"
                     "adr.w r2, 6f\n"
                     "ldr r4, [r11, #96]\n"
                     "cbz r4, 0f\n"
                     "ldrd r4, r6, [r11, #128]\n"
                     "vdup.32 q6, r4\n"
                     "vdup.32 q7, r6\n"
                     "adr.w r2, 7f\n"
                     "0:\n"
                     "orr r2, r2, #1\n" /* as all addresses of instructions */
                     "strd r0, r2, [r11, #88]\n"
                     /* the next pair */
                     "1:\n"
                     "ldrd r0, r2, [r11, #56]\n"
                     "ldr r1, [r11, #24]\n"
                     "add r3, r0, r2\n"
                     "str r3, [r11, #56]\n"
                     "wlstp.8 lr, r2, 3f\n"
                     "2:\n"
                     "vldrb.8 q0, [r0], #16\n"
                     "vstrb.8 q0, [r1], #16\n"
                     "letp lr, 2b\n"
                     "3:\n"
                     "add r1, r11, #32\n"
                     "ldm r1, {r0, r2, r4, r5, r7, r9}\n"
                     "strd r0, r2, [r11]\n"
                     "str r4, [r11, #20]\n"
                     /* the next group */
                     "4:\n"
                     "ldrd r1, r3, [r11, #24]\n"
                     "ldm r9!, {r0, r2, r4, r6}\n"
                     "mov r8, r0\n"
                     "mov r10, r2\n"
                     "mov r12, r4\n"
                     "mov lr, r6\n"
                     "ldr pc, [r11, #88]\n"
                     ".p2align 2\n"
                     "5:\n" BLOCK BLOCK BLOCK BLOCK "cmp r1, r7\n"
                     "bne.w 5b\n"
                     "vmov q0[2], q0[0], r0, r4\n"
                     "vmov q0[3], q0[1], r2, r6\n"
                     "vmov q1[2], q1[0], r8, r12\n"
                     "vmov q1[3], q1[1], r10, lr\n"
                     "ldr pc, [r11, #92]\n"
                     ".p2align 2\n"
                     "6:\n" GRID STORE "b 8f\n"
                     ".p2align 2\n"
                     "7:\n" GRID RESIDUAL STORE "8:\n"
                     "ldrd r0, r2, [r11, #64]\n"
                     "add r4, r6, r2\n"
                     "add r6, r4, r0\n"
                     "strd r4, r6, [r11, #8]\n"
                     "ldr r6, [r11, #104]\n"
                     "add r4, r6, r2\n"
                     "add r6, r4, r0\n"
                     "strd r4, r6, [r11, #100]\n"
                     "ldr r0, [r11, #72]\n"
                     "subs r0, r0, #1\n"
                     "str r0, [r11, #72]\n"
                     "bne.w 1b\n"
                     "vpop {d8-d15}\n"
                     "pop {r4-r11, pc}\n");
}

/* The sums of four channels. */
static int32x4_t dot(const int8_t *x, const int8_t *weight, int length,
                     const int32_t *bias)
{
    int32_t a = bias[0], b = bias[1], c = bias[2], d = bias[3];
    int32x4_t sum = vdupq_n_s32(0);

    for (; length > 0; length -= 16, x += 16, weight += 64) {
        const int8x16_t in = vldrbq_s8(x);
        a = vmladavaq_s8(a, in, vldrbq_s8(weight));
        b = vmladavaq_s8(b, in, vldrbq_s8(weight + 16));
        c = vmladavaq_s8(c, in, vldrbq_s8(weight + 32));
        d = vmladavaq_s8(d, in, vldrbq_s8(weight + 48));
    }
    sum = vsetq_lane_s32(a, sum, 0);
    sum = vsetq_lane_s32(b, sum, 1);
    sum = vsetq_lane_s32(c, sum, 2);
    return vsetq_lane_s32(d, sum, 3);
}

static int up_to_block(int n)
{
    return (n + 15) & ~15;
}

/* Channels in no groups of four, or with shifts below 0, from m on. */
static void run_slowly(const fw8_layer *l, int m, int channels, const int8_t *x,
                       int length, const int8_t *z, int8_t *y)
{
    int i;

    for (; m < channels; m += 4) {
        int32_t sum[4];
        vstrwq_s32(sum, dot(x, l->weight + m * (ptrdiff_t)length, length, l->bias + m));
        for (i = m; i < channels && i < m + 4; i++)
            y[i] = fw8_finish(l, i, sum[i - m], z ? z + i : NULL);
    }
}

#if FW8_TFLITE

static void add(const fw8_sum *sum, int n, const int8_t *a, const int8_t *b, int8_t *y)
{
    for (; n > 0; n -= 4, a += 4, b += 4, y += 4) {
        const mve_pred16_t p = vctp32q((uint32_t)n);
        vstrbq_p_s32(y, fw8_sum_four(sum, vldrbq_z_s32(a, p), vldrbq_z_s32(b, p)), p);
    }
}

/* Whole groups that go through a residual: by way of the stack. */
static void run_residual(const fw8_layer *l, int channels, const job *j, const int8_t *z,
                         int8_t *y)
{
    enum { CHUNK = 32 };
    int8_t own[2 * CHUNK];
    const fw8_sum sum = *l->residual; /* y might be where it lies, for all C knows */
    const int length = (int)(j->end - j->x0);
    int m;

    for (m = 0; m + 4 <= channels; m += CHUNK) {
        const int many = channels - m < CHUNK ? (channels - m) & ~3 : CHUNK;
        job part = *j;
        part.weight += m * (ptrdiff_t)length;
        part.bias += m;
        part.all_factors += m;
        part.all_shifts += m;
        part.groups = many / 4;
        part.y0 = own;
        part.y1 = own + CHUNK;
        run(&part);
        add(&sum, many, own, z + m, y + m);
        if (j->stride)
            add(&sum, many, own + CHUNK, z + channels + m, y + channels + m);
    }
}

#endif

/* Inputs lie at x0 and x1. */
static job job_of(const fw8_layer *l, int channels, const int8_t *x0, const int8_t *x1,
                  int length)
{
    const int groups = channels / 4;
    job j = {.x0 = x0,
             .x1 = x1,
             .zero = l->grid.zero,
             .all_factors = l->grid.factor,
             .all_shifts = l->grid.shift,
             .groups = groups,
             .weight = l->weight,
             .end = x0 + length,
             .bias = l->bias,
             .stride = channels,
             .back = channels - 4 * groups,
             .low = l->grid.low,
             .high = l->grid.high,
             /* the address of an instruction is odd; four blocks of 56 bytes */
             .skip = (-(length / 16) & 3) * 56 + 1};

#if !FW8_TFLITE
    if (l->residual) {
        j.adds = 1;
        j.factor_own = l->residual->factor_a;
        j.factor_z = l->residual->factor_b;
        j.offset = l->residual->offset;
        j.minus_shift = -l->residual->shift;
        j.zero_y = l->residual->zero;
        j.low_y = l->residual->low;
        j.high_y = l->residual->high;
    }
#endif
    return j;
}

/* Whole groups of one or two adjacent positions. */
static void run_groups(const fw8_layer *l, int channels, job *j, int positions,
                       const int8_t *z, int8_t *y)
{
    if (positions == 1) { /* twice */
        j->x1 = j->x0;
        j->stride = 0;
    }
    j->pairs = 1;
    j->y0 = y;
    j->y1 = y + j->stride;
#if FW8_TFLITE
    if (z) {
        run_residual(l, channels, j, z, y);
        return;
    }
#else
    (void)l;
    (void)channels;
    if (z) {
        j->z0 = z;
        j->z1 = z + j->stride;
    }
#endif
    run(j);
}

/* All channels. */
static void run_pair(const fw8_layer *l, int channels, job *j, int positions,
                     const int8_t *z, int8_t *y)
{
    const int length = (int)(j->end - j->x0);
    int m = 0;

    if (l->flat && j->groups > 0) {
        run_groups(l, channels, j, positions, z, y);
        m = channels & ~3;
    }
    if (m == channels)
        return;
    run_slowly(l, m, channels, j->x0, length, z, y);
    if (positions > 1)
        run_slowly(l, m, channels, j->x1, length, z ? z + channels : NULL, y + channels);
}

/* The taps of one output position after the other are copied. */
typedef struct gathering {
    const fw8_shape *s;
    const int8_t *x, *at; /* the first tap, inside the input or not */
    int top, left, ow;    /* where that is; the output's column */
    int n, step;          /* bytes of a kernel row; from one position to the next */
    ptrdiff_t row;        /* from one kernel row to the next */
    int joined;           /* the taps of a kernel row are adjacent */
    int rows_inside;      /* none of these kernel rows hangs over */
    int last_left;        /* the last that does not hang over on the right */
} gathering;

static void start_row(gathering *g)
{
    const fw8_shape *const s = g->s;

    g->ow = 0;
    g->left = -s->pad_left;
    g->at = g->x + ((ptrdiff_t)g->top * s->in_w + g->left) * s->in_c;
    g->rows_inside =
        g->joined && g->top >= 0 && g->top + (s->kernel_h - 1) * s->dilation_h < s->in_h;
}

static void start(gathering *g, const fw8_shape *s, const int8_t *x)
{
    g->s = s;
    g->x = x;
    g->top = -s->pad_top;
    g->n = s->kernel_w * s->in_c;
    g->step = s->stride_w * s->in_c;
    g->row = (ptrdiff_t)s->dilation_h * s->in_w * s->in_c;
    g->joined = s->dilation_w == 1 || s->kernel_w == 1;
    g->last_left = s->in_w - s->kernel_w;
    start_row(g);
}

/* n bytes of each of `rows` rows, one after the other. */
static inline void move_rows(int8_t *to, const int8_t *from, int n, ptrdiff_t row,
                             int rows)
{
    __asm__ volatile("1:\n"
                     "mov r2, %0\n"
                     "mov r3, %1\n"
                     "wlstp.8 lr, %3, 3f\n"
                     "2:\n"
                     "vldrb.8 q0, [r3], #16\n"
                     "vstrb.8 q0, [r2], #16\n"
                     "letp lr, 2b\n"
                     "3:\n"
                     "add %0, %0, %3\n"
                     "add %1, %1, %4\n"
                     "subs %2, %2, #1\n"
                     "bne 1b\n"
                     : "+r"(to), "+r"(from), "+r"(rows)
                     : "r"(n), "r"(row)
                     : "r2", "r3", "lr", "q0", "cc", "memory");
}

/* A kernel row, of which taps may hang over; `row` is the input's. */
static void gather_row(const gathering *g, const int8_t *row, int8_t *to)
{
    const fw8_shape *const s = g->s;
    const int c = s->in_c;
    int kw = 0, w = g->left;

    if (g->joined) {
        const int before = w >= 0 ? 0 : -w < s->kernel_w ? -w : s->kernel_w;
        const int inside = s->in_w - w < s->kernel_w ? s->in_w - w : s->kernel_w;
        fw8_fill(to, s->fill, g->n);
        if (inside > before)
            fw8_move(to + before * (ptrdiff_t)c, row + (w + before) * (ptrdiff_t)c,
                     (inside - before) * c);
        return;
    }
    for (; kw < s->kernel_w; kw++, w += s->dilation_w, to += c)
        if (w >= 0 && w < s->in_w)
            fw8_move(to, row + w * (ptrdiff_t)c, c);
        else
            fw8_fill(to, s->fill, c);
}

static void gather_edge(const gathering *g, int8_t *to)
{
    const fw8_shape *const s = g->s;
    int kh, h = g->top;

    for (kh = 0; kh < s->kernel_h; kh++, h += s->dilation_h, to += g->n)
        if (h >= 0 && h < s->in_h)
            gather_row(g, g->x + (ptrdiff_t)h * s->in_w * s->in_c, to);
        else
            fw8_fill(to, s->fill, g->n);
}

/* Those of the position at hand; then goes on to the next, by rows. */
static void gather(gathering *g, int8_t *to)
{
    const fw8_shape *const s = g->s;

    if (g->rows_inside && g->left >= 0 && g->left <= g->last_left)
        move_rows(to, g->at, g->n, g->row, s->kernel_h);
    else
        gather_edge(g, to);
    g->left += s->stride_w;
    g->at += g->step;
    if (++g->ow == s->out_w) {
        g->top += s->stride_h;
        start_row(g);
    }
}

void fw8_conv(const fw8_shape *s, const fw8_layer *l, const int8_t *x, const int8_t *z,
              void *scratch, int8_t *y)
{
    const int length = up_to_block(s->kernel_h * s->kernel_w * s->in_c);
    const int all = s->out_h * s->out_w;
    int8_t *const p = scratch, *const q = p + length;
    job j = job_of(l, s->out_c, p, q, length);
    gathering g;
    int i;

    start(&g, s, x);
    for (i = 0; i < all; i += 2) {
        const int positions = all - i < 2 ? 1 : 2;
        const ptrdiff_t at = (ptrdiff_t)i * s->out_c;
        gather(&g, p);
        if (positions > 1)
            gather(&g, q);
        run_pair(l, s->out_c, &j, positions, z ? z + at : NULL, y + at);
    }
}

void fw8_pointwise(const fw8_shape *s, const fw8_layer *l, const int8_t *x,
                   const int8_t *z, void *scratch, int8_t *y)
{
    const int all = s->out_h * s->out_w, n = s->in_c;
    int8_t *const p = scratch;
    job j = job_of(l, s->out_c, p, p + n, up_to_block(n));
    int i = 0;

    if (l->flat && !z && s->out_c % 4 == 0 && all > 1) { /* all in one go */
        j.from = x;
        j.bytes = 2 * n;
        j.y0 = y;
        j.y1 = y + s->out_c;
        j.pairs = all / 2;
        run(&j);
        j.bytes = 0;
        i = all & ~1;
    }
    for (; i < all; i += 2) {
        const int positions = all - i < 2 ? 1 : 2;
        const ptrdiff_t at = (ptrdiff_t)i * s->out_c;
        fw8_move(p, x + (ptrdiff_t)i * n, positions * n);
        run_pair(l, s->out_c, &j, positions, z ? z + at : NULL, y + at);
    }
}

void fw8_dense(const fw8_shape *s, const fw8_layer *l, const int8_t *x, void *scratch,
               int8_t *y)
{
    const int n = s->in_h * s->in_w * s->in_c, length = up_to_block(n);
    const int32x4_t low = vdupq_n_s32(l->grid.low), high = vdupq_n_s32(l->grid.high);
    const int zero = l->grid.zero;
    int m = 0;

    fw8_move(scratch, x, n);
    for (; l->flat && m + 4 <= s->out_c; m += 4) {
        const int32x4_t v = fw8_scale_four(
            dot(scratch, l->weight + m * (ptrdiff_t)length, length, l->bias + m),
            vldrwq_s32(l->grid.factor + m), vldrbq_s32(l->grid.shift + m), zero);
        vstrbq_s32(y + m, vminq_s32(vmaxq_s32(v, low), high));
    }
    run_slowly(l, m, s->out_c, scratch, length, NULL, y);
}

#endif
