/* rewrite.c: what the passes of ops/ share: reordering nodes, handing over values. */
#include "ops/rewrite_int.h"

bool lb_order_add(lb_order *order, lb_arena *arena, int node)
{
    if (!lb_arena_grow(arena, (void **)&order->node, &order->capacity, order->n,
                       sizeof *order->node))
        return false;
    order->node[order->n++] = node;
    return true;
}

lb_code lb_order_apply(lb_graph *g, const lb_order *order, lb_error *err)
{
    lb_node *const nodes = LB_TAKE_ARRAY(g->arena, order->n ? order->n : 1, lb_node);

    if (!nodes)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to rewrite a graph of %d nodes",
                        g->n_nodes);
    for (int i = 1; i < g->n_values; i++)
        g->values[i].node = -1;
    for (int i = 0; i < order->n; i++) {
        nodes[i] = g->nodes[order->node[i]];
        for (int k = 0; k < nodes[i].n_out; k++)
            g->values[nodes[i].out[k].id].node = i;
    }
    for (int i = 1; i < g->n_values; i++)
        if (g->values[i].kind == LB_VALUE_NODE && g->values[i].node < 0)
            g->values[i].kind = LB_VALUE_NONE;
    g->nodes = nodes;
    g->n_nodes = order->n;
    g->nodes_capacity = order->n ? order->n : 1;
    return LB_OK;
}

void lb_take_over_output(lb_graph *g, int k, lb_value v)
{
    lb_node *const node = &g->nodes[g->n_nodes - 1];

    g->values[node->out[k].id].kind = LB_VALUE_NONE;
    g->values[v.id].output = k;
    node->out[k] = v;
}

void lb_take_over(lb_graph *g, lb_value v)
{
    lb_take_over_output(g, 0, v);
}

lb_use *lb_uses_of(const lb_graph *g)
{
    lb_use *const use = LB_TAKE_ARRAY(g->arena, g->n_values, lb_use);

    for (int i = 0; use && i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i].n_in; k++) {
            use[g->nodes[i].in[k].id].n++;
            use[g->nodes[i].in[k].id].node = i;
        }
    for (int i = 0; use && i < g->n_outputs; i++) {
        use[g->outputs[i].id].n++;
        use[g->outputs[i].id].node = -1;
    }
    return use;
}

const lb_tensor *lb_channel_tensor(const lb_graph *g, lb_value v, int channels)
{
    const lb_tensor *const t = lb_info(g, v)->tensor;

    return t && t->n == (size_t)channels && t->shape.rank == 1 ? t : NULL;
}
