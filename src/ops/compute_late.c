/* compute_late.c: what the backward pass reads of norms is computed anew there.
 *
 * A norm's result, with or without an activation behind it, is one pass over the norm's
 * input, which the backward pass needs anyway. Kept, it would be half of a network's
 * activations; computed when it is wanted it stays in the cache. */
#include "ops/rewrite_int.h"

#include "ops/op_util.h"

typedef struct pass {
    lb_graph *graph;
    lb_builder builder;
    lb_order order;
    lb_value *copy; /* of each value that there was, once it has been made */
    bool enough;    /* memory */
} pass;

static const lb_node *maker_of(const lb_graph *g, lb_value v)
{
    const lb_value_info *const info = lb_info(g, v);

    return info->kind == LB_VALUE_NODE ? &g->nodes[info->node] : NULL;
}

static bool is_norm(const lb_node *node)
{
    if (!node)
        return false;
    /* a residual would have to be computed anew, too */
    return node->op == &lb_op_BatchNormApply ||
           (node->op == &lb_op_FusedBatchNorm && (node->n_in < 6 || node->in[5].id == 0));
}

/* A norm's result, also behind an activation. */
static bool is_cheap(const lb_graph *g, lb_value v)
{
    const lb_node *const node = maker_of(g, v);

    return is_norm(node) ||
           (node && (node->op == &lb_op_Relu || node->op == &lb_op_Clip) &&
            is_norm(maker_of(g, node->in[0])));
}

static lb_value late_copy(pass *p, lb_value v)
{
    if (p->copy[v.id].id)
        return p->copy[v.id];
    lb_node node = p->graph->nodes[lb_info(p->graph, v)->node];
    if (is_cheap(p->graph, node.in[0]))
        node.in[0] = late_copy(p, node.in[0]);
    const lb_value w = lb_add_node(&p->builder, node.op, NULL, node.in, node.n_in,
                                   node.attrs, node.n_attrs);
    if (w.id == 0)
        return v;
    p->graph->nodes[p->graph->n_nodes - 1].late = true;
    p->enough =
        p->enough && lb_order_add(&p->order, p->graph->arena, p->graph->n_nodes - 1);
    p->copy[v.id] = w;
    return w;
}

lb_code lb_compute_late(lb_graph *g, lb_value loss, lb_error *err)
{
    const int n = g->n_nodes, n_values = g->n_values, first = lb_info(g, loss)->node + 1;
    pass p = {.graph = g, .copy = LB_TAKE_ARRAY(g->arena, n_values, lb_value)};

    p.enough = p.copy != NULL;
    lb_builder_init(&p.builder, g);
    p.builder.prefix = "late/";
    for (int i = 0; p.enough && i < n; i++) {
        for (int k = 0; i >= first && k < g->nodes[i].n_in; k++) {
            const lb_value v = g->nodes[i].in[k];
            if (!is_cheap(g, v) || lb_info(g, v)->node >= first)
                continue;
            const lb_value w = late_copy(&p, v);
            g->nodes[i].in[k] = w;
        }
        p.enough = p.enough && lb_order_add(&p.order, g->arena, i);
    }
    LB_TRY(lb_builder_finish(&p.builder, err));
    if (!p.enough)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to compute norms late");
    return lb_order_apply(g, &p.order, err);
}
