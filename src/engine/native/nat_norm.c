/* nat_norm.c: batch norm over blocked values, in training form and with given moments;
 * the formulas stand in ops/op_norm_train.c, op_norm_fused.c and op_norm.c.
 *
 * Channels of the padding get factors of zero, so that it stays zero. */
#include "engine/native/nat_util.h"
#include "engine/simd/simd_table.h"

#include <math.h>

typedef struct state {
    lb_nat_blocks b;
    double n, epsilon; /* n: elements of a channel in the whole batch */
    const lb_simd *simd;
    lb_norm sizes;
} state;

typedef struct sums {
    double of[2 * LB_NAT_WIDE]; /* [2][block] */
} sums;

/* The first n_maps inputs are maps, then come n_sums sums in doubles, then floats; from
 * input `maps_again` on there are maps again. */
static bool accepts(lb_ask *ask, int n_maps, int n_sums, int maps_again)
{
    float low, high;
    const bool clips = lb_nat_clip_of(ask->node, &low, &high);

    for (int k = 0; k < ask->n_in; k++) {
        const bool map = k < n_maps || k >= maps_again;
        const bool sum = !map && k < n_maps + n_sums;
        if (ask->has_in[k] && ask->in[k].dtype != (sum ? LB_F64 : LB_F32))
            return false;
        if (ask->has_in[k] && map && !lb_nat_can_block(ask, k))
            return false;
        if (map)
            ask->want_in[k] = LB_BLOCKED;
    }
    return lb_simd_best()->block == ask->block &&
           (!clips || ask->in[0].shape.dim[1] % ask->block == 0 ||
            (low <= 0 && high >= 0));
}

static bool accepts_stats(lb_ask *ask)
{
    return accepts(ask, 1, 0, LB_MAX_INPUTS);
}

static bool accepts_apply(lb_ask *ask)
{
    ask->out_layout[0] = LB_BLOCKED;
    ask->in_place = true;
    return accepts(ask, 1, 2, 5);
}

/* Given moments. A plain map is left alone: it would only be blocked for this. */
static bool accepts_given(lb_ask *ask)
{
    if (ask->in_layout[0] != LB_BLOCKED)
        return false;
    ask->out_layout[0] = LB_BLOCKED;
    ask->in_place = true;
    return accepts(ask, 1, 0, LB_MAX_INPUTS);
}

static bool accepts_grad_stats(lb_ask *ask)
{
    return accepts(ask, 2, 2, LB_MAX_INPUTS);
}

static bool accepts_grad_join(lb_ask *ask)
{
    ask->out_layout[0] = LB_BLOCKED;
    ask->in_place = true;
    return accepts(ask, 2, 2, 4);
}

static bool accepts_grad_input(lb_ask *ask)
{
    ask->out_layout[0] = LB_BLOCKED;
    ask->in_place = true;
    return accepts(ask, 2, 2, LB_MAX_INPUTS);
}

static lb_code create(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    state *const s = LB_TAKE(arena, state);

    if (!s)
        return lb_nat_no_memory(err);
    s->b = lb_nat_blocks_of(&ask->in[0].shape, ask->block);
    s->n = (double)ask->batch * (double)s->b.inner;
    s->epsilon = lb_attr_float(ask->node, "epsilon", 1e-5);
    s->simd = lb_simd_best();
    s->sizes = (lb_norm){.n = s->b.n, .pixels = s->b.inner};
    s->sizes.stride = (size_t)s->b.blocks * s->b.inner * (size_t)s->b.block;
    s->sizes.clips = lb_nat_clip_of(ask->node, &s->sizes.low, &s->sizes.high);
    *out = s;
    return LB_OK;
}

static int filled(const state *s, int block)
{
    const int left = s->b.channels - block * s->b.block;

    return left < s->b.block ? left : s->b.block;
}

/* Where the first sample's block lies. */
static size_t at(const state *s, int block)
{
    return (size_t)block * s->b.inner * (size_t)s->b.block;
}

/* The part of channels that belongs to a block. */
static const float *part(const state *s, int block, const float *from)
{
    return from + block * s->b.block;
}

/* Mean, scale and shift of a block's channels from sums over the batch; 1 / deviation as
 * well. bias may be NULL. */
static void moments(const state *s, int block, const double *sum, const double *sumsq,
                    const float *scale, const float *bias, lb_norm_factors *f,
                    double *inverse)
{
    const int first = block * s->b.block, n = filled(s, block);
    const double share = 1 / s->n;

    memset(f, 0, sizeof *f);
    for (int k = 0; k < n; k++) {
        const double mean = sum[first + k] * share;
        const double var = sumsq[first + k] * share - mean * mean;
        inverse[k] = 1 / sqrt((var > 0 ? var : 0) + s->epsilon);
        f->mean[k] = (float)mean;
    }
    for (int k = 0; scale && k < n; k++)
        f->scale[k] = (float)((double)scale[first + k] * (double)(float)inverse[k]);
    for (int k = 0; bias && k < n; k++)
        f->shift[k] = bias[first + k];
}

static void run_stats(const lb_call *call)
{
    const state *const s = call->state;
    double *const sum = call->out[0], *const sumsq = call->out[1];

    for (int block = 0; block < s->b.blocks; block++) {
        sums lanes = {{0}};
        s->simd->norm_sums(&s->sizes, (const float *)call->in[0] + at(s, block),
                           lanes.of);
        for (int k = 0; k < filled(s, block); k++) {
            sum[block * s->b.block + k] = lanes.of[k];
            sumsq[block * s->b.block + k] = lanes.of[s->b.block + k];
        }
    }
}

