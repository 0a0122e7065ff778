/* fold.c: constant folding: nodes that can run now are run now, by their reference
 * kernels. */
#include "graph/passes.h"

#include <assert.h>
#include <string.h>

/* True if the node's value is known before any run. */
static bool is_foldable(const lb_graph *g, const lb_node *node)
{
    if (!node->op->run || (node->op->flags & LB_OP_UPDATE))
        return false;
    for (int k = 0; k < node->n_out; k++)
        if (lb_type_batched(&lb_info(g, node->out[k])->type))
            return false;
    if (node->op->flags & LB_OP_SHAPE_ONLY)
        return true;
    for (int k = 0; k < node->n_in; k++) {
        const lb_value_info *const v = lb_info(g, node->in[k]);
        if (v->kind != LB_VALUE_NONE && v->kind != LB_VALUE_CONSTANT)
            return false;
    }
    return true;
}

/* Widens the inputs into `call`; buffers live in `scratch`. */
static bool widen_inputs(const lb_graph *g, const lb_node *node, lb_arena *scratch,
                         lb_ref_call *call)
{
    for (int k = 0; k < node->n_in; k++) {
        const lb_value_info *const v = lb_info(g, node->in[k]);
        call->in_type[k] = v->type;
        if (v->kind != LB_VALUE_CONSTANT)
            continue;
        double *const wide = LB_TAKE_ARRAY(scratch, v->tensor->n + 1, double);
        if (!wide)
            return false;
        lb_widen(v->tensor->dtype, v->tensor->data, v->tensor->n, wide);
        call->in[k] = wide;
    }
    return true;
}

static lb_code run_node(lb_graph *g, const lb_node *node, lb_arena *scratch,
                        lb_tensor **result, lb_error *err)
{
    lb_ref_call call = {
        .node = node, .n_in = node->n_in, .n_out = node->n_out, .batch = 1};

    if (!widen_inputs(g, node, scratch, &call))
        return lb_raise(err, LB_ERR_MEMORY, "no memory to fold node '%s'", node->name);
    for (int k = 0; k < node->n_out; k++) {
        const lb_type *const t = &lb_info(g, node->out[k])->type;
        LB_TRY(lb_tensor_new(g->arena, t->dtype, &t->shape, &result[k], err));
        call.out_type[k] = *t;
        call.out[k] = LB_TAKE_ARRAY(scratch, result[k]->n + 1, double);
        if (!call.out[k])
            return lb_raise(err, LB_ERR_MEMORY, "no memory to fold node '%s'",
                            node->name);
    }
    node->op->run(&call);
    for (int k = 0; k < node->n_out; k++) {
        assert(result[k]); /* made in the loop before */
        lb_narrow(result[k]->dtype, call.out[k], result[k]->n, result[k]->data);
    }
    return LB_OK;
}

static bool result_is_small(const lb_graph *g, const lb_node *node, size_t most)
{
    for (int k = 0; k < node->n_out; k++) {
        const lb_type *const t = &lb_info(g, node->out[k])->type;
        size_t n;
        if (!lb_shape_count(&t->shape, &n) || n > most / sizeof(double))
            return false;
    }
    return true;
}

/* The inferred types of later nodes may sharpen once their inputs are constants. */
static lb_code infer_again(lb_graph *g, lb_node *node, lb_error *err)
{
    lb_type types[LB_MAX_OUTPUTS] = {0};
    lb_view view;

    lb_graph_view(g, node, &view);
    if (node->op->infer(&view, types, err) != LB_OK)
        return lb_within(err, "node '%s' (%s)", node->name, node->op->name);
    for (int k = 0; k < node->n_out; k++)
        g->values[node->out[k].id].type = types[k];
    return LB_OK;
}

static lb_code fold_node(lb_graph *g, const lb_node *node, lb_error *err)
{
    lb_tensor *result[LB_MAX_OUTPUTS] = {NULL};
    lb_arena *const scratch = lb_arena_new(0);

    if (!scratch)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to fold node '%s'", node->name);
    const lb_code code = run_node(g, node, scratch, result, err);
    lb_arena_free(scratch);
    for (int k = 0; code == LB_OK && k < node->n_out; k++) {
        lb_value_info *const v = &g->values[node->out[k].id];
        v->kind = LB_VALUE_CONSTANT;
        v->tensor = result[k];
        v->node = -1;
    }
    return code;
}

lb_code lb_fold_constants(lb_graph *g, size_t most, lb_error *err)
{
    int kept = 0;

    for (int i = 0; i < g->n_nodes; i++) {
        lb_node node = g->nodes[i];
        LB_TRY(infer_again(g, &node, err));
        if (is_foldable(g, &node) && result_is_small(g, &node, most)) {
            LB_TRY(fold_node(g, &node, err));
            continue;
        }
        for (int k = 0; k < node.n_out; k++)
            g->values[node.out[k].id].node = kept;
        g->nodes[kept++] = node;
    }
    g->n_nodes = kept;
    return LB_OK;
}

/* A file may describe a product of constants that would run for hours. */
static bool is_quick(const lb_graph *g, const lb_node *node)
{
    lb_type types[LB_MAX_OUTPUTS];
    lb_view view;

    if (!node->op->cost)
        return true;
    lb_graph_view(g, node, &view);
    lb_graph_out_types(g, node, types);
    return node->op->cost(&view, types).macs < 1e9;
}

lb_code lb_fold_last(lb_graph *g, size_t most, lb_error *err)
{
    if (g->n_nodes == 0)
        return LB_OK;
    const lb_node node = g->nodes[g->n_nodes - 1];
    if (node.op->flags & LB_OP_QUANTISES)
        return LB_OK; /* how weights are stored is to be seen */
    if (!is_foldable(g, &node) || !result_is_small(g, &node, most) || !is_quick(g, &node))
        return LB_OK;
    LB_TRY(fold_node(g, &node, err));
    g->n_nodes--;
    return LB_OK;
}
