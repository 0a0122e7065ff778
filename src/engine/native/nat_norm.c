/* nat_norm.c: batch norm over blocked values, in training form and with given moments;
 * the formulas stand in ops/op_norm_train.c and ops/op_norm.c.
 *
 * Sums are taken in floats over short runs, and the runs in doubles. Channels of the
 * padding get factors of zero, so that it stays zero. */
#include "engine/native/nat_util.h"

#include <math.h>

enum { RUN = 32 }; /* wide vectors that are summed in floats */

typedef struct state {
    lb_nat_blocks b;
    double n, epsilon; /* n: elements of a channel in the whole batch */
} state;

/* Per-channel factors of one block, as wide vectors. */
typedef struct factors {
    float mean[LB_NAT_WIDE], inverse[LB_NAT_WIDE];
    float a[LB_NAT_WIDE], b[LB_NAT_WIDE], c[LB_NAT_WIDE];
} factors;

typedef struct sums {
    double first[LB_NAT_WIDE], second[LB_NAT_WIDE];
} sums;

static bool accepts(lb_ask *ask, int n_maps)
{
    for (int k = 0; k < n_maps; k++) {
        if (!lb_nat_can_block(ask, k) || ask->in[k].dtype != LB_F32)
            return false;
        ask->want_in[k] = LB_BLOCKED;
    }
    for (int k = n_maps; k < ask->n_in; k++)
        if (ask->in[k].dtype != (k < n_maps + 2 ? LB_F64 : LB_F32))
            return false;
    return true;
}

static bool accepts_stats(lb_ask *ask)
{
    return accepts(ask, 1);
}

static bool accepts_apply(lb_ask *ask)
{
    ask->out_layout[0] = LB_BLOCKED;
    ask->in_place = true;
    return accepts(ask, 1);
}

/* Given moments. A plain map is left alone: it would only be blocked for this. */
static bool accepts_given(lb_ask *ask)
{
    ask->out_layout[0] = LB_BLOCKED;
    ask->in_place = true;
    return lb_nat_floats(ask) && lb_nat_can_block(ask, 0) &&
           ask->in_layout[0] == LB_BLOCKED;
}

static bool accepts_grad_stats(lb_ask *ask)
{
    return accepts(ask, 2);
}

static bool accepts_grad_input(lb_ask *ask)
{
    ask->out_layout[0] = LB_BLOCKED;
    ask->in_place = true;
    return accepts(ask, 2);
}

static lb_code create(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    state *const s = LB_TAKE(arena, state);

    if (!s)
        return lb_nat_no_memory(err);
    s->b = lb_nat_blocks_of(&ask->in[0].shape, ask->block);
    s->n = (double)ask->batch * (double)s->b.inner;
    s->epsilon = lb_attr_float(ask->node, "epsilon", 1e-5);
    *out = s;
    return LB_OK;
}

/* The part of channels that belongs to a block, as wide vectors; 0 in the padding. */
static void gather(const state *s, int block, const double *from, double *to)
{
    for (int k = 0; k < LB_NAT_WIDE; k++) {
        const int c = block * s->b.block + k % s->b.block;
        to[k] = c < s->b.channels ? from[c] : 0;
    }
}

static void gather_floats(const state *s, int block, const float *from, double *to)
{
    for (int k = 0; k < LB_NAT_WIDE; k++) {
        const int c = block * s->b.block + k % s->b.block;
        to[k] = c < s->b.channels ? (double)from[c] : 0;
    }
}

LB_NAT_CLONES static void deviations(double n, double epsilon, const double *sum,
                                     const double *sumsq, factors *f)
{
    for (int k = 0; k < LB_NAT_WIDE; k++) {
        const double mean = sum[k] * n, var = sumsq[k] * n - mean * mean;
        f->mean[k] = (float)mean;
        f->inverse[k] = (float)(1 / sqrt((var > 0 ? var : 0) + epsilon));
    }
}

/* Mean and inverse deviation of a block's channels. */
static void moments(const state *s, int block, const double *sum, const double *sumsq,
                    factors *f)
{
    double first[LB_NAT_WIDE], second[LB_NAT_WIDE];

    gather(s, block, sum, first);
    gather(s, block, sumsq, second);
    deviations(1 / s->n, s->epsilon, first, second, f);
}

static void add_run(sums *to, const lb_nat_wide *first, const lb_nat_wide *second)
{
    for (int k = 0; k < LB_NAT_WIDE; k++) {
        to->first[k] += (double)(*first)[k];
        to->second[k] += (double)(*second)[k];
    }
}

