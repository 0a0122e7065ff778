/* nat_norm.c: batch norm over the batch at hand, in the blocked layout. The formulas are
 * in ops/op_norm_train.c. Sums run in float over a row of at most RUN positions for each
 * lane, then in double. */
#include "engine/native/nat_util.h"

#include <math.h>
#include <string.h>

enum { RUN = 64 };

typedef struct state {
    lb_nat_dims d;
    double n; /* elements of a channel in the whole batch */
    double epsilon;
} state;

static bool accepts(lb_ask *ask, int n_maps)
{
    for (int k = 0; k < n_maps; k++) {
        if (!lb_nat_blockable(ask, k))
            return false;
        ask->want_in[k] = LB_BLOCKED;
    }
    for (int k = n_maps; k < ask->n_in; k++)
        if (ask->in_layout[k] != LB_PLAIN)
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

/* A plain map (an image) is left to the reference: it would only be blocked for this. */
static bool accepts_given(lb_ask *ask)
{
    if (!lb_nat_blockable(ask, 0) || ask->in_layout[0] != LB_BLOCKED)
        return false;
    return accepts_apply(ask);
}

static bool accepts_grad_stats(lb_ask *ask)
{
    return accepts(ask, 2);
}

static bool accepts_grad_input(lb_ask *ask)
{
    ask->out_layout[0] = LB_BLOCKED;
    return accepts(ask, 2);
}

static lb_code create(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    state s = {.d = lb_nat_dims_of(ask, &ask->in[0]),
               .epsilon = lb_attr_float(ask->node, "epsilon", 1e-5)};

    s.n = (double)ask->batch * s.d.inner;
    return lb_nat_keep(arena, &s, sizeof s, out, err);
}

/* sum += a, product += a * b over n positions of B lanes. */
#define SUMS(B) \
    LB_CLONES \
    static void sums_##B(const float *restrict a, const float *restrict b, int n, \
                         double *restrict sum, double *restrict product) \
    { \
        for (int first = 0; first < n; first += RUN) { \
            const int end = first + RUN < n ? first + RUN : n; \
            float s[B] = {0}, p[B] = {0}; \
            for (int i = first; i < end; i++) \
                for (int l = 0; l < B; l++) { \
                    s[l] += a[i * B + l]; \
                    p[l] += a[i * B + l] * b[i * B + l]; \
                } \
            for (int l = 0; l < B; l++) { \
                sum[l] += (double)s[l]; \
                product[l] += (double)p[l]; \
            } \
        } \
    }
SUMS(8)
SUMS(16)

/* The sums of one block of channels over all samples of the group. */
static void sum_block(const lb_nat_dims *d, const float *a, const float *b, int block,
                      double *sum, double *product)
{
    const size_t map = (size_t)d->inner * (size_t)d->block;

    memset(sum, 0, LB_MOST_BLOCK * sizeof *sum);
    memset(product, 0, LB_MOST_BLOCK * sizeof *product);
    for (int n = 0; n < d->samples; n++) {
        const size_t at = ((size_t)n * (size_t)d->blocks + (size_t)block) * map;
        if (d->block == 16)
            sums_16(a + at, b + at, d->inner, sum, product);
        else
            sums_8(a + at, b + at, d->inner, sum, product);
    }
}

static int lanes_of(const lb_nat_dims *d, int block)
{
    const int left = d->channels - block * d->block;

    return left < d->block ? left : d->block;
}

static void run_stats(const lb_call *call)
{
    const state *const s = call->state;
    double *const out_sum = call->out[0], *const out_square = call->out[1];

    for (int k = 0; k < s->d.blocks; k++) {
        double sum[LB_MOST_BLOCK], square[LB_MOST_BLOCK];
        sum_block(&s->d, call->in[0], call->in[0], k, sum, square);
        for (int l = 0; l < lanes_of(&s->d, k); l++) {
            out_sum[k * s->d.block + l] = sum[l];
            out_square[k * s->d.block + l] = square[l];
        }
    }
}

static void moments(const state *s, const double *sum, const double *square, int c,
                    double *mean, double *inverse)
{
    *mean = sum[c] / s->n;
    const double var = square[c] / s->n - *mean * *mean;
    *inverse = 1 / sqrt((var > 0 ? var : 0) + s->epsilon);
}

/* y = a x + b over n positions of B lanes. */
#define AFFINE(B) \
    LB_CLONES \
    static void affine_##B(const float *x, int n, const float *restrict a, \
                           const float *restrict b, float *y) \
    { \
        float ga[B], gb[B]; \
        memcpy(ga, a, sizeof ga); \
        memcpy(gb, b, sizeof gb); \
        for (int i = 0; i < n; i++) \
            for (int l = 0; l < B; l++) \
                y[i * B + l] = x[i * B + l] * ga[l] + gb[l]; \
    }
AFFINE(8)
AFFINE(16)

/* One a and b for each channel of every map. */
static void affine(const lb_nat_dims *d, int block, const float *a, const float *b,
                   const float *x, float *y)
{
    const size_t map = (size_t)d->inner * (size_t)d->block;

    for (int n = 0; n < d->samples; n++) {
        const size_t at = ((size_t)n * (size_t)d->blocks + (size_t)block) * map;
        if (d->block == 16)
            affine_16(x + at, d->inner, a, b, y + at);
        else
            affine_8(x + at, d->inner, a, b, y + at);
    }
}

