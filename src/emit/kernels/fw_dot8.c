/* fw_dot8.c: what convolutions have in common: two output positions of four channels at a
 * time, over inputs that were widened to int16 once for all channels. */
#include "fw8.h"

#if !FW8_OWN_DOT && !FW8_OWN_RUN

#include <stddef.h>

void fw8_widen(const int8_t *x0, const int8_t *x1, int n, int16_t *column)
{
#if FW8_DSP
    uint32_t *to = (uint32_t *)(void *)column;

    for (; n >= 4; n -= 4, x0 += 4, x1 += 4, to += 4) {
        const uint32_t p = fw8_word(x0), q = fw8_word(x1);
        to[0] = fw8_even(p);
        to[1] = fw8_even(q);
        to[2] = fw8_odd(p);
        to[3] = fw8_odd(q);
    }
    column = (int16_t *)(void *)to;
#endif
    for (; n >= 4; n -= 4, x0 += 4, x1 += 4, column += 8) {
        column[0] = x0[0];
        column[1] = x0[2];
        column[2] = x1[0];
        column[3] = x1[2];
        column[4] = x0[1];
        column[5] = x0[3];
        column[6] = x1[1];
        column[7] = x1[3];
    }
    if (n > 0) {
        column[0] = x0[0];
        column[1] = n > 2 ? x0[2] : 0;
        column[2] = x1[0];
        column[3] = n > 2 ? x1[2] : 0;
        column[4] = n > 1 ? x0[1] : 0;
        column[5] = 0;
        column[6] = n > 1 ? x1[1] : 0;
        column[7] = 0;
    }
}

#if FW8_DSP

/* Groups of four channels, one after the other. */
typedef struct job {
    const int16_t *column, *end;
    const int8_t *weight;
    const int32_t *bias, *factor;
    const int8_t *shift;
    int8_t *y; /* the first position; the second is `stride` further */
    int stride;
    int offset; /* twice the zero point, plus 1 */
    int groups;
    int32_t *sum; /* or NULL: the sums as they are, 2 * channel + position, not y */
} job;

/* Two pairs of weights for two channels; r12 and lr: a pair of inputs of each position.
 */
#define TWO(a0, a1, b0, b1) \
    "ldr r2, [r1], #4\n" \
    "sxtb16 r3, r2\n" \
    "smlad " #a0 ", r3, r12, " #a0 "\n" \
    "smlad " #a1 ", r3, lr, " #a1 "\n" \
    "sxtb16 r3, r2, ror #8\n" \
    "smlad " #b0 ", r3, r12, " #b0 "\n" \
    "smlad " #b1 ", r3, lr, " #b1 "\n"
/* Two inputs, then four; 120 bytes. */
#define HALF "ldrd r12, lr, [r0], #8\n" TWO(r4, r5, r6, r7) TWO(r8, r9, r10, r11)
#define BLOCK HALF HALF
/* The high word of sum * factor, shifted. */
#define SCALE(p, q) \
    "ldr r12, [r2], #4\n" \
    "ldrb lr, [r3], #1\n" \
    "smmul " #p ", " #p ", r12\n" \
    "smmul " #q ", " #q ", r12\n" \
    "asr " #p ", " #p ", lr\n" \
    "asr " #q ", " #q ", lr\n"
/* Adds the zero point and half of the last bit, and drops that. */
#define STORE(v, to) \
    "add " #v ", " #v ", r12\n" \
    "ssat " #v ", #8, " #v ", asr #1\n" \
    "strb " #v ", [" #to "], #1\n"

/* 32 multiply-adds take 30 instructions: sums in r4..r11, inputs at r0, weights at r1.
 * The loop is entered so that the number of blocks comes out. On the stack: the job, then
 * the way in. */
FW8_ASSEMBLY static void run(FW8_UNUSED const job *j)
{
    __asm__ volatile("push {r4-r11, lr}\n"
                     "sub sp, #52\n"
                     "ldm r0, {r1-r11}\n"
                     "stm sp, {r1-r11}\n"
                     "sub r2, r2, r1\n"
                     "lsrs r2, r2, #4\n"
                     "rsbs r2, r2, #0\n"
                     "and r2, r2, #3\n"
                     "movs r4, #120\n"
                     "mul r2, r2, r4\n"
                     "adr r4, 2f\n"
                     "add r2, r2, r4\n"
                     "orr r2, r2, #1\n"
                     "str r2, [sp, #44]\n"
                     "mov r1, r3\n"
                     "1:\n"
                     "ldr r2, [sp, #12]\n"
                     "ldm r2!, {r4, r6, r8, r10}\n"
                     "str r2, [sp, #12]\n"
                     "mov r5, r4\n"
                     "mov r7, r6\n"
                     "mov r9, r8\n"
                     "mov r11, r10\n"
                     "ldr r0, [sp]\n"
                     "ldr r2, [sp, #44]\n"
                     "bx r2\n"
                     ".p2align 2\n"
                     "2:\n" BLOCK BLOCK BLOCK BLOCK "ldr r2, [sp, #4]\n"
                     "cmp r0, r2\n"
                     "bne.w 2b\n"
                     "ldr r2, [sp, #40]\n"
                     "cbz r2, 3f\n"
                     "stm r2!, {r4-r11}\n"
                     "str r2, [sp, #40]\n"
                     "b 4f\n"
                     "3:\n"
                     "ldr r2, [sp, #16]\n"
                     "ldr r3, [sp, #20]\n" SCALE(r4, r5) SCALE(r6, r7) SCALE(r8, r9)
                         SCALE(r10, r11) "str r2, [sp, #16]\n"
                                         "str r3, [sp, #20]\n"
                                         "ldr r2, [sp, #24]\n"
                                         "ldr r3, [sp, #28]\n"
                                         "ldr r12, [sp, #32]\n"
                                         "add r3, r3, r2\n" STORE(r4, r2) STORE(r5, r3)
                                             STORE(r6, r2) STORE(r7, r3) STORE(r8, r2)
                                                 STORE(r9, r3) STORE(r10, r2)
                                                     STORE(r11, r3) "str r2, [sp, #24]\n"
                                                                    "4:\n"
                                                                    "ldr r2, [sp, #36]\n"
                                                                    "subs r2, r2, #1\n"
                                                                    "str r2, [sp, #36]\n"
                                                                    "bne.w 1b\n"
                                                                    "add sp, #52\n"
                                                                    "pop {r4-r11, pc}\n");
}

