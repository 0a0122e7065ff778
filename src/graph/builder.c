/* builder.c: adding values and nodes, holding the first error. */
#include "graph/builder.h"

#include "graph/graph_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void lb_builder_init(lb_builder *b, lb_graph *graph)
{
    memset(b, 0, sizeof *b);
    b->graph = graph;
}

lb_code lb_builder_finish(lb_builder *b, lb_error *err)
{
    if (b->error.code != LB_OK)
        *err = b->error;
    return b->error.code;
}

static bool failed(const lb_builder *b)
{
    return b->error.code != LB_OK;
}

lb_value lb_build_fail(lb_builder *b, lb_code code, const char *format, ...)
{
    char text[512];
    va_list args;

    if (failed(b))
        return (lb_value){0};
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)!lb_raise(&b->error, code, "%s", text);
    return (lb_value){0};
}

static lb_value no_memory(lb_builder *b)
{
    return lb_build_fail(b, LB_ERR_MEMORY, "no memory for a graph of %d nodes",
                         b->graph->n_nodes);
}

/* A name that no value has yet: the wanted one, or that with a number behind. */
static const char *unique_name(lb_builder *b, const char *wanted)
{
    lb_graph *const g = b->graph;
    char base[200], name[240];

    if (wanted)
        snprintf(base, sizeof base, "%s%s", b->prefix ? b->prefix : "", wanted);
    else
        snprintf(base, sizeof base, "%sv%d", b->prefix ? b->prefix : "", g->n_values);
    if (lb_graph_find(g, base).id == 0)
        return lb_arena_copy_text(g->arena, base);
    for (int i = g->n_values;; i++) {
        snprintf(name, sizeof name, "%s_%d", base, i);
        if (lb_graph_find(g, name).id == 0)
            return lb_arena_copy_text(g->arena, name);
    }
}

static lb_value new_value(lb_builder *b, const char *name, lb_value_kind kind,
                          const lb_type *type)
{
    if (failed(b))
        return (lb_value){0};
    const char *const own = unique_name(b, name);
    const lb_value v =
        own ? lb_graph_new_value(b->graph, own, kind, type) : (lb_value){0};
    return v.id ? v : no_memory(b);
}

lb_value lb_input(lb_builder *b, const char *name, lb_dtype dtype, const lb_shape *shape)
{
    lb_graph *const g = b->graph;
    const lb_type type = {dtype, *shape};
    const lb_value v = new_value(b, name, LB_VALUE_INPUT, &type);

    if (v.id && !lb_graph_append(g, &g->inputs, &g->n_inputs, &g->inputs_capacity, v))
        return no_memory(b);
    return v;
}

static lb_value tensor_value(lb_builder *b, const char *name, lb_value_kind kind,
                             lb_tensor *tensor)
{
    if (failed(b))
        return (lb_value){0};
    if (!tensor)
        return no_memory(b);
    const lb_type type = {tensor->dtype, tensor->shape};
    const lb_value v = new_value(b, name, kind, &type);
    if (v.id)
        b->graph->values[v.id].tensor = tensor;
    return v;
}

lb_value lb_param(lb_builder *b, const char *name, lb_tensor *tensor)
{
    const lb_value v = tensor_value(b, name, LB_VALUE_PARAM, tensor);

    if (v.id)
        b->graph->values[v.id].trained = true;
    return v;
}

lb_value lb_constant(lb_builder *b, const char *name, lb_tensor *tensor)
{
    return tensor_value(b, name, LB_VALUE_CONSTANT, tensor);
}

lb_tensor *lb_build_tensor(lb_builder *b, lb_dtype dtype, const lb_shape *shape)
{
    lb_tensor *tensor = NULL;

    if (failed(b) ||
        lb_tensor_new(b->graph->arena, dtype, shape, &tensor, &b->error) != LB_OK)
        return NULL;
    return tensor;
}

lb_value lb_scalar(lb_builder *b, lb_dtype dtype, double value)
{
    lb_tensor *const tensor = lb_build_tensor(b, dtype, &(lb_shape){0});

    if (!tensor)
        return (lb_value){0};
    lb_tensor_put(tensor, 0, value);
    return lb_constant(b, NULL, tensor);
}

void lb_output(lb_builder *b, lb_value v)
{
    lb_graph *const g = b->graph;

    if (failed(b))
        return;
    if (v.id == 0)
        lb_build_fail(b, LB_ERR_BUG, "internal error: an output that is no value");
    else if (!lb_graph_append(g, &g->outputs, &g->n_outputs, &g->outputs_capacity, v))
        no_memory(b);
}

