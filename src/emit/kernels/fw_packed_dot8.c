/* fw_packed_dot8.c: fw_dot8.c for processors whose multiply keeps 32 bits: an input p of
 * one position and q of the other lie in one word, p + q * 2^16, so that one multiply by
 * a weight makes both products.
 *
 * The products of two inputs (at most 2 * 128 * 127) are added up in such a word, then
 * taken apart: `high` gathers the upper halves, rounded, that is the sum of q; `both`
 * gathers the words, modulo 2^32. The sum of p is what remains of `both` without
 * high * 2^16. */
#include "fw8.h"

#if FW8_PACKED && !FW8_OWN_DOT

#include <stddef.h>

#if FW8_V6M

#define PAIR(a, b, to) \
    "ldrsb " #to ", [" #a ", r4]\n" \
    "ldrsb r7, [" #b ", r4]\n" \
    "lsls r7, r7, #16\n" \
    "adds " #to ", " #to ", r7\n"

/* n: a multiple of 4, above 0. */
FW8_ASSEMBLY static void widen_fours(FW8_UNUSED const int8_t *x0,
                                     FW8_UNUSED const int8_t *x1, FW8_UNUSED int n,
                                     FW8_UNUSED int32_t *to)
{
    __asm__ volatile(
        FW8_UNIFIED "push {r4-r7, lr}\n"
                    "movs r4, #0\n"
                    "1:\n" PAIR(r0, r1, r5) "adds r4, #2\n" PAIR(
                        r0, r1, r6) "stm r3!, {r5, r6}\n"
                                    "subs r4, #1\n" PAIR(r0, r1, r5) "adds r4, #2\n" PAIR(
                                        r0, r1, r6) "stm r3!, {r5, r6}\n"
                                                    "adds r4, #1\n"
                                                    "cmp r4, r2\n"
                                                    "bne 1b\n"
                                                    "pop {r4-r7, pc}\n");
}

#else

static int32_t pair(int p, int q)
{
    return p + q * 65536;
}

static void widen_fours(const int8_t *x0, const int8_t *x1, int n, int32_t *to)
{
    for (; n > 0; n -= 4, x0 += 4, x1 += 4, to += 4) {
        to[0] = pair(x0[0], x1[0]);
        to[1] = pair(x0[2], x1[2]);
        to[2] = pair(x0[1], x1[1]);
        to[3] = pair(x0[3], x1[3]);
    }
}

#endif