/* All whole groups of a plain layer. */
static void run_plain(const fw8_layer *l, int channels, job *j, const int8_t *z,
                      int8_t *y)
{
    enum { CHUNK = 32 };
    int8_t own[2 * CHUNK];
    fw8_sum sum; /* a copy: bytes of y might change what a pointer points to */
    int m, p;

    if (!z) {
        j->y = y;
        j->groups = channels / 4;
        if (j->groups > 0)
            run(j);
        return;
    }
    sum = *l->residual;
    for (m = 0; m + 4 <= channels; m += CHUNK) {
        const int many = channels - m < CHUNK ? (channels - m) & ~3 : CHUNK;
        const int positions = j->stride ? 2 : 1;
        job part = *j;
        part.weight += m * ((j->end - j->column) / 2);
        part.bias += m;
        part.factor += m;
        part.shift += m;
        part.y = own;
        part.stride = CHUNK;
        part.groups = many / 4;
        run(&part);
        for (p = 0; p < positions; p++) {
            const ptrdiff_t at = p * (ptrdiff_t)channels + m;
            fw8_add_elements(sum, many, own + p * CHUNK, z + at, y + at);
        }
    }
}

#else

/* sum[2 * channel + position] of four channels. */
static void dot(const int16_t *column, const int8_t *weight, int blocks,
                const int32_t *bias, int32_t *sum)
{
    int32_t a0 = bias[0], b0 = bias[1], c0 = bias[2], d0 = bias[3];
    int32_t a1 = a0, b1 = b0, c1 = c0, d1 = d0;

    for (; blocks > 0; blocks--, column += 8, weight += 16) {
        const int32_t p0 = column[0], p2 = column[1], q0 = column[2], q2 = column[3];
        const int32_t p1 = column[4], p3 = column[5], q1 = column[6], q3 = column[7];
        a0 += p0 * weight[0] + p2 * weight[2] + p1 * weight[8] + p3 * weight[10];
        a1 += q0 * weight[0] + q2 * weight[2] + q1 * weight[8] + q3 * weight[10];
        b0 += p0 * weight[1] + p2 * weight[3] + p1 * weight[9] + p3 * weight[11];
        b1 += q0 * weight[1] + q2 * weight[3] + q1 * weight[9] + q3 * weight[11];
        c0 += p0 * weight[4] + p2 * weight[6] + p1 * weight[12] + p3 * weight[14];
        c1 += q0 * weight[4] + q2 * weight[6] + q1 * weight[12] + q3 * weight[14];
        d0 += p0 * weight[5] + p2 * weight[7] + p1 * weight[13] + p3 * weight[15];
        d1 += q0 * weight[5] + q2 * weight[7] + q1 * weight[13] + q3 * weight[15];
    }
    sum[0] = a0;
    sum[1] = a1;
    sum[2] = b0;
    sum[3] = b1;
    sum[4] = c0;
    sum[5] = c1;
    sum[6] = d0;
    sum[7] = d1;
}

#endif

void fw8_run(const fw8_layer *l, int channels, const int16_t *column, int blocks,
             int positions, const int8_t *z, int8_t *y)
{
    int m = 0;
#if FW8_DSP
    job j = {column,
             column + 8 * (ptrdiff_t)blocks,
             l->weight,
             l->bias,
             l->grid.factor,
             l->grid.shift,
             NULL,
             positions > 1 ? channels : 0,
             2 * l->grid.zero + 1,
             1,
             NULL};

    if (l->plain) {
        run_plain(l, channels, &j, z, y);
        m = channels & ~3;
    }
#endif
    for (; m < channels; m += 4) {
        const int8_t *const weight = l->weight + m * 4 * (ptrdiff_t)blocks;
        int32_t sum[8];
#if FW8_DSP
        j.weight = weight;
        j.bias = l->bias + m;
        j.groups = 1;
        j.sum = sum;
        run(&j);
#else
        dot(column, weight, blocks, l->bias + m, sum);
#endif
        fw8_finish_group(l, channels, m, positions, sum, z, y);
    }
}

#endif
