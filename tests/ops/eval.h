/* eval.h: runs a graph by its operators' reference kernels, as the engine would: nodes
 * with batched operands once for each group of samples, shares added in group order. */
#ifndef LB_TESTS_OPS_EVAL_H
#define LB_TESTS_OPS_EVAL_H

#include "base/rng.h"
#include "ops/ops.h"

#include "check.h"

#include "graph/graph.h"

typedef struct eval {
    const lb_graph *g;
    lb_arena *arena;
    double **value;
    int batch, group; /* samples in all, and at hand in one call */
} eval;

static inline lb_type eval_type(const eval *e, lb_value v, int samples)
{
    lb_type type = lb_info(e->g, v)->type;

    (void)e;
    type.shape = lb_shape_bind(&type.shape, samples);
    return type;
}

static inline size_t eval_count(const eval *e, lb_value v)
{
    const lb_type type = eval_type(e, v, e->batch);
    size_t n = 0;

    return lb_shape_count(&type.shape, &n) ? n : 0;
}

static inline void eval_begin(eval *e, const lb_graph *g, int batch, int group)
{
    *e = (eval){.g = g, .arena = lb_arena_new(0), .batch = batch, .group = group};
    e->value = LB_TAKE_ARRAY(e->arena, g->n_values, double *);
    for (int i = 1; i < g->n_values; i++) {
        const lb_value v = {i};
        const lb_tensor *const t = lb_info(g, v)->tensor;
        e->value[i] = LB_TAKE_ARRAY(e->arena, eval_count(e, v) + 1, double);
        if (t)
            lb_widen(t->dtype, t->data, t->n, e->value[i]);
    }
}

static inline void eval_end(eval *e)
{
    lb_arena_free(e->arena);
}

static inline void eval_random(eval *e, lb_value v, uint64_t seed, double low,
                               double high)
{
    lb_rng rng = lb_rng_make(seed, LB_RNG_TEST, (uint64_t)v.id, 0);
    const size_t n = eval_count(e, v);

    for (size_t i = 0; i < n; i++)
        e->value[v.id][i] = low + (high - low) * lb_rng_uniform(&rng);
}

/* The samples from `first` on of a batched value, or all of another one. */
static inline double *eval_at(const eval *e, lb_value v, int first)
{
    const bool batched = lb_type_batched(&lb_info(e->g, v)->type);
    const size_t sample = eval_count(e, v) / (size_t)e->batch;

    return e->value[v.id] + (batched ? (size_t)first * sample : 0);
}

/* Runs a node over samples first..first+n-1; shares are added to what is there. */
static inline void eval_group(const eval *e, const lb_node *node, int first, int n)
{
    const bool update = (node->op->flags & LB_OP_UPDATE) != 0;
    lb_ref_call call = {.node = node,
                        .n_in = node->n_in,
                        .n_out = node->n_out,
                        .batch = e->batch,
                        .first = first};
    double *share[LB_MAX_OUTPUTS] = {NULL};

    for (int k = 0; k < node->n_in; k++) {
        if (!node->in[k].id)
            continue;
        call.in_type[k] = eval_type(e, node->in[k], n);
        call.batched_in[k] = lb_type_batched(&lb_info(e->g, node->in[k])->type);
        call.in[k] = eval_at(e, node->in[k], first);
    }
    for (int k = 0; k < node->n_out; k++) {
        const size_t count = eval_count(e, node->out[k]);
        call.out_type[k] = eval_type(e, node->out[k], n);
        call.out[k] = eval_at(e, node->out[k], first);
        if (update && call.in[k])
            memcpy(call.out[k], call.in[k], count * sizeof(double));
        else if (!lb_type_batched(&lb_info(e->g, node->out[k])->type))
            call.out[k] = share[k] = lb_heap_take((count + 1) * sizeof(double));
    }
    node->op->run(&call);
    for (int k = 0; k < node->n_out; k++) {
        const size_t count = eval_count(e, node->out[k]);
        for (size_t i = 0; share[k] && i < count; i++)
            e->value[node->out[k].id][i] =
                share[k][i] + (first ? e->value[node->out[k].id][i] : 0);
        lb_heap_give(share[k]);
        if (update)
            memcpy(e->value[node->in[k].id], call.out[k], count * sizeof(double));
    }
}

static inline void eval_run(const eval *e)
{
    for (int i = 0; i < e->g->n_nodes; i++) {
        const lb_node *const node = &e->g->nodes[i];
        bool batched = false;
        for (int k = 0; k < node->n_in; k++)
            batched = batched || lb_type_batched(&lb_info(e->g, node->in[k])->type);
        for (int k = 0; k < node->n_out; k++)
            batched = batched || lb_type_batched(&lb_info(e->g, node->out[k])->type);
        const int step = batched ? e->group : e->batch;
        for (int first = 0; first < e->batch; first += step) {
            const int left = e->batch - first;
            eval_group(e, node, first, left < step ? left : step);
        }
    }
}

#endif
