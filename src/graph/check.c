/* check.c: is a graph well formed? */
#include "graph/graph.h"

static lb_code check_inputs(const lb_graph *g, int index, const bool *known,
                            lb_error *err)
{
    const lb_node *const node = &g->nodes[index];

    if (node->n_in < node->op->min_in || node->n_in > node->op->max_in)
        return lb_bug(err, "node '%s' (%s) has %d inputs", node->name, node->op->name,
                      node->n_in);
    for (int k = 0; k < node->n_in; k++) {
        const int id = node->in[k].id;
        if (id < 0 || id >= g->n_values)
            return lb_bug(err, "node '%s': input %d is value %d", node->name, k, id);
        if (id != 0 && !known[id])
            return lb_bug(err, "node '%s' runs before its input '%s' is known",
                          node->name, g->values[id].name);
    }
    return LB_OK;
}

static lb_code check_outputs(const lb_graph *g, int index, bool *known, lb_error *err)
{
    const lb_node *const node = &g->nodes[index];

    for (int k = 0; k < node->n_out; k++) {
        const lb_value_info *const v = lb_info(g, node->out[k]);
        if (v->kind != LB_VALUE_NODE || v->node != index || v->output != k)
            return lb_bug(err, "node '%s': output %d does not point back", node->name, k);
        known[node->out[k].id] = true;
    }
    return LB_OK;
}

static lb_code check_types(const lb_graph *g, const lb_node *node, lb_error *err)
{
    lb_type types[LB_MAX_OUTPUTS] = {0};
    lb_view view;

    lb_graph_view(g, node, &view);
    if (node->op->infer(&view, types, err) != LB_OK)
        return lb_within(err, "node '%s' (%s)", node->name, node->op->name);
    for (int k = 0; k < node->n_out; k++) {
        const lb_type *const t = &lb_info(g, node->out[k])->type;
        char is[LB_SHAPE_TEXT], should[LB_SHAPE_TEXT];
        if (t->dtype != types[k].dtype || !lb_shape_equal(&t->shape, &types[k].shape))
            return lb_bug(err, "node '%s' (%s): output %d is %s %s, not %s %s",
                          node->name, node->op->name, k, lb_dtype_name(t->dtype),
                          lb_shape_text(&t->shape, is), lb_dtype_name(types[k].dtype),
                          lb_shape_text(&types[k].shape, should));
    }
    return LB_OK;
}

static lb_code check_values(const lb_graph *g, bool *known, lb_error *err)
{
    for (int i = 1; i < g->n_values; i++) {
        const lb_value_info *const v = &g->values[i];
        const bool stored = v->kind == LB_VALUE_PARAM || v->kind == LB_VALUE_CONSTANT;
        if (stored && !v->tensor)
            return lb_bug(err, "value '%s' has no tensor", v->name);
        if (stored && (v->tensor->dtype != v->type.dtype ||
                       !lb_shape_equal(&v->tensor->shape, &v->type.shape)))
            return lb_bug(err, "value '%s' is not of its tensor's type", v->name);
        known[i] = stored || v->kind == LB_VALUE_INPUT;
    }
    return LB_OK;
}

lb_code lb_graph_check(const lb_graph *g, lb_error *err)
{
    lb_code code = LB_OK;
    bool *const known = lb_heap_take((size_t)g->n_values * sizeof *known);

    if (!known)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to check a graph");
    code = check_values(g, known, err);
    for (int i = 0; code == LB_OK && i < g->n_nodes; i++) {
        code = check_inputs(g, i, known, err);
        if (code == LB_OK)
            code = check_outputs(g, i, known, err);
        if (code == LB_OK)
            code = check_types(g, &g->nodes[i], err);
    }
    for (int i = 0; code == LB_OK && i < g->n_outputs; i++)
        if (!known[g->outputs[i].id])
            code = lb_bug(err, "output '%s' is never computed",
                          lb_info(g, g->outputs[i])->name);
    lb_heap_give(known);
    return code;
}