/* Sum and sum of squares of each lane; n floats, a multiple of 8. */
LB_NAT_CLONES static void sum_squares(const float *x, size_t n, sums *to)
{
    size_t i = 0;

    while (i + LB_NAT_WIDE <= n) {
        const size_t end = n - i < RUN * LB_NAT_WIDE ? n : i + RUN * LB_NAT_WIDE;
        lb_nat_wide first[2] = {{0}}, second[2] = {{0}};
        for (; i + 2 * LB_NAT_WIDE <= end; i += 2 * LB_NAT_WIDE)
            for (int j = 0; j < 2; j++) {
                const lb_nat_wide v = *(const lb_nat_wide *)(x + i + j * LB_NAT_WIDE);
                first[j] += v;
                second[j] += v * v;
            }
        for (; i + LB_NAT_WIDE <= end; i += LB_NAT_WIDE) {
            const lb_nat_wide v = *(const lb_nat_wide *)(x + i);
            first[0] += v;
            second[0] += v * v;
        }
        first[0] += first[1];
        second[0] += second[1];
        add_run(to, &first[0], &second[0]);
    }
    for (int k = 0; i < n; i++, k++) {
        to->first[k] += (double)x[i];
        to->second[k] += (double)x[i] * (double)x[i];
    }
}

/* Sum of dy * (x - mean) and of dy. */
LB_NAT_CLONES static void sum_products(const float *x, const float *dy, size_t n,
                                       const float *mean, sums *to)
{
    const lb_nat_wide m = *(const lb_nat_wide *)mean;
    size_t i = 0;

    while (i + LB_NAT_WIDE <= n) {
        const size_t end = n - i < RUN * LB_NAT_WIDE ? n : i + RUN * LB_NAT_WIDE;
        lb_nat_wide first[2] = {{0}}, second[2] = {{0}};
        for (; i + 2 * LB_NAT_WIDE <= end; i += 2 * LB_NAT_WIDE)
            for (int j = 0; j < 2; j++) {
                const lb_nat_wide v = *(const lb_nat_wide *)(x + i + j * LB_NAT_WIDE);
                const lb_nat_wide d = *(const lb_nat_wide *)(dy + i + j * LB_NAT_WIDE);
                first[j] += d * (v - m);
                second[j] += d;
            }
        for (; i + LB_NAT_WIDE <= end; i += LB_NAT_WIDE) {
            const lb_nat_wide d = *(const lb_nat_wide *)(dy + i);
            first[0] += d * (*(const lb_nat_wide *)(x + i) - m);
            second[0] += d;
        }
        first[0] += first[1];
        second[0] += second[1];
        add_run(to, &first[0], &second[0]);
    }
    for (int k = 0; i < n; i++, k++) {
        to->first[k] += (double)dy[i] * ((double)x[i] - (double)mean[k]);
        to->second[k] += (double)dy[i];
    }
}

/* y = (x - mean) * a + b */
LB_NAT_CLONES static void apply(const float *x, float *y, size_t n, const factors *f)
{
    const lb_nat_wide mean = *(const lb_nat_wide *)f->mean;
    const lb_nat_wide a = *(const lb_nat_wide *)f->a, b = *(const lb_nat_wide *)f->b;
    size_t i = 0;

    for (; i + LB_NAT_WIDE <= n; i += LB_NAT_WIDE)
        *(lb_nat_wide *)(y + i) = (*(const lb_nat_wide *)(x + i) - mean) * a + b;
    for (int k = 0; i < n; i++, k++)
        y[i] = (x[i] - f->mean[k]) * f->a[k] + f->b[k];
}

/* dx = a * ((dy - b) - (x - mean) * c) */
LB_NAT_CLONES static void grad_input(const float *x, const float *dy, float *dx, size_t n,
                                     const factors *f)
{
    const lb_nat_wide mean = *(const lb_nat_wide *)f->mean;
    const lb_nat_wide a = *(const lb_nat_wide *)f->a, b = *(const lb_nat_wide *)f->b;
    const lb_nat_wide c = *(const lb_nat_wide *)f->c;
    size_t i = 0;

    for (; i + LB_NAT_WIDE <= n; i += LB_NAT_WIDE)
        *(lb_nat_wide *)(dx + i) = a * ((*(const lb_nat_wide *)(dy + i) - b) -
                                        (*(const lb_nat_wide *)(x + i) - mean) * c);
    for (int k = 0; i < n; i++, k++)
        dx[i] = f->a[k] * ((dy[i] - f->b[k]) - (x[i] - f->mean[k]) * f->c[k]);
}

/* Where sample n's block lies. */
static size_t at(const state *s, int n, int block)
{
    return ((size_t)n * (size_t)s->b.blocks + (size_t)block) * s->b.inner *
           (size_t)s->b.block;
}

static size_t run_length(const state *s)
{
    return s->b.inner * (size_t)s->b.block;
}

/* Lanes of one channel, added. */
static double folded(const state *s, const double *lane, int k)
{
    return s->b.block < LB_NAT_WIDE ? lane[k] + lane[k + s->b.block] : lane[k];
}

static int filled(const state *s, int block)
{
    const int left = s->b.channels - block * s->b.block;

    return left < s->b.block ? left : s->b.block;
}

static void run_stats(const lb_call *call)
{
    const state *const s = call->state;
    const float *const x = call->in[0];
    double *const sum = call->out[0], *const sumsq = call->out[1];

    for (int block = 0; block < s->b.blocks; block++) {
        sums lanes = {{0}, {0}};
        for (int n = 0; n < s->b.n; n++)
            sum_squares(x + at(s, n, block), run_length(s), &lanes);
        for (int k = 0; k < filled(s, block); k++) {
            sum[block * s->b.block + k] = folded(s, lanes.first, k);
            sumsq[block * s->b.block + k] = folded(s, lanes.second, k);
        }
    }
}

