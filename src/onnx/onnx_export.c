/* onnx_export.c: a graph as an ONNX file (opset 17, IR 8).
 *
 * The graph's operators are ONNX's, so nodes go out as they are. Params and constants
 * become initialisers with raw data, in the order of their numbers, so that an import
 * gives the same graph again. The batch is the symbolic dimension N. */
#include "onnx/onnx.h"

#include "base/file.h"
#include "onnx/onnx_int.h"

#include <limits.h>
#include <string.h>

enum { OPSET = 17, IR = 8 };

/* Everything is built in one arena; a failed take is asked for once, at the end. */
typedef struct writer {
    lb_arena *arena;
    const lb_graph *graph;
    bool failed;
} writer;

static void *take(writer *w, size_t n, size_t size)
{
    void *const p = lb_arena_take_array(w->arena, n ? n : 1, size);

    w->failed = w->failed || !p;
    return p;
}

static char *text(writer *w, const char *from)
{
    char *const copy = lb_arena_copy_text(w->arena, from);

    w->failed = w->failed || !copy;
    return copy;
}

static Onnx__TensorProto *tensor_out(writer *w, const lb_tensor *t, const char *name)
{
    Onnx__TensorProto *const proto = take(w, 1, sizeof *proto);
    int64_t *const dims = take(w, (size_t)t->shape.rank, sizeof *dims);

    if (w->failed)
        return NULL;
    onnx__tensor_proto__init(proto);
    for (int i = 0; i < t->shape.rank; i++)
        dims[i] = t->shape.dim[i];
    proto->dims = dims;
    proto->n_dims = (size_t)t->shape.rank;
    proto->has_data_type = true;
    proto->data_type = lb_onnx_dtype_out(t->dtype);
    proto->name = name ? text(w, name) : NULL;
    proto->has_raw_data = true;
    proto->raw_data.data = t->data;
    proto->raw_data.len = lb_tensor_bytes(t);
    return proto;
}

static void ints_out(writer *w, const lb_attr *a, Onnx__AttributeProto *proto)
{
    int64_t *const ints = take(w, (size_t)a->n, sizeof *ints);

    for (int i = 0; ints && i < a->n; i++)
        ints[i] = a->ints[i];
    proto->ints = ints;
    proto->n_ints = ints ? (size_t)a->n : 0;
}

static void floats_out(writer *w, const lb_attr *a, Onnx__AttributeProto *proto)
{
    float *const floats = take(w, (size_t)a->n, sizeof *floats);

    for (int i = 0; floats && i < a->n; i++)
        floats[i] = (float)a->floats[i];
    proto->floats = floats;
    proto->n_floats = floats ? (size_t)a->n : 0;
}

static Onnx__AttributeProto *attr_out(writer *w, const lb_attr *a)
{
    Onnx__AttributeProto *const proto = take(w, 1, sizeof *proto);

    if (!proto)
        return NULL;
    onnx__attribute_proto__init(proto);
    proto->name = text(w, a->name);
    proto->has_type = true;
    switch (a->kind) {
    case LB_ATTR_INT:
        proto->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
        proto->has_i = true;
        proto->i = a->i;
        break;
    case LB_ATTR_FLOAT:
        proto->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
        proto->has_f = true;
        proto->f = (float)a->f;
        break;
    case LB_ATTR_TEXT:
        proto->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING;
        proto->has_s = true;
        proto->s.data = (uint8_t *)text(w, a->text);
        proto->s.len = strlen(a->text);
        break;
    case LB_ATTR_INTS:
        proto->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
        ints_out(w, a, proto);
        break;
    case LB_ATTR_FLOATS:
        proto->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS;
        floats_out(w, a, proto);
        break;
    case LB_ATTR_TENSOR:
        proto->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR;
        proto->t = tensor_out(w, a->tensor, NULL);
        break;
    }
    return proto;
}

/* Inputs left out are empty names; those at the end are not written at all. */
static char **names_out(writer *w, const lb_value *v, int n, size_t *n_out)
{
    while (n > 0 && v[n - 1].id == 0)
        n--;
    char **const names = take(w, (size_t)n, sizeof *names);
    for (int i = 0; names && i < n; i++)
        names[i] = text(w, lb_info(w->graph, v[i])->name);
    *n_out = names ? (size_t)n : 0;
    return names;
}

static Onnx__NodeProto *node_out(writer *w, const lb_node *node)
{
    Onnx__NodeProto *const proto = take(w, 1, sizeof *proto);
    Onnx__AttributeProto **const attrs = take(w, (size_t)node->n_attrs, sizeof *attrs);

    if (w->failed)
        return NULL;
    onnx__node_proto__init(proto);
    proto->name = text(w, node->name);
    proto->op_type = text(w, node->op->name);
    proto->input = names_out(w, node->in, node->n_in, &proto->n_input);
    proto->output = names_out(w, node->out, node->n_out, &proto->n_output);
    for (int i = 0; i < node->n_attrs; i++)
        attrs[i] = attr_out(w, &node->attrs[i]);
    proto->attribute = attrs;
    proto->n_attribute = (size_t)node->n_attrs;
    return proto;
}

static Onnx__TensorShapeProto *shape_out(writer *w, const lb_shape *shape)
{
    const size_t rank = (size_t)shape->rank;
    Onnx__TensorShapeProto *const proto = take(w, 1, sizeof *proto);
    Onnx__TensorShapeProto__Dimension *const dim = take(w, rank, sizeof *dim);
    Onnx__TensorShapeProto__Dimension **const list = take(w, rank, sizeof *list);

    if (w->failed)
        return NULL;
    onnx__tensor_shape_proto__init(proto);
    for (size_t i = 0; i < rank; i++) {
        onnx__tensor_shape_proto__dimension__init(&dim[i]);
        list[i] = &dim[i];
        if (shape->dim[i] == LB_BATCH) {
            dim[i].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            dim[i].dim_param = text(w, "N");
        } else {
            dim[i].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            dim[i].dim_value = shape->dim[i];
        }
    }
    proto->dim = list;
    proto->n_dim = rank;
    return proto;
}

