/* prune_nets.h: networks in which channels hang together in all the ways that pruning
 * knows, and what it means to cut them. */
#ifndef LB_TESTS_COMPRESS_PRUNE_NETS_H
#define LB_TESTS_COMPRESS_PRUNE_NETS_H

#include "check.h"

#include "compress/prune.h"
#include "engine/plan.h"

#include "device/device.h"
#include "lower/lower.h"
#include "lower/nets.h"
#include "models/model.h"
#include "ops/ops.h"

static inline lb_value pn_block(lb_builder *b, lb_value x, uint64_t seed, int m, int k,
                                int stride, int group)
{
    x = net_conv(b, x, seed, m, k, stride, group);
    x = net_norm(b, x, seed + 10);
    return lb_relu(b, x, NULL);
}

/* An inverted residual of MobileNetV2 (Sandler et al., 2018). */
static inline lb_value pn_inverted(lb_builder *b, lb_value x, uint64_t seed)
{
    const int c = lb_dim(b, x, 1);
    lb_value y = pn_block(b, x, seed, 3 * c, 1, 1, 1);

    y = pn_block(b, y, seed + 20, 3 * c, 3, 1, 3 * c);
    y = net_conv(b, y, seed + 40, c, 1, 1, 1);
    y = net_norm(b, y, seed + 50);
    return lb_add(b, x, y);
}

static inline lb_value pn_build_mobilenet(lb_builder *b, lb_value x)
{
    x = pn_block(b, x, 100, 6, 3, 2, 1);
    x = pn_inverted(b, x, 200);
    x = pn_block(b, x, 300, 12, 3, 1, 6); /* depthwise, two filters a channel */
    x = pn_inverted(b, x, 400);
    x = lb_global_average_pool(b, x, NULL);
    x = lb_flatten(b, x, NULL);
    return net_dense(b, x, 500, 5);
}

/* Branches that are joined, each with its own channels; then a flatten of a plane. */
static inline lb_value pn_build_inception(lb_builder *b, lb_value x)
{
    x = pn_block(b, x, 600, 5, 3, 1, 1);
    const lb_value p = pn_block(b, x, 700, 4, 1, 1, 1),
                   q = pn_block(b, x, 800, 6, 3, 1, 1);
    const lb_value r =
        lb_max_pool(b, x, &(lb_window){.n = 2, .kernel = {1, 1}, .stride = {1, 1}}, NULL);
    const lb_value all[] = {p, q, r};
    x = lb_concat(b, all, 3, 1);
    const lb_value s = pn_block(b, x, 900, 15, 1, 1, 1);
    x = lb_add(b, s, x);
    x = pn_block(b, x, 1000, 4, 3, 2, 1);
    x = lb_flatten(b, x, NULL);
    x = net_dense(b, x, 1100, 9);
    x = lb_relu(b, x, NULL);
    return net_dense(b, x, 1200, 4);
}

static inline lb_value pn_slice(lb_builder *b, lb_value x, int64_t start, int64_t end)
{
    const int64_t at[3] = {start, end, 1};
    const lb_shape one = lb_shape_of(1, 1);
    lb_value in[4] = {x};
    lb_error err;

    for (int i = 0; i < 3; i++) {
        lb_tensor *t = NULL;
        if (lb_tensor_new(b->graph->arena, LB_I64, &one, &t, &err) != LB_OK)
            return (lb_value){0};
        *(int64_t *)t->data = at[i];
        in[i + 1] = lb_constant(b, NULL, t);
    }
    return lb_add_node(b, lb_op_find("Slice"), NULL, in, 4, NULL, 0);
}

/* Channels that are halved and shuffled (ShuffleNetV2, Ma et al., 2018), convolutions in
 * groups, and a gate for each channel (Hu et al., 2018). */
static inline lb_value pn_build_shuffle(lb_builder *b, lb_value x)
{
    x = pn_block(b, x, 1300, 12, 3, 2, 1);
    const int h = lb_dim(b, x, 2), w = lb_dim(b, x, 3);
    const lb_value left = pn_slice(b, x, 0, 6), right = pn_slice(b, x, -6, INT64_MAX);
    const lb_value moved = pn_block(b, right, 1400, 6, 3, 1, 2);
    const lb_value both[] = {left, moved};
    x = lb_concat(b, both, 2, 1);
    const lb_shape split = lb_shape_of(5, (int)LB_BATCH, 2, 6, h, w);
    const lb_shape join = lb_shape_of(4, (int)LB_BATCH, 12, h, w);
    const int perm[] = {0, 2, 1, 3, 4};
    x = lb_reshape(b, x, &split);
    x = lb_transpose(b, x, perm, 5);
    x = lb_reshape(b, x, &join);
    lb_value gate = lb_global_average_pool(b, x, NULL);
    gate = net_conv(b, gate, 1500, 4, 1, 1, 1);
    gate = lb_relu(b, gate, NULL);
    gate = net_conv(b, gate, 1600, 12, 1, 1, 1);
    gate = lb_sigmoid(b, gate);
    x = lb_mul(b, x, gate);
    x = net_conv(b, x, 1700, 8, 3, 1, 4);
    const int axes[] = {2, 3};
    x = lb_reduce_mean(b, x, axes, 2, false);
    return net_dense(b, x, 1800, 3);
}