static void run_apply(const lb_call *call)
{
    const state *const s = call->state;
    const float *const x = call->in[0];
    float *const y = call->out[0];

    for (int block = 0; block < s->b.blocks; block++) {
        double a[LB_NAT_WIDE], b[LB_NAT_WIDE];
        factors f;
        moments(s, block, call->in[1], call->in[2], &f);
        gather_floats(s, block, call->in[3], a);
        gather_floats(s, block, call->in[4], b);
        for (int k = 0; k < LB_NAT_WIDE; k++) {
            f.a[k] = (float)(a[k] * (double)f.inverse[k]);
            f.b[k] = (float)b[k];
        }
        for (int n = 0; n < s->b.n; n++)
            apply(x + at(s, n, block), y + at(s, n, block), run_length(s), &f);
    }
}

static void run_given(const lb_call *call)
{
    const state *const s = call->state;
    const float *const x = call->in[0];
    float *const y = call->out[0];

    for (int block = 0; block < s->b.blocks; block++) {
        double scale[LB_NAT_WIDE], bias[LB_NAT_WIDE], mean[LB_NAT_WIDE], var[LB_NAT_WIDE];
        factors f;
        gather_floats(s, block, call->in[1], scale);
        gather_floats(s, block, call->in[2], bias);
        gather_floats(s, block, call->in[3], mean);
        gather_floats(s, block, call->in[4], var);
        for (int k = 0; k < LB_NAT_WIDE; k++) {
            f.mean[k] = (float)mean[k];
            f.a[k] = (float)(scale[k] / sqrt(var[k] + s->epsilon));
            f.b[k] = (float)bias[k];
        }
        for (int n = 0; n < s->b.n; n++)
            apply(x + at(s, n, block), y + at(s, n, block), run_length(s), &f);
    }
}

static void run_grad_stats(const lb_call *call)
{
    const state *const s = call->state;
    const float *const x = call->in[0], *const dy = call->in[1];
    float *const dscale = call->out[0], *const dbias = call->out[1];

    for (int block = 0; block < s->b.blocks; block++) {
        sums lanes = {{0}, {0}};
        factors f;
        moments(s, block, call->in[2], call->in[3], &f);
        for (int n = 0; n < s->b.n; n++)
            sum_products(x + at(s, n, block), dy + at(s, n, block), run_length(s), f.mean,
                         &lanes);
        for (int k = 0; k < filled(s, block); k++) {
            const double product = folded(s, lanes.first, k);
            dscale[block * s->b.block + k] = (float)(product * (double)f.inverse[k]);
            dbias[block * s->b.block + k] = (float)folded(s, lanes.second, k);
        }
    }
}

static void run_grad_input(const lb_call *call)
{
    const state *const s = call->state;
    const float *const x = call->in[0], *const dy = call->in[1];
    float *const dx = call->out[0];

    for (int block = 0; block < s->b.blocks; block++) {
        double a[LB_NAT_WIDE], b[LB_NAT_WIDE], c[LB_NAT_WIDE];
        factors f;
        moments(s, block, call->in[2], call->in[3], &f);
        gather_floats(s, block, call->in[4], a);
        gather_floats(s, block, call->in[6], b);
        gather_floats(s, block, call->in[5], c);
        for (int k = 0; k < LB_NAT_WIDE; k++) {
            f.a[k] = (float)(a[k] * (double)f.inverse[k]);
            f.b[k] = (float)(b[k] / s->n);
            f.c[k] = (float)((double)f.inverse[k] * c[k] / s->n);
        }
        for (int n = 0; n < s->b.n; n++)
            grad_input(x + at(s, n, block), dy + at(s, n, block), dx + at(s, n, block),
                       run_length(s), &f);
    }
}

const lb_kernel lb_nat_norm = {.table = "native",
                               .op = "BatchNormalization",
                               .accepts = accepts_given,
                               .create = create,
                               .run = run_given};

const lb_kernel lb_nat_norm_stats = {.table = "native",
                                     .op = "BatchNormStats",
                                     .accepts = accepts_stats,
                                     .create = create,
                                     .run = run_stats};

const lb_kernel lb_nat_norm_apply = {.table = "native",
                                     .op = "BatchNormApply",
                                     .accepts = accepts_apply,
                                     .create = create,
                                     .run = run_apply};

const lb_kernel lb_nat_norm_grad_stats = {.table = "native",
                                          .op = "BatchNormGradStats",
                                          .accepts = accepts_grad_stats,
                                          .create = create,
                                          .run = run_grad_stats};

const lb_kernel lb_nat_norm_grad_input = {.table = "native",
                                          .op = "BatchNormGradInput",
                                          .accepts = accepts_grad_input,
                                          .create = create,
                                          .run = run_grad_input};