/* Inference form: mean and variance are given. */
static void run_given(const lb_call *call)
{
    const state *const s = call->state;
    const float *const scale = call->in[1], *const bias = call->in[2];
    const float *const mean = call->in[3], *const var = call->in[4];

    for (int k = 0; k < s->d.blocks; k++) {
        float a[LB_MOST_BLOCK] = {0}, b[LB_MOST_BLOCK] = {0};
        for (int l = 0; l < lanes_of(&s->d, k); l++) {
            const int c = k * s->d.block + l;
            const double slope = (double)scale[c] / sqrt((double)var[c] + s->epsilon);
            a[l] = (float)slope;
            b[l] = (float)((double)bias[c] - (double)mean[c] * slope);
        }
        affine(&s->d, k, a, b, call->in[0], call->out[0]);
    }
}

static void run_apply(const lb_call *call)
{
    const state *const s = call->state;
    const lb_nat_dims *const d = &s->d;
    const float *const scale = call->in[3], *const bias = call->in[4];

    for (int k = 0; k < d->blocks; k++) {
        float a[LB_MOST_BLOCK] = {0}, b[LB_MOST_BLOCK] = {0};
        for (int l = 0; l < lanes_of(d, k); l++) {
            const int c = k * d->block + l;
            double mean, inverse;
            moments(s, call->in[1], call->in[2], c, &mean, &inverse);
            a[l] = (float)((double)scale[c] * inverse);
            b[l] = (float)((double)bias[c] - mean * inverse * (double)scale[c]);
        }
        affine(d, k, a, b, call->in[0], call->out[0]);
    }
}

/* sum dy * xhat = (sum dy * x - mean * sum dy) * inverse. */
static void run_grad_stats(const lb_call *call)
{
    const state *const s = call->state;
    const lb_nat_dims *const d = &s->d;
    float *const dscale = call->out[0], *const dbias = call->out[1];

    for (int k = 0; k < d->blocks; k++) {
        double sum[LB_MOST_BLOCK], product[LB_MOST_BLOCK];
        sum_block(d, call->in[1], call->in[0], k, sum, product);
        for (int l = 0; l < lanes_of(d, k); l++) {
            const int c = k * d->block + l;
            double mean, inverse;
            moments(s, call->in[2], call->in[3], c, &mean, &inverse);
            dscale[c] = (float)((product[l] - mean * sum[l]) * inverse);
            dbias[c] = (float)sum[l];
        }
    }
}

/* dx = a dy + b x + c over n positions of B lanes. */
#define COMBINE(B) \
    LB_CLONES \
    static void combine_##B(const float *restrict x, const float *restrict dy, int n, \
                            const float *restrict a, const float *restrict b, \
                            const float *restrict c, float *restrict dx) \
    { \
        float ga[B], gb[B], gc[B]; \
        memcpy(ga, a, sizeof ga); \
        memcpy(gb, b, sizeof gb); \
        memcpy(gc, c, sizeof gc); \
        for (int i = 0; i < n; i++) \
            for (int l = 0; l < B; l++) \
                dx[i * B + l] = dy[i * B + l] * ga[l] + (x[i * B + l] * gb[l] + gc[l]); \
    }
COMBINE(8)
COMBINE(16)

typedef struct blend {
    float a[LB_MOST_BLOCK], b[LB_MOST_BLOCK], c[LB_MOST_BLOCK];
} blend;

/* dx = scale * inverse * (dy - (dbias + (x - mean) * inverse * dscale) / n), as one
 * combination of dy, x and 1. */
static void blend_of(const state *s, const lb_call *call, int c, int lane, blend *out)
{
    const float *const scale = call->in[4];
    const double dscale = (double)((const float *)call->in[5])[c];
    const double dbias = (double)((const float *)call->in[6])[c];
    double mean, inverse;

    moments(s, call->in[2], call->in[3], c, &mean, &inverse);
    const double a = (double)scale[c] * inverse;
    const double b = -a * inverse * dscale / s->n;
    out->a[lane] = (float)a;
    out->b[lane] = (float)b;
    out->c[lane] = (float)(-a * dbias / s->n - b * mean);
}

static void run_grad_input(const lb_call *call)
{
    const state *const s = call->state;
    const lb_nat_dims *const d = &s->d;
    const float *const x = call->in[0], *const dy = call->in[1];
    const size_t map = (size_t)d->inner * (size_t)d->block;
    float *const dx = call->out[0];

    for (int k = 0; k < d->blocks; k++) {
        blend g = {{0}, {0}, {0}};
        for (int l = 0; l < lanes_of(d, k); l++)
            blend_of(s, call, k * d->block + l, l, &g);
        for (int n = 0; n < d->samples; n++) {
            const size_t at = ((size_t)n * (size_t)d->blocks + (size_t)k) * map;
            if (d->block == 16)
                combine_16(x + at, dy + at, d->inner, g.a, g.b, g.c, dx + at);
            else
                combine_8(x + at, dy + at, d->inner, g.a, g.b, g.c, dx + at);
        }
    }
}

#define ROW(symbol, operator, accept, function) \
    const lb_kernel lb_nat_##symbol = {.table = "native", \
                                       .op = operator, \
                                       .accepts = accept, \
                                       .create = create, \
                                       .run = function}

ROW(norm, "BatchNormalization", accepts_given, run_given);
ROW(norm_stats, "BatchNormStats", accepts_stats, run_stats);
ROW(norm_apply, "BatchNormApply", accepts_apply, run_apply);
ROW(norm_grad_stats, "BatchNormGradStats", accepts_grad_stats, run_grad_stats);
ROW(norm_grad_input, "BatchNormGradInput", accepts_grad_input, run_grad_input);