void fw8_widen(const int8_t *x0, const int8_t *x1, int n, int16_t *column)
{
    int32_t *const to = (int32_t *)(void *)column;
    const int whole = n & ~3, rest = n & 3;
    int8_t last[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    int i;

    if (whole > 0)
        widen_fours(x0, x1, whole, to);
    if (rest == 0)
        return;
    for (i = 0; i < rest; i++) {
        last[i] = x0[whole + i];
        last[4 + i] = x1[whole + i];
    }
    widen_fours(last, last + 4, 4, to + whole);
}

#if !FW8_V6M && !FW8_V7M

/* high and both, see above; the bias is in both. */
typedef struct sums {
    int32_t high;
    uint32_t both;
} sums;

static inline sums add_two(sums s, const int8_t *w, int32_t x0, int32_t x1)
{
    const int32_t two = w[0] * x0 + w[2] * x1;

    __asm__ volatile("" ::: "memory"); /* weights are loaded late: registers are few */
    s.both += (uint32_t)two;
    s.high += (two + 0x8000) >> 16;
    return s;
}

/* sum[2 * channel + position] of four channels. */
static void sum_group(const fw8_job *j, const int8_t *weight, const int32_t *bias,
                      int32_t *sum)
{
    const int32_t *x = j->column;
    sums a = {bias[0], (uint32_t)bias[0] * 0x10001u};
    sums b = {bias[1], (uint32_t)bias[1] * 0x10001u};
    sums c = {bias[2], (uint32_t)bias[2] * 0x10001u};
    sums d = {bias[3], (uint32_t)bias[3] * 0x10001u};

    for (; x != j->end; x += 4, weight += 16) {
        const int32_t x0 = x[0], x2 = x[1], x1 = x[2], x3 = x[3];
        a = add_two(a, weight + 0, x0, x2);
        b = add_two(b, weight + 1, x0, x2);
        c = add_two(c, weight + 4, x0, x2);
        d = add_two(d, weight + 5, x0, x2);
        a = add_two(a, weight + 8, x1, x3);
        b = add_two(b, weight + 9, x1, x3);
        c = add_two(c, weight + 12, x1, x3);
        d = add_two(d, weight + 13, x1, x3);
    }
    sum[0] = (int32_t)(a.both - ((uint32_t)a.high << 16));
    sum[1] = a.high;
    sum[2] = (int32_t)(b.both - ((uint32_t)b.high << 16));
    sum[3] = b.high;
    sum[4] = (int32_t)(c.both - ((uint32_t)c.high << 16));
    sum[5] = c.high;
    sum[6] = (int32_t)(d.both - ((uint32_t)d.high << 16));
    sum[7] = d.high;
}

void fw8_run_job(const fw8_job *j)
{
    const int8_t *weight = j->weight;
    const int32_t *bias = j->bias;
    int8_t *y = j->y;
    int32_t sum[8];
    int groups = j->groups, m = 0, i;

    if (j->sum) {
        sum_group(j, weight, bias, j->sum);
        return;
    }
    for (; groups > 0; groups--) {
        sum_group(j, weight, bias, sum);
        for (i = 0; i < 4; i++, m++, y++) {
            const int32_t p = fw8_high(sum[2 * i], j->factor[m]);
            const int32_t q = fw8_high(sum[2 * i + 1], j->factor[m]);
            const int shift = j->shift[m];
            y[0] = (int8_t)fw8_clamp(((p >> shift) + j->offset) >> 1, -128, 127);
            y[j->stride] = (int8_t)fw8_clamp(((q >> shift) + j->offset) >> 1, -128, 127);
        }
        bias += 4;
        weight += 4 * (j->end - j->column);
    }
}

#endif

/* Sums of a group, weights that are not paired: a product is taken apart by itself. */
static void sum_singly(const fw8_job *j)
{
    static const int of_channel[] = {0, 1, 4, 5}, of_input[] = {0, 2, 8, 10};
    int m, k;

    for (m = 0; m < 4; m++) {
        const int8_t *weight = j->weight + of_channel[m];
        const int32_t *x = j->column;
        int32_t sum_p = j->bias[m], sum_q = sum_p;
        for (; x != j->end; x += 4, weight += 16)
            for (k = 0; k < 4; k++) {
                const int32_t q = (x[k] + 0x8000) >> 16, w = weight[of_input[k]];
                sum_p += (x[k] - q * 65536) * w;
                sum_q += q * w;
            }
        j->sum[2 * m] = sum_p;
        j->sum[2 * m + 1] = sum_q;
    }
}

/* All whole groups of a layer that fw8_run_job finishes. */
static void run_whole(const fw8_layer *l, int channels, const fw8_job *j, const int8_t *z,
                      int8_t *y)
{
    enum { CHUNK = 32 };
    int8_t own[2 * CHUNK];
    fw8_job part = *j;
    fw8_sum sum; /* a copy: bytes of y might change what a pointer points to */
    int m, p;

    if (!z) {
        part.y = y;
        part.groups = channels / 4;
        if (part.groups > 0)
            fw8_run_job(&part);
        return;
    }
    sum = *l->residual;
    for (m = 0; m + 4 <= channels; m += CHUNK) {
        const int many = channels - m < CHUNK ? (channels - m) & ~3 : CHUNK;
        part.weight = j->weight + m * (j->end - j->column);
        part.bias = j->bias + m;
        part.factor = j->factor + m;
        part.shift = j->shift + m;
        part.y = own;
        part.stride = j->stride ? CHUNK : 0;
        part.groups = many / 4;
        fw8_run_job(&part);
        for (p = 0; p < (j->stride ? 2 : 1); p++) {
            const ptrdiff_t at = p * (ptrdiff_t)channels + m;
            fw8_add_elements(sum, many, own + p * CHUNK, z + at, y + at);
        }
    }
}

void fw8_run(const fw8_layer *l, int channels, const int16_t *column, int blocks,
             int positions, const int8_t *z, int8_t *y)
{
    const int32_t *const words = (const int32_t *)(const void *)column;
    fw8_job j = {words,
                 words + 4 * (ptrdiff_t)blocks,
                 l->weight,
                 l->bias,
                 l->grid.factor,
                 l->grid.shift,
                 NULL,
                 positions > 1 ? channels : 0,
                 2 * l->grid.zero + 1,
                 l->grid.zero == -128 ? 0 : INT32_MIN,
                 1,
                 NULL};
    int m = 0;

    if (l->plain && l->paired) {
        run_whole(l, channels, &j, z, y);
        m = channels & ~3;
    }
    for (; m < channels; m += 4) {
        int32_t sum[8];
        j.weight = l->weight + m * 4 * (ptrdiff_t)blocks;
        j.bias = l->bias + m;
        j.sum = sum;
        if (l->paired)
            fw8_run_job(&j);
        else
            sum_singly(&j);
        fw8_finish_group(l, channels, m, positions, sum, z, y);
    }
}

#endif
