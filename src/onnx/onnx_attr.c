/* onnx_attr.c: attributes of nodes, from the file's form to the graph's. */
#include "onnx/onnx_int.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const lb_attr *lb_onnx_attr(const lb_onnx_node *node, const char *name)
{
    for (int i = 0; i < node->n_attrs; i++)
        if (strcmp(node->attr[i].name, name) == 0)
            return &node->attr[i];
    return NULL;
}

int64_t lb_onnx_attr_int(const lb_onnx_node *node, const char *name, int64_t usual)
{
    const lb_attr *const a = lb_onnx_attr(node, name);

    return a && a->kind == LB_ATTR_INT ? a->i : usual;
}

void lb_onnx_attr_drop(lb_onnx_node *node, const char *name)
{
    int kept = 0;

    for (int i = 0; i < node->n_attrs; i++)
        if (strcmp(node->attr[i].name, name) != 0)
            node->attr[kept++] = node->attr[i];
    node->n_attrs = kept;
}

void lb_onnx_attr_set(lb_onnx_node *node, lb_attr attr)
{
    for (int i = 0; i < node->n_attrs; i++)
        if (strcmp(node->attr[i].name, attr.name) == 0) {
            node->attr[i] = attr;
            return;
        }
    if (node->n_attrs < LB_ONNX_MAX_ATTRS)
        node->attr[node->n_attrs++] = attr;
}

/* Files hold float32. The double meant is the shortest decimal that gives this float:
 * 1e-5 stays 1e-5, so that a graph survives export and import unchanged. */
static double meant(float f)
{
    char text[32];

    for (int digits = 1; digits < 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)f);
        const double d = strtod(text, NULL);
        if ((float)d == f)
            return d;
    }
    return f;
}

static Onnx__AttributeProto__AttributeType kind_of(const Onnx__AttributeProto *a)
{
    if (a->has_type && a->type != ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED)
        return a->type;
    if (a->has_i)
        return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
    if (a->has_f)
        return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
    if (a->has_s)
        return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING;
    if (a->t)
        return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR;
    if (a->n_floats)
        return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS;
    return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
}

static void read_floats(lb_onnx_reader *r, lb_onnx_node *node,
                        const Onnx__AttributeProto *a, lb_attr *out)
{
    double *const values = LB_TAKE_ARRAY(r->scratch, a->n_floats + 1, double);

    for (size_t i = 0; values && i < a->n_floats; i++)
        values[i] = meant(a->floats[i]);
    if (!values)
        lb_onnx_refuse(r, node, "no memory for attribute '%s'", a->name);
    out->floats = values;
    out->n = values ? (int)a->n_floats : 0;
}

static void read_tensor(lb_onnx_reader *r, lb_onnx_node *node,
                        const Onnx__AttributeProto *a, lb_attr *out)
{
    char what[LB_ONNX_MAX_ATTR_TEXT + 16];
    lb_tensor *tensor = NULL;
    lb_error err = {0};

    snprintf(what, sizeof what, "attribute '%.*s'", (int)LB_ONNX_MAX_ATTR_TEXT, a->name);
    if (!a->t)
        lb_onnx_refuse(r, node, "%s is empty", what);
    else if (lb_onnx_tensor_in(a->t, what, r->b.graph->arena, &tensor, &err) != LB_OK)
        lb_onnx_refuse(r, node, "%s", err.text);
    out->tensor = tensor;
}

static void read_attr(lb_onnx_reader *r, lb_onnx_node *node,
                      const Onnx__AttributeProto *a, lb_attr *out)
{
    *out = (lb_attr){.name = a->name};
    switch ((int)kind_of(a)) {
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT:
        out->kind = LB_ATTR_INT;
        out->i = a->i;
        return;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT:
        out->kind = LB_ATTR_FLOAT;
        out->f = meant(a->f);
        return;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING:
        out->kind = LB_ATTR_TEXT;
        out->text = lb_arena_copy_chars(r->scratch, (const char *)a->s.data, a->s.len);
        if (!out->text)
            lb_onnx_refuse(r, node, "no memory for attribute '%s'", a->name);
        return;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS:
        out->kind = LB_ATTR_INTS;
        out->ints = a->ints;
        out->n = (int)a->n_ints;
        return;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS:
        out->kind = LB_ATTR_FLOATS;
        read_floats(r, node, a, out);
        return;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR:
        out->kind = LB_ATTR_TENSOR;
        read_tensor(r, node, a, out);
        return;
    default:
        lb_onnx_refuse(r, node, "attribute '%s' is of a kind that is not supported (%d)",
                       a->name, (int)kind_of(a));
    }
}

void lb_onnx_attrs_in(lb_onnx_reader *r, lb_onnx_node *node)
{
    const Onnx__NodeProto *const proto = node->proto;

    for (size_t i = 0; i < proto->n_attribute && !node->refused; i++) {
        const Onnx__AttributeProto *const a = proto->attribute[i];
        if (!a->name || !*a->name)
            lb_onnx_refuse(r, node, "an attribute has no name");
        else if (a->n_ints > INT_MAX / 16 || a->n_floats > INT_MAX / 16 ||
                 node->n_attrs == LB_ONNX_MAX_ATTRS)
            lb_onnx_refuse(r, node, "too many attributes");
        else
            read_attr(r, node, a, &node->attr[node->n_attrs++]);
    }
}