/* A decoder that widens again, and attention-like products of two maps. */
static inline lb_value pn_build_decoder(lb_builder *b, lb_value x)
{
    const lb_window two = {.n = 2, .kernel = {2, 2}, .stride = {2, 2}};
    const lb_shape shape = lb_shape_of(4, 8, 6, 2, 2);
    const int extra[2] = {0}, twice[2] = {2, 2};

    x = pn_block(b, x, 1900, 8, 3, 2, 1);
    const lb_value w = lb_param(b, NULL, net_random(b, 2000, &shape, 0.5));
    const lb_value bias = net_vector(b, 2001, 6);
    lb_value y = lb_conv_transpose(b, x, w, bias, &two, extra, NULL);
    y = lb_relu(b, y, NULL);
    lb_value z = net_conv(b, x, 2100, 6, 1, 1, 1);
    z = lb_resize(b, z, twice, NULL);
    z = lb_max(b, y, z);
    z = net_conv(b, z, 2200, 4, 3, 2, 1);
    const lb_shape rows =
        lb_shape_of(3, (int)LB_BATCH, 4, lb_dim(b, z, 2) * lb_dim(b, z, 3));
    const int swap[] = {0, 2, 1};
    const lb_value flat = lb_reshape(b, z, &rows);
    const lb_value across = lb_transpose(b, flat, swap, 3);
    const lb_value gram = lb_matmul(b, across, flat);
    x = lb_flatten(b, gram, NULL);
    return net_dense(b, x, 2300, 4);
}

/* Two maps of one size, at random: norms, activations, sums, joins, depthwise filters. */
static inline lb_value pn_build_random(lb_builder *b, lb_value x, uint64_t seed)
{
    lb_rng rng = lb_rng_make(seed, LB_RNG_TEST, 1, 0);
    lb_value pool[12];
    int n = 0;

    pool[n++] = pn_block(b, x, seed * 10000, 8, 3, 2, 1);
    pool[n++] = net_conv(b, x, seed * 10000 + 50, 8, 3, 2, 1);
    for (int i = 0; n < 12; i++) {
        const lb_value p = pool[lb_rng_below(&rng, (uint64_t)n)];
        const lb_value q = pool[lb_rng_below(&rng, (uint64_t)n)];
        const uint64_t s = seed * 10000 + 100 * (uint64_t)(i + 1);
        const int c = lb_dim(b, p, 1);
        const lb_value both[] = {p, q};
        switch (lb_rng_below(&rng, 8)) {
        case 0:
            pool[n++] = pn_block(b, p, s, 8, 1, 1, 1);
            break;
        case 1:
            pool[n++] = net_conv(b, p, s, c, 3, 1, c);
            break;
        case 2:
            pool[n++] = net_norm(b, p, s);
            break;
        case 3:
            if (lb_dim(b, q, 1) == c)
                pool[n++] = lb_add(b, p, q);
            break;
        case 4:
            if (c + lb_dim(b, q, 1) <= 32)
                pool[n++] = lb_concat(b, both, 2, 1);
            break;
        case 5:
            if (c % 4 == 0)
                pool[n++] = net_conv(b, p, s, 8, 3, 1, 4);
            break;
        case 6:
            pool[n++] = lb_relu(b, p, NULL);
            break;
        default:
            pool[n++] = pn_slice(b, p, c / 4, c);
            break;
        }
    }
    x = lb_concat(b, &pool[6], 6, 1);
    x = lb_global_average_pool(b, x, NULL);
    x = lb_flatten(b, x, NULL);
    return net_dense(b, x, seed + 1, 4);
}