static bool arity_is_right(lb_builder *b, const lb_op *op, const char *name,
                           const lb_value *in, int n_in)
{
    if (n_in < op->min_in || n_in > op->max_in || n_in > LB_MAX_INPUTS) {
        lb_build_fail(b, LB_ERR_INPUT,
                      "node '%s' (%s): %d to %d inputs are allowed, not %d", name,
                      op->name, op->min_in, op->max_in, n_in);
        return false;
    }
    for (int i = 0; i < n_in; i++)
        if (in[i].id < 0 || in[i].id >= b->graph->n_values ||
            (in[i].id == 0 && i < op->min_in)) {
            lb_build_fail(b, LB_ERR_INPUT, "node '%s' (%s): input %d is missing", name,
                          op->name, i);
            return false;
        }
    return true;
}

/* Adds the outputs' values; false after a failure. */
static bool add_outputs(lb_builder *b, lb_node *node, int index, const char *name,
                        const lb_type *types)
{
    for (int i = 0; i < node->n_out; i++) {
        char own[220];
        snprintf(own, sizeof own, i ? "%s:%d" : "%s", name, i);
        const lb_value v = new_value(b, own, LB_VALUE_NODE, &types[i]);
        if (!v.id)
            return false;
        b->graph->values[v.id].node = index;
        b->graph->values[v.id].output = i;
        node->out[i] = v;
    }
    return true;
}

lb_value lb_add_node(lb_builder *b, const lb_op *op, const char *name, const lb_value *in,
                     int n_in, const lb_attr *attrs, int n_attrs)
{
    lb_graph *const g = b->graph;
    lb_type types[LB_MAX_OUTPUTS] = {0};
    char made_up[64];
    lb_view view;

    if (failed(b))
        return (lb_value){0};
    if (!name) {
        snprintf(made_up, sizeof made_up, "%s_%d", op->name, g->n_nodes);
        name = made_up;
    }
    if (!arity_is_right(b, op, name, in, n_in))
        return (lb_value){0};
    lb_node node = {.op = op, .n_in = n_in, .n_out = op->n_out, .n_attrs = n_attrs};
    for (int i = 0; i < n_in; i++)
        node.in[i] = in[i];
    node.attrs = lb_attrs_copy(g->arena, attrs, n_attrs);
    node.name = unique_name(b, name);
    if (!node.attrs || !node.name ||
        !lb_arena_grow(g->arena, (void **)&g->nodes, &g->nodes_capacity, g->n_nodes,
                       sizeof node))
        return no_memory(b);
    lb_graph_view(g, &node, &view);
    if (op->infer(&view, types, &b->error) != LB_OK) {
        (void)!lb_within(&b->error, "node '%s' (%s)", node.name, op->name);
        return (lb_value){0};
    }
    const int index = g->n_nodes;
    if (!add_outputs(b, &node, index, name, types))
        return (lb_value){0};
    g->nodes[index] = node;
    g->n_nodes++;
    return node.out[0];
}

lb_value lb_nth(const lb_builder *b, lb_value first, int i)
{
    const lb_value_info *const v = lb_info(b->graph, first);

    if (failed(b) || v->kind != LB_VALUE_NODE || i >= b->graph->nodes[v->node].n_out)
        return (lb_value){0};
    return b->graph->nodes[v->node].out[i];
}

void lb_rename(lb_builder *b, lb_value v, const char *name)
{
    if (failed(b) || !v.id || strcmp(lb_info(b->graph, v)->name, name) == 0)
        return;
    const char *const own = unique_name(b, name);
    if (own)
        b->graph->values[v.id].name = own;
    if (!own || !lb_graph_index(b->graph, v.id))
        no_memory(b);
}

const char *lb_name(const lb_builder *b, lb_value v)
{
    return lb_info(b->graph, v)->name;
}

lb_type lb_type_of(const lb_builder *b, lb_value v)
{
    return lb_info(b->graph, v)->type;
}

int lb_rank(const lb_builder *b, lb_value v)
{
    return lb_info(b->graph, v)->type.shape.rank;
}

int lb_dim(const lb_builder *b, lb_value v, int axis)
{
    const lb_shape *const shape = &lb_info(b->graph, v)->type.shape;

    return axis >= 0 && axis < shape->rank ? shape->dim[axis] : 1;
}
