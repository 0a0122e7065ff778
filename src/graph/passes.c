/* passes.c: dead code, uses, precision. */
#include "graph/passes.h"

#include <string.h>

static void mark_node(const lb_node *node, bool *live)
{
    bool wanted = (node->op->flags & LB_OP_UPDATE) != 0;

    for (int k = 0; k < node->n_out; k++)
        wanted = wanted || live[node->out[k].id];
    if (!wanted)
        return;
    for (int k = 0; k < node->n_in; k++)
        live[node->in[k].id] = true;
    for (int k = 0; k < node->n_out; k++)
        live[node->out[k].id] = true;
}

lb_code lb_remove_dead(lb_graph *g, lb_error *err)
{
    bool *const live = lb_heap_take((size_t)g->n_values * sizeof *live);
    int kept = 0;

    if (!live)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for dead code removal");
    for (int i = 0; i < g->n_outputs; i++)
        live[g->outputs[i].id] = true;
    for (int i = g->n_nodes - 1; i >= 0; i--)
        mark_node(&g->nodes[i], live);
    for (int i = 0; i < g->n_nodes; i++) {
        const lb_node node = g->nodes[i];
        bool wanted = false;
        for (int k = 0; k < node.n_out; k++)
            wanted = wanted || live[node.out[k].id];
        if (!wanted)
            continue;
        for (int k = 0; k < node.n_out; k++)
            g->values[node.out[k].id].node = kept;
        g->nodes[kept++] = node;
    }
    g->n_nodes = kept;
    for (int i = 1; i < g->n_values; i++) {
        lb_value_info *const v = &g->values[i];
        if (live[i] || v->kind == LB_VALUE_INPUT || v->kind == LB_VALUE_NONE)
            continue;
        v->kind = LB_VALUE_NONE;
        v->tensor = NULL;
        v->node = -1;
    }
    lb_heap_give(live);
    return LB_OK;
}

/* Marks what the outputs depend on, updates left aside. */
static void mark_taught(const lb_graph *g, bool *live)
{
    for (int i = 0; i < g->n_outputs; i++)
        live[g->outputs[i].id] = true;
    for (int i = g->n_nodes - 1; i >= 0; i--) {
        const lb_node *const node = &g->nodes[i];
        bool wanted = false;
        for (int k = 0; k < node->n_out; k++)
            wanted = wanted || live[node->out[k].id];
        for (int k = 0; wanted && k < node->n_in; k++)
            live[node->in[k].id] = true;
    }
}

static bool is_untaught(const lb_graph *g, const lb_node *node, const bool *live)
{
    if (!(node->op->flags & LB_OP_UPDATE))
        return false;
    for (int k = 0; k < node->n_in; k++)
        if (lb_info(g, node->in[k])->kind == LB_VALUE_NODE && live[node->in[k].id])
            return false;
    return true;
}

/* live: what keeps an update; NULL: nothing does. */
static lb_code remove_updates(lb_graph *g, const bool *live, lb_error *err)
{
    int kept = 0;

    for (int i = 0; i < g->n_nodes; i++) {
        const lb_node node = g->nodes[i];
        const bool goes =
            live ? is_untaught(g, &node, live) : (node.op->flags & LB_OP_UPDATE) != 0;
        for (int k = 0; k < node.n_out; k++) {
            g->values[node.out[k].id].node = goes ? -1 : kept;
            if (goes)
                g->values[node.out[k].id].kind = LB_VALUE_NONE;
        }
        if (!goes)
            g->nodes[kept++] = node;
    }
    g->n_nodes = kept;
    return lb_remove_dead(g, err);
}

lb_code lb_remove_untaught(lb_graph *g, lb_error *err)
{
    bool *const live = lb_heap_take((size_t)g->n_values * sizeof *live);

    if (!live)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for dead code removal");
    mark_taught(g, live);
    const lb_code code = remove_updates(g, live, err);
    lb_heap_give(live);
    return code;
}

lb_code lb_remove_updates(lb_graph *g, lb_error *err)
{
    return remove_updates(g, NULL, err);
}

int lb_count_uses(const lb_graph *g, lb_value v)
{
    int n = 0;

    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i].n_in; k++)
            n += g->nodes[i].in[k].id == v.id;
    for (int i = 0; i < g->n_outputs; i++)
        n += g->outputs[i].id == v.id;
    return n;
}

static lb_code cast_value(lb_graph *g, lb_value_info *v, lb_dtype dtype, lb_error *err)
{
    const lb_tensor *const old = v->tensor;

    if (lb_dtype_is_float(v->type.dtype))
        v->type.dtype = dtype;
    if (!old)
        return LB_OK;
    return lb_tensor_cast(g->arena, old,
                          lb_dtype_is_float(old->dtype) ? dtype : old->dtype, &v->tensor,
                          err);
}

lb_code lb_graph_with_precision(const lb_graph *from, lb_dtype dtype, lb_graph **out,
                                lb_error *err)
{
    lb_graph *to = NULL;
    lb_code code = LB_OK;

    LB_TRY(lb_graph_clone(from, &to, err));
    for (int i = 1; code == LB_OK && i < to->n_values; i++)
        code = cast_value(to, &to->values[i], dtype, err);
    if (code != LB_OK) {
        lb_graph_free(to);
        return code;
    }
    *out = to;
    return LB_OK;
}
