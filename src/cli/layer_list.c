/* layer_list.c: the layers of a network. */
#include "cli/layer_list.h"

#include <string.h>

static bool is_op(const lb_node *node, const char *name)
{
    return strcmp(node->op->name, name) == 0;
}

/* Elements of a parameter, stored as it is or as integers behind a DequantizeLinear. */
static size_t parameters_of(const lb_graph *g, lb_value v)
{
    const lb_value_info *const info = lb_info(g, v);

    if (info->kind == LB_VALUE_PARAM)
        return info->tensor->n;
    if (info->kind != LB_VALUE_NODE)
        return 0;
    const lb_node *const node = &g->nodes[info->node];
    const lb_tensor *const stored = lb_info(g, node->in[0])->tensor;
    return is_op(node, "DequantizeLinear") && stored ? stored->n : 0;
}

static void fill_layer(const lb_graph *g, const lb_node *node, lb_layer_row *l)
{
    lb_type out[LB_MAX_OUTPUTS] = {0};
    lb_view view;

    for (int k = 0; k < node->n_out; k++)
        out[k] = lb_info(g, node->out[k])->type;
    lb_graph_view(g, node, &view);
    l->name = node->name;
    l->op = node->op->name;
    l->output = lb_info(g, node->out[0])->name;
    l->shape = out[0].shape;
    l->macs = node->op->cost ? node->op->cost(&view, out).macs : 0;
    for (int k = 0; k < node->n_in; k++)
        l->parameters += parameters_of(g, node->in[k]);
}

lb_code lb_layer_list_fill(const lb_graph *g, lb_arena *arena, lb_layer_list *out,
                           lb_error *err)
{
    out->n = 0;
    out->row = LB_TAKE_ARRAY(arena, g->n_nodes + 1, lb_layer_row);
    if (!out->row)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for %d layers", g->n_nodes);
    out->parameters = lb_graph_parameters(g);
    for (int i = 0; i < g->n_nodes; i++) {
        const lb_node *const node = &g->nodes[i];
        if (is_op(node, "DequantizeLinear"))
            out->parameters += parameters_of(g, node->out[0]);
        if (!is_op(node, "DequantizeLinear") && !is_op(node, "QuantizeLinear"))
            fill_layer(g, node, &out->row[out->n++]);
    }
    return LB_OK;
}

void lb_layer_list_json(lb_json *json, const lb_layer_list *list)
{
    lb_json_open(json, "layers", '[');
    for (int i = 0; i < list->n; i++) {
        const lb_layer_row *const l = &list->row[i];
        lb_json_open(json, NULL, '{');
        lb_json_text(json, "name", l->name);
        lb_json_text(json, "op", l->op);
        lb_json_text(json, "output", l->output);
        lb_json_open(json, "shape", '[');
        for (int d = 0; d < l->shape.rank; d++)
            if (l->shape.dim[d] == LB_BATCH)
                lb_json_null(json, NULL);
            else
                lb_json_int(json, NULL, l->shape.dim[d]);
        lb_json_close(json, ']');
        lb_json_int(json, "parameters", (int64_t)l->parameters);
        lb_json_number(json, "macs", l->macs);
        lb_json_close(json, '}');
    }
    lb_json_close(json, ']');
}