static Onnx__ValueInfoProto *value_out(writer *w, lb_value v)
{
    const lb_value_info *const info = lb_info(w->graph, v);
    Onnx__ValueInfoProto *const proto = take(w, 1, sizeof *proto);
    Onnx__TypeProto *const type = take(w, 1, sizeof *type);
    Onnx__TypeProto__Tensor *const tensor = take(w, 1, sizeof *tensor);

    if (w->failed)
        return NULL;
    onnx__value_info_proto__init(proto);
    onnx__type_proto__init(type);
    onnx__type_proto__tensor__init(tensor);
    tensor->has_elem_type = true;
    tensor->elem_type = lb_onnx_dtype_out(info->type.dtype);
    tensor->shape = shape_out(w, &info->type.shape);
    type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    type->tensor_type = tensor;
    proto->name = text(w, info->name);
    proto->type = type;
    return proto;
}

static Onnx__ValueInfoProto **values_out(writer *w, const lb_value *v, int n)
{
    Onnx__ValueInfoProto **const list = take(w, (size_t)n, sizeof *list);

    for (int i = 0; list && i < n; i++)
        list[i] = value_out(w, v[i]);
    return list;
}

static void initialisers_out(writer *w, Onnx__GraphProto *proto)
{
    const lb_graph *const g = w->graph;
    Onnx__TensorProto **const list = take(w, (size_t)g->n_values, sizeof *list);
    size_t n = 0;

    for (int i = 1; list && i < g->n_values; i++) {
        const lb_value_info *const v = &g->values[i];
        if (v->kind == LB_VALUE_PARAM || v->kind == LB_VALUE_CONSTANT)
            list[n++] = tensor_out(w, v->tensor, v->name);
    }
    proto->initializer = list;
    proto->n_initializer = n;
}

static Onnx__GraphProto *graph_out(writer *w)
{
    const lb_graph *const g = w->graph;
    Onnx__GraphProto *const proto = take(w, 1, sizeof *proto);
    Onnx__NodeProto **const nodes = take(w, (size_t)g->n_nodes, sizeof *nodes);

    if (w->failed)
        return NULL;
    onnx__graph_proto__init(proto);
    proto->name = text(w, "limbeck");
    for (int i = 0; i < g->n_nodes; i++)
        nodes[i] = node_out(w, &g->nodes[i]);
    proto->node = nodes;
    proto->n_node = (size_t)g->n_nodes;
    proto->input = values_out(w, g->inputs, g->n_inputs);
    proto->n_input = (size_t)g->n_inputs;
    proto->output = values_out(w, g->outputs, g->n_outputs);
    proto->n_output = (size_t)g->n_outputs;
    initialisers_out(w, proto);
    return proto;
}

/* The opset comes last in the file: one that is cut short is seen to lack it. */
static Onnx__ModelProto *model_out(writer *w)
{
    Onnx__ModelProto *const proto = take(w, 1, sizeof *proto);
    Onnx__OperatorSetIdProto *const opset = take(w, 1, sizeof *opset);
    Onnx__OperatorSetIdProto **const list = take(w, 1, sizeof *list);

    if (w->failed)
        return NULL;
    onnx__model_proto__init(proto);
    onnx__operator_set_id_proto__init(opset);
    opset->domain = text(w, "");
    opset->has_version = true;
    opset->version = OPSET;
    list[0] = opset;
    proto->has_ir_version = true;
    proto->ir_version = IR;
    proto->producer_name = text(w, "limbeck");
    proto->producer_version = text(w, LB_VERSION);
    proto->opset_import = list;
    proto->n_opset_import = 1;
    proto->graph = graph_out(w);
    return proto;
}

static lb_code check_nodes(const lb_graph *g, lb_error *err)
{
    for (int i = 0; i < g->n_nodes; i++)
        if (!(g->nodes[i].op->flags & LB_OP_ONNX))
            return lb_bug(err, "node '%s': ONNX has no operator %s", g->nodes[i].name,
                          g->nodes[i].op->name);
    return LB_OK;
}

static lb_code pack_and_write(writer *w, const char *path, lb_error *err)
{
    const Onnx__ModelProto *const model = model_out(w);

    if (w->failed)
        return lb_raise(err, LB_ERR_MEMORY, "%s: no memory to write the network", path);
    const size_t size = onnx__model_proto__get_packed_size(model);
    if (size > INT_MAX)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "%s: the network has %zu bytes; an ONNX file holds at most 2 GB",
                        path, size);
    uint8_t *const packed = take(w, size, 1);
    if (w->failed)
        return lb_raise(err, LB_ERR_MEMORY, "%s: no memory to write the network", path);
    onnx__model_proto__pack(model, packed);
    return lb_write_file(path, packed, size, err);
}

lb_code lb_onnx_save(const lb_graph *graph, const char *path, lb_error *err)
{
    writer w = {.graph = graph};

    LB_TRY(check_nodes(graph, err));
    w.arena = lb_arena_new(0);
    if (!w.arena)
        return lb_raise(err, LB_ERR_MEMORY, "%s: no memory to write the network", path);
    const lb_code code = pack_and_write(&w, path, err);
    lb_arena_free(w.arena);
    return code;
}