static void run_apply(const lb_call *call)
{
    const state *const s = call->state;
    const float *const z = call->in[5];
    double inverse[LB_NAT_WIDE];
    lb_norm_factors f;

    for (int block = 0; block < s->b.blocks; block++) {
        const size_t to = at(s, block);
        moments(s, block, call->in[1], call->in[2], call->in[3], call->in[4], &f,
                inverse);
        s->simd->norm_apply(&s->sizes, &f, (const float *)call->in[0] + to,
                            z ? z + to : NULL, (float *)call->out[0] + to);
    }
}

static void run_given(const lb_call *call)
{
    const state *const s = call->state;

    for (int block = 0; block < s->b.blocks; block++) {
        const float *const scale = part(s, block, call->in[1]);
        const float *const bias = part(s, block, call->in[2]);
        const float *const mean = part(s, block, call->in[3]);
        const float *const var = part(s, block, call->in[4]);
        lb_norm_factors f;
        memset(&f, 0, sizeof f);
        for (int k = 0; k < filled(s, block); k++) {
            f.mean[k] = mean[k];
            f.scale[k] = (float)((double)scale[k] / sqrt((double)var[k] + s->epsilon));
            f.shift[k] = bias[k];
        }
        s->simd->norm_apply(&s->sizes, &f, (const float *)call->in[0] + at(s, block),
                            NULL, (float *)call->out[0] + at(s, block));
    }
}

static void put_sums(const state *s, int block, const sums *lanes, const double *inverse,
                     float *dscale, float *dbias)
{
    for (int k = 0; k < filled(s, block); k++) {
        const int c = block * s->b.block + k;
        dscale[c] = (float)(lanes->of[k] * inverse[k]);
        dbias[c] = (float)lanes->of[s->b.block + k];
    }
}

static void run_grad_stats(const lb_call *call)
{
    const state *const s = call->state;
    double inverse[LB_NAT_WIDE];
    lb_norm_factors f;

    for (int block = 0; block < s->b.blocks; block++) {
        sums lanes = {{0}};
        moments(s, block, call->in[2], call->in[3], call->in[4], call->in[5], &f,
                inverse);
        s->simd->norm_grad_sums(&s->sizes, &f, (const float *)call->in[0] + at(s, block),
                                (const float *)call->in[1] + at(s, block), lanes.of);
        put_sums(s, block, &lanes, inverse, call->out[0], call->out[1]);
    }
}

static void run_grad_join(const lb_call *call)
{
    const state *const s = call->state;
    const float *const y = s->sizes.clips ? call->in[4] : NULL;
    const float *const more = call->in[5];
    double inverse[LB_NAT_WIDE];
    lb_norm_factors f;

    for (int block = 0; block < s->b.blocks; block++) {
        const size_t to = at(s, block);
        const lb_norm_join from = {(const float *)call->in[0] + to,
                                   more ? more + to : NULL, y ? y + to : NULL};
        sums lanes = {{0}};
        moments(s, block, call->in[2], call->in[3], NULL, NULL, &f, inverse);
        s->simd->norm_grad_join(&s->sizes, &f, (const float *)call->in[1] + to, &from,
                                (float *)call->out[0] + to, lanes.of);
        put_sums(s, block, &lanes, inverse, call->out[1], call->out[2]);
    }
}

static void run_grad_input(const lb_call *call)
{
    const state *const s = call->state;
    double inverse[LB_NAT_WIDE];
    lb_norm_factors f;

    for (int block = 0; block < s->b.blocks; block++) {
        const float *const dscale = part(s, block, call->in[5]);
        const float *const dbias = part(s, block, call->in[6]);
        const size_t to = at(s, block);
        moments(s, block, call->in[2], call->in[3], call->in[4], call->in[7], &f,
                inverse);
        for (int k = 0; k < filled(s, block); k++) {
            f.dshift[k] = (float)((double)dbias[k] / s->n);
            f.dscale[k] = (float)(inverse[k] * (double)dscale[k] / s->n);
        }
        s->simd->norm_grad_input(&s->sizes, &f, (const float *)call->in[0] + to,
                                 (const float *)call->in[1] + to,
                                 (float *)call->out[0] + to);
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

const lb_kernel lb_nat_norm_fused = {.table = "native",
                                     .op = "FusedBatchNorm",
                                     .accepts = accepts_apply,
                                     .create = create,
                                     .run = run_apply};

const lb_kernel lb_nat_norm_grad_stats = {.table = "native",
                                          .op = "BatchNormGradStats",
                                          .accepts = accepts_grad_stats,
                                          .create = create,
                                          .run = run_grad_stats};

const lb_kernel lb_nat_norm_grad_join = {.table = "native",
                                         .op = "BatchNormGradJoin",
                                         .accepts = accepts_grad_join,
                                         .create = create,
                                         .run = run_grad_join};

const lb_kernel lb_nat_norm_grad_input = {.table = "native",
                                          .op = "BatchNormGradInput",
                                          .accepts = accepts_grad_input,
                                          .create = create,
                                          .run = run_grad_input};
