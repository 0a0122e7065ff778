/* dump.c: a graph as text, one node a line:
 *
 *     conv1 [N,16,28,28] = Conv(input, conv1.w) kernel_shape=3,3 pads=1,1,1,1 */
#include "graph/graph.h"

#include "base/text.h"

static void add_attr(lb_text *text, const lb_attr *a)
{
    lb_text_add(text, " %s=", a->name);
    switch (a->kind) {
    case LB_ATTR_INT:
        lb_text_add(text, "%lld", (long long)a->i);
        break;
    case LB_ATTR_FLOAT:
        lb_text_add(text, "%.9g", a->f);
        break;
    case LB_ATTR_TEXT:
        lb_text_add(text, "%s", a->text);
        break;
    case LB_ATTR_INTS:
        for (int i = 0; i < a->n; i++)
            lb_text_add(text, i ? ",%lld" : "%lld", (long long)a->ints[i]);
        break;
    case LB_ATTR_FLOATS:
        for (int i = 0; i < a->n; i++)
            lb_text_add(text, i ? ",%.9g" : "%.9g", a->floats[i]);
        break;
    case LB_ATTR_TENSOR:
        lb_text_add(text, "tensor");
        break;
    }
}

static void add_value(lb_text *text, const lb_value_info *v)
{
    char shape[LB_SHAPE_TEXT];

    lb_text_add(text, "%s %s", v->name, lb_shape_text(&v->type.shape, shape));
    if (v->type.dtype != LB_F32)
        lb_text_add(text, " %s", lb_dtype_name(v->type.dtype));
}

static void add_node(lb_text *text, const lb_graph *g, const lb_node *node)
{
    for (int k = 0; k < node->n_out; k++) {
        if (k)
            lb_text_add(text, ", ");
        add_value(text, lb_info(g, node->out[k]));
    }
    lb_text_add(text, " = %s(", node->op->name);
    for (int k = 0; k < node->n_in; k++)
        lb_text_add(text, k ? ", %s" : "%s", lb_info(g, node->in[k])->name);
    lb_text_add(text, ")");
    for (int k = 0; k < node->n_attrs; k++)
        add_attr(text, &node->attrs[k]);
    lb_text_add(text, "\n");
}

const char *lb_graph_dump(const lb_graph *g, lb_arena *arena)
{
    lb_text text;

    lb_text_init(&text, arena);
    for (int i = 0; i < g->n_inputs; i++) {
        lb_text_add(&text, "input ");
        add_value(&text, lb_info(g, g->inputs[i]));
        lb_text_add(&text, "\n");
    }
    for (int i = 1; i < g->n_values; i++) {
        const lb_value_info *const v = &g->values[i];
        if (v->kind != LB_VALUE_PARAM && v->kind != LB_VALUE_CONSTANT)
            continue;
        lb_text_add(&text, v->kind == LB_VALUE_PARAM ? "param " : "constant ");
        add_value(&text, v);
        lb_text_add(&text, v->kind == LB_VALUE_PARAM && !v->trained ? " state\n" : "\n");
    }
    for (int i = 0; i < g->n_nodes; i++)
        add_node(&text, g, &g->nodes[i]);
    for (int i = 0; i < g->n_outputs; i++)
        lb_text_add(&text, "output %s\n", lb_info(g, g->outputs[i])->name);
    return text.failed ? NULL : text.chars;
}
