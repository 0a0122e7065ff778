/* qat_write.c: writes one graph from another, node by node. */
#include "compress/qat_int.h"

#include <string.h>

const char *lb_qat_name(const lb_qat *w, lb_value v)
{
    return lb_info(w->from, v)->name;
}

const lb_tensor *lb_qat_old(const lb_qat *w, const lb_node *node, int k)
{
    return k < node->n_in && node->in[k].id ? lb_info(w->from, node->in[k])->tensor
                                            : NULL;
}

const lb_node *lb_qat_maker(const lb_graph *g, lb_value v, const char *op)
{
    const lb_value_info *const info = lb_info(g, v);

    if (info->kind != LB_VALUE_NODE || strcmp(g->nodes[info->node].op->name, op) != 0)
        return NULL;
    return &g->nodes[info->node];
}

static lb_value copy_tensor(lb_qat *w, const lb_value_info *info)
{
    lb_tensor *const t =
        lb_build_tensor(&w->b, info->tensor->dtype, &info->tensor->shape);

    if (!t)
        return (lb_value){0};
    if (t->n)
        memcpy(t->data, info->tensor->data, lb_tensor_bytes(t));
    if (info->kind != LB_VALUE_PARAM)
        return lb_constant(&w->b, info->name, t);
    const lb_value v = lb_param(&w->b, info->name, t);
    if (v.id) {
        w->b.graph->values[v.id].trained = info->trained;
        w->b.graph->values[v.id].no_decay = info->no_decay;
    }
    return v;
}

lb_value lb_qat_to(lb_qat *w, lb_value v)
{
    const lb_value_info *const info = lb_info(w->from, v);

    if (v.id && w->to[v.id].id == 0 && info->tensor)
        w->to[v.id] = copy_tensor(w, info);
    return w->to[v.id];
}

static void copy_node(lb_qat *w, const lb_node *node)
{
    lb_value in[LB_MAX_INPUTS] = {{0}};

    for (int k = 0; k < node->n_in; k++)
        in[k] = lb_qat_to(w, node->in[k]);
    const lb_value first = lb_add_node(&w->b, node->op, node->name, in, node->n_in,
                                       node->attrs, node->n_attrs);
    for (int k = 0; k < node->n_out; k++) {
        const lb_value v = lb_nth(&w->b, first, k);
        lb_rename(&w->b, v, lb_qat_name(w, node->out[k]));
        w->to[node->out[k].id] = v;
    }
}

static void write_all(lb_qat *w, lb_qat_node node)
{
    const lb_graph *const g = w->from;

    for (int i = 0; i < g->n_inputs; i++) {
        const lb_value_info *const info = lb_info(g, g->inputs[i]);
        w->to[g->inputs[i].id] =
            lb_input(&w->b, info->name, info->type.dtype, &info->type.shape);
    }
    for (int i = 0; i < g->n_nodes; i++)
        if (!node(w, &g->nodes[i]))
            copy_node(w, &g->nodes[i]);
    for (int i = 0; i < g->n_outputs; i++)
        lb_output(&w->b, w->to[g->outputs[i].id]);
}

lb_code lb_qat_write(const lb_graph *from, lb_qat_node node, lb_graph **out,
                     lb_error *err)
{
    lb_arena *const scratch = lb_arena_new(0);
    lb_qat w = {.from = from};
    lb_graph *g = NULL;

    if (scratch)
        w.to = LB_TAKE_ARRAY(scratch, from->n_values, lb_value);
    lb_code code = w.to ? lb_graph_new(&g, err)
                        : lb_raise(err, LB_ERR_MEMORY, "no memory to rewrite a network");
    if (code == LB_OK) {
        lb_builder_init(&w.b, g);
        write_all(&w, node);
        code = lb_builder_finish(&w.b, err);
    }
    lb_arena_free(scratch);
    if (code == LB_OK)
        code = lb_graph_check(g, err);
    if (code == LB_OK)
        *out = g;
    else
        lb_graph_free(g);
    return code;
}
