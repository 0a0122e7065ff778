/* fw_dense8.c: dense layer, four outputs at a time. */
#include "fw8.h"

#if !FW8_OWN_DOT

#include <stddef.h>

/* k0..k3 as k0 k2 k1 k3; filled up with zeros. */
static void widen(const int8_t *x, int n, int16_t *to)
{
#if FW8_DSP
    for (; n >= 4; n -= 4, x += 4, to += 4) {
        const uint32_t word = fw8_word(x);
        uint32_t *const pair = (uint32_t *)(void *)to;
        pair[0] = fw8_even(word);
        pair[1] = fw8_odd(word);
    }
#endif
    for (; n > 0; n -= 4, x += 4, to += 4) {
        to[0] = x[0];
        to[1] = n > 2 ? x[2] : 0;
        to[2] = n > 1 ? x[1] : 0;
        to[3] = n > 3 ? x[3] : 0;
    }
}

#if FW8_DSP

/* Groups of four outputs, one after the other. */
typedef struct job {
    const int16_t *x, *end;
    const int8_t *weight;
    const int32_t *bias, *factor;
    const int8_t *shift; /* four to a word */
    int8_t *y;
    int offset; /* twice the zero point, plus 1 */
    int groups;
    int32_t *sum; /* or NULL: the sums as they are, not y */
} job;

/* Four inputs; 72 bytes. */
#define BLOCK \
    "ldrd r8, r9, [r0], #8\n" \
    "ldm r1!, {r10, r11, r12, lr}\n" TWO(r10, r8, r4, r5) TWO(r11, r8, r6, r7) \
        TWO(r12, r9, r4, r5) TWO(lr, r9, r6, r7)
/* A pair of inputs for two outputs. */
#define TWO(w, x, a, b) \
    "sxtb16 r2, " #w "\n" \
    "smlad " #a ", r2, " #x ", " #a "\n" \
    "sxtb16 r2, " #w ", ror #8\n" \
    "smlad " #b ", r2, " #x ", " #b "\n"
#define FINISH(v, n) \
    "ubfx r8, r3, #" #n ", #8\n" \
    "asr " #v ", " #v ", r8\n" \
    "add " #v ", " #v ", r12\n" \
    "ssat " #v ", #8, " #v ", asr #1\n" \
    "strb " #v ", [r2], #1\n"

/* As in fw_dot8.c: the loop is entered so that the number of blocks comes out. */
FW8_ASSEMBLY static void run(FW8_UNUSED const job *j)
{
    __asm__ volatile("push {r4-r11, lr}\n"
                     "sub sp, #44\n"
                     "ldm r0, {r1-r10}\n"
                     "stm sp, {r1-r10}\n"
                     "sub r2, r2, r1\n"
                     "lsrs r2, r2, #3\n"
                     "rsbs r2, r2, #0\n"
                     "and r2, r2, #3\n"
                     "movs r4, #72\n"
                     "mul r2, r2, r4\n"
                     "adr r4, 2f\n"
                     "add r2, r2, r4\n"
                     "orr r2, r2, #1\n"
                     "str r2, [sp, #40]\n"
                     "mov r1, r3\n"
                     "1:\n"
                     "ldr r2, [sp, #12]\n"
                     "ldm r2!, {r4-r7}\n"
                     "str r2, [sp, #12]\n"
                     "ldr r0, [sp]\n"
                     "ldr r3, [sp, #4]\n"
                     "ldr r2, [sp, #40]\n"
                     "bx r2\n"
                     ".p2align 2\n"
                     "2:\n" BLOCK BLOCK BLOCK BLOCK "cmp r0, r3\n"
                     "bne.w 2b\n"
                     "ldr r2, [sp, #36]\n"
                     "cbz r2, 3f\n"
                     "stm r2!, {r4-r7}\n"
                     "str r2, [sp, #36]\n"
                     "b 4f\n"
                     "3:\n"
                     "ldr r2, [sp, #16]\n"
                     "ldm r2!, {r8-r11}\n"
                     "str r2, [sp, #16]\n"
                     "smmul r4, r4, r8\n"
                     "smmul r5, r5, r9\n"
                     "smmul r6, r6, r10\n"
                     "smmul r7, r7, r11\n"
                     "ldr r2, [sp, #20]\n"
                     "ldr r3, [r2], #4\n"
                     "str r2, [sp, #20]\n"
                     "ldr r2, [sp, #24]\n"
                     "ldr r12, [sp, #28]\n" FINISH(r4, 0) FINISH(r5, 8) FINISH(r6, 16)
                         FINISH(r7, 24) "str r2, [sp, #24]\n"
                                        "4:\n"
                                        "ldr r2, [sp, #32]\n"
                                        "subs r2, r2, #1\n"
                                        "str r2, [sp, #32]\n"
                                        "bne.w 1b\n"
                                        "add sp, #44\n"
                                        "pop {r4-r11, pc}\n");
}

#elif FW8_V6M || FW8_V7M

typedef fw8_dense_job job;

static void run(const job *j)
{
    fw8_run_dense_job(j);
}

#else

static void dot(const int16_t *x, const int8_t *weight, int blocks, const int32_t *bias,
                int32_t *sum)
{
    int32_t a = bias[0], b = bias[1], c = bias[2], d = bias[3];

    for (; blocks > 0; blocks--, x += 4, weight += 16) {
        const int32_t x0 = x[0], x2 = x[1], x1 = x[2], x3 = x[3];
        a += x0 * weight[0] + x2 * weight[2] + x1 * weight[8] + x3 * weight[10];
        b += x0 * weight[1] + x2 * weight[3] + x1 * weight[9] + x3 * weight[11];
        c += x0 * weight[4] + x2 * weight[6] + x1 * weight[12] + x3 * weight[14];
        d += x0 * weight[5] + x2 * weight[7] + x1 * weight[13] + x3 * weight[15];
    }
    sum[0] = a;
    sum[1] = b;
    sum[2] = c;
    sum[3] = d;
}

#endif

#define BY_JOBS (FW8_DSP || FW8_V6M || FW8_V7M)

void fw8_dense(const fw8_shape *s, const fw8_layer *l, const int8_t *x, void *scratch,
               int8_t *y)
{
    const int n = s->in_h * s->in_w * s->in_c, blocks = (n + 3) / 4;
    int m = 0, i;
#if BY_JOBS
    const int16_t *const column = scratch;
    job j = {
        column,
        column + 4 * (ptrdiff_t)blocks,
        l->weight,
        l->bias,
        l->grid.factor,
        l->grid.shift,
        y,
        2 * l->grid.zero + 1,
        s->out_c / 4,
        NULL,
#if !FW8_DSP
        l->grid.zero == -128 ? 0 : INT32_MIN
#endif
    };
#endif

    widen(x, n, scratch);
#if BY_JOBS
    if (l->plain && j.groups > 0) {
        run(&j);
        m = s->out_c & ~3;
    }
#endif
    for (; m < s->out_c; m += 4) {
        const int8_t *const weight = l->weight + m * 4 * (ptrdiff_t)blocks;
        int32_t sum[4];
#if BY_JOBS
        j.weight = weight;
        j.bias = l->bias + m;
        j.groups = 1;
        j.sum = sum;
        run(&j);
#else
        dot(scratch, weight, blocks, l->bias + m, sum);
#endif
        for (i = m; i < s->out_c && i < m + 4; i++)
            y[i] = fw8_finish(l, i, sum[i - m], NULL);
    }
}

#endif