/* Whatever a unit that goes stands for becomes 0 in all parameters. */
static inline void pn_silence(const lb_graph *g, const lb_prune_map *map,
                              const bool *gone)
{
    for (int v = 1; v < g->n_values; v++) {
        lb_tensor *const t = g->values[v].tensor;
        if (!t || g->values[v].kind != LB_VALUE_PARAM)
            continue;
        for (int k = 0; k < t->shape.rank; k++) {
            const int *const unit = lb_prune_units(map, v, k);
            size_t inner = 1;
            for (int i = k + 1; i < t->shape.rank; i++)
                inner *= (size_t)t->shape.dim[i];
            for (size_t e = 0; unit && e < t->n; e++) {
                const int u = unit[e / inner % (size_t)t->shape.dim[k]];
                if (u >= 0 && gone[u])
                    lb_tensor_put(t, e, 0);
            }
        }
    }
}

/* The first outputs of both graphs on the same input: the worst difference over the
 * scale. */
static inline double pn_difference(const lb_graph *a, const lb_graph *b)
{
    const lb_plan_options options = {.batch = 2, .kernels = LB_KERNELS_REFERENCE};
    const lb_graph *const g[2] = {a, b};
    const lb_shape in = lb_shape_bind(&lb_info(a, a->inputs[0])->type.shape, 1);
    const lb_shape out = lb_shape_bind(&lb_info(a, a->outputs[0])->type.shape, 1);
    lb_plan *plan[2] = {NULL};
    double worst = 0, scale = 0;
    size_t n_in = 0, n_out = 0;
    lb_pool *pool = NULL;
    lb_error err = {0};

    CHECK(lb_shape_count(&in, &n_in) && lb_shape_count(&out, &n_out));
    CHECK_OK(lb_pool_new(1, &pool, &err), &err);
    for (int k = 0; k < 2; k++) {
        CHECK_OK(lb_plan_compile(g[k], pool, &options, &plan[k], &err), &err);
        if (!plan[k])
            return 1;
        for (int s = 0; s < 2; s++) {
            lb_rng rng = lb_rng_make(5, LB_RNG_TEST, (uint64_t)s, 0);
            float *const x = lb_plan_input(plan[k], g[k]->inputs[0], s);
            for (size_t i = 0; i < n_in; i++)
                x[i] = (float)(2 * lb_rng_uniform(&rng) - 1);
        }
        lb_plan_run(plan[k]);
    }
    for (int s = 0; s < 2; s++) {
        const float *const y = lb_plan_output(plan[0], a->outputs[0], s);
        const float *const z = lb_plan_output(plan[1], b->outputs[0], s);
        for (size_t i = 0; i < n_out; i++) {
            worst = fmax(worst, fabs((double)y[i] - (double)z[i]));
            scale = fmax(scale, fabs((double)y[i]));
        }
    }
    CHECK(scale > 1e-4);
    lb_plan_free(plan[0]);
    lb_plan_free(plan[1]);
    lb_pool_free(pool);
    return worst / scale;
}

/* A built-in network whose norms do something. */
static inline lb_graph *pn_model(const char *name, double width, int depth)
{
    const lb_model_options options = {
        .input = lb_shape_of(3, 3, 16, 16), .classes = 5, .width = width, .depth = depth};
    lb_graph *g = NULL;
    lb_error err = {0};

    CHECK_OK(lb_model_build(lb_model_find(name), &options, 3, &g, &err), &err);
    for (int i = 1; g && i < g->n_values; i++) {
        lb_rng rng = lb_rng_make(9, LB_RNG_TEST, (uint64_t)i, 0);
        if (g->values[i].kind == LB_VALUE_PARAM && g->values[i].type.shape.rank == 1)
            for (size_t k = 0; k < g->values[i].tensor->n; k++)
                lb_tensor_put(g->values[i].tensor, k, 0.5 + lb_rng_uniform(&rng));
    }
    return g;
}

/* Where the scores say nothing, those go that cost the named device most cycles. goal:
 * all but the device. gone: room for the choice. */
static inline void pn_check_device_counts(const lb_graph *g, const lb_prune_map *map,
                                          const double *score, lb_prune_goal goal,
                                          bool *gone, lb_arena *arena)
{
    double cycles[2] = {0};
    lb_error err = {0};

    for (int way = 0; way < 2; way++) {
        lb_graph *small = NULL;
        lb_low *low = NULL;
        goal.device = way ? lb_device_find("stm32l4r5") : NULL;
        CHECK_OK(lb_prune_choose(g, map, score, &goal, gone, &err), &err);
        CHECK_OK(lb_prune_cut(g, map, gone, &small, &err), &err);
        CHECK_OK(lb_lower(small, arena, &low, &err), &err);
        for (int i = 0; low && i < low->n_steps; i++)
            cycles[way] +=
                lb_device_step_cycles(&low->step[i], lb_device_find("stm32l4r5")).mid;
        lb_graph_free(small);
    }
    CHECK(cycles[1] < 0.95 * cycles[0]);
}

#endif
