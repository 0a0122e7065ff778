/* onnx_convert.c: nodes of older opsets in the form of opset 17.
 *
 * Between opsets 8 and 17 several operators moved attributes to inputs (Clip, Pad, Slice,
 * Squeeze, Unsqueeze, ReduceSum, Dropout) and Softmax changed its meaning. The graph
 * knows opset 17's form alone. */
#include "onnx/onnx_int.h"

#include "ops/ops.h"

#include <limits.h>
#include <string.h>

/* A constant beside the node, named after its output: "relu6.min". */
static lb_value add_constant(lb_onnx_reader *r, const lb_onnx_node *node,
                             const char *part, lb_tensor *tensor)
{
    const char *const name = lb_arena_text(r->scratch, "%s.%s", node->shown, part);

    return lb_constant(&r->b, name, tensor);
}

static lb_value add_ints(lb_onnx_reader *r, const lb_onnx_node *node, const char *part,
                         const int64_t *ints, int n)
{
    const lb_shape shape = lb_shape_of(1, n);
    lb_tensor *tensor = NULL;
    lb_error err = {0};

    if (lb_tensor_new(r->b.graph->arena, LB_I64, &shape, &tensor, &err) != LB_OK)
        return lb_build_fail(&r->b, err.code, "%s", err.text);
    if (n)
        memcpy(tensor->data, ints, (size_t)n * sizeof *ints);
    return add_constant(r, node, part, tensor);
}

/* A scalar of the element type of the node's first input. */
static lb_value add_number(lb_onnx_reader *r, const lb_onnx_node *node, const char *part,
                           double value)
{
    const lb_shape shape = {0};
    lb_tensor *tensor = NULL;
    lb_error err = {0};

    if (lb_tensor_new(r->b.graph->arena, lb_type_of(&r->b, node->in[0]).dtype, &shape,
                      &tensor, &err) != LB_OK)
        return lb_build_fail(&r->b, err.code, "%s", err.text);
    lb_tensor_put(tensor, 0, value);
    return add_constant(r, node, part, tensor);
}

/* Turns an attribute of ints into input `index`; nothing if it is absent. */
static void ints_to_input(lb_onnx_reader *r, lb_onnx_node *node, const char *name,
                          int index)
{
    const lb_attr *const a = lb_onnx_attr(node, name);

    if (!a || a->kind != LB_ATTR_INTS)
        return;
    node->in[index] = add_ints(r, node, name, a->ints, a->n);
    if (node->n_in <= index)
        node->n_in = index + 1;
    lb_onnx_attr_drop(node, name);
}

static void number_to_input(lb_onnx_reader *r, lb_onnx_node *node, const char *name,
                            int index)
{
    const lb_attr *const a = lb_onnx_attr(node, name);

    if (!a || a->kind != LB_ATTR_FLOAT)
        return;
    node->in[index] = add_number(r, node, name, a->f);
    if (node->n_in <= index)
        node->n_in = index + 1;
    lb_onnx_attr_drop(node, name);
}

static void convert_clip(lb_onnx_reader *r, lb_onnx_node *node)
{
    if (r->opset >= 11)
        return;
    number_to_input(r, node, "min", 1);
    number_to_input(r, node, "max", 2);
}

static void convert_pad(lb_onnx_reader *r, lb_onnx_node *node)
{
    if (r->opset >= 11)
        return;
    ints_to_input(r, node, "pads", 1);
    number_to_input(r, node, "value", 2);
}

static void convert_slice(lb_onnx_reader *r, lb_onnx_node *node)
{
    if (r->opset >= 10)
        return;
    ints_to_input(r, node, "starts", 1);
    ints_to_input(r, node, "ends", 2);
    ints_to_input(r, node, "axes", 3);
}

static void convert_axes(lb_onnx_reader *r, lb_onnx_node *node)
{
    if (r->opset < 13)
        ints_to_input(r, node, "axes", 1);
}

/* Below opset 13 softmax runs over the axis and everything behind it, as one. */
static void convert_softmax(lb_onnx_reader *r, lb_onnx_node *node)
{
    const lb_shape shape = lb_type_of(&r->b, node->in[0]).shape;
    int64_t axis = lb_onnx_attr_int(node, "axis", r->opset < 13 ? 1 : -1);

    if (axis < -shape.rank || axis >= shape.rank) {
        lb_onnx_refuse(r, node, "axis must be between %d and %d, not %lld", -shape.rank,
                       shape.rank - 1, (long long)axis);
        return;
    }
    const int from = (int)(axis < 0 ? axis + shape.rank : axis);
    for (int i = from + 1; r->opset < 13 && i < shape.rank; i++)
        if (shape.dim[i] != 1) {
            lb_onnx_refuse(r, node,
                           "softmax over several axes at once is not supported; export "
                           "the network with opset 13 or later");
            return;
        }
    lb_onnx_attr_set(node, lb_ai("axis", axis));
}

static void convert_dropout(lb_onnx_reader *r, lb_onnx_node *node)
{
    const lb_tensor *const training =
        node->n_in > 2 ? lb_onnx_constant(r, node->in[2]) : NULL;

    if (node->n_in > 2 && node->in[2].id &&
        (!training || training->n != 1 || lb_tensor_get(training, 0) != 0))
        lb_onnx_refuse(r, node,
                       "it is in training mode; export the network for "
                       "inference");
    node->alias = true;
}

/* Exporters name equal weights once and repeat them by Identity: a new norm's bias and
 * its running mean, say. Each is a weight of its own, or training one would change the
 * other. */
static void convert_identity(lb_onnx_reader *r, lb_onnx_node *node)
{
    const lb_tensor *const from =
        node->n_in > 0 ? lb_onnx_constant(r, node->in[0]) : NULL;
    lb_arena *const arena = r->b.graph->arena;

    node->alias = true;
    if (!from || !lb_dtype_is_float(from->dtype) ||
        lb_arena_used(arena) + lb_tensor_bytes(from) > r->budget)
        return;
    if (lb_tensor_copy(arena, from, &node->constant, &r->b.error) != LB_OK)
        node->constant = NULL;
}

static void convert_batch_norm(lb_onnx_reader *r, lb_onnx_node *node)
{
    if (lb_onnx_attr_int(node, "spatial", 1) != 1)
        lb_onnx_refuse(r, node, "a norm for each pixel (spatial=0) is not supported");
    if (lb_onnx_attr_int(node, "training_mode", 0) != 0)
        lb_onnx_refuse(r, node,
                       "it is in training mode; export the network for "
                       "inference");
    lb_onnx_attr_drop(node, "spatial");
    lb_onnx_attr_drop(node, "training_mode");
}

static void convert_max_pool(lb_onnx_reader *r, lb_onnx_node *node)
{
    (void)r;
    lb_onnx_attr_drop(node, "storage_order"); /* of the indices, which are not given */
}

/* The first dimension of a reshape may mean the batch in two ways that must not stay: as
 * the 1 of a file whose batch is fixed, and as a -1 that came from the shape of a batched
 * value and stands beside another. Both become 0: as the input has it. */
static void rebind_batch(lb_onnx_reader *r, lb_onnx_node *node, const lb_tensor *shape)
{
    const lb_type x = lb_type_of(&r->b, node->in[0]);
    int64_t dims[LB_MAX_RANK];
    int n_open = 0;

    if (!lb_type_batched(&x) || shape->dtype != LB_I64 || shape->shape.rank != 1 ||
        shape->n == 0 || shape->n > LB_MAX_RANK)
        return;
    memcpy(dims, shape->data, shape->n * sizeof *dims);
    for (size_t i = 0; i < shape->n; i++)
        n_open += dims[i] == -1;
    if ((dims[0] == 1 && r->batch_was_fixed) || (dims[0] == -1 && n_open > 1)) {
        dims[0] = 0;
        node->in[1] = add_ints(r, node, "shape", dims, (int)shape->n);
    }
}

static void convert_reshape(lb_onnx_reader *r, lb_onnx_node *node)
{
    const lb_tensor *const shape =
        node->n_in > 1 ? lb_onnx_constant(r, node->in[1]) : NULL;
    const bool zero_is_zero = lb_onnx_attr_int(node, "allowzero", 0) != 0;

    lb_onnx_attr_drop(node, "allowzero");
    for (size_t i = 0; shape && zero_is_zero && i < shape->n; i++)
        if (lb_tensor_get(shape, i) == 0) {
            lb_onnx_refuse(r, node, "a dimension of 0 (allowzero=1) is not supported");
            return;
        }
    if (shape)
        rebind_batch(r, node, shape);
}

/* A node of many inputs as a chain of nodes of at most `most`; the last is left to the
 * caller. The operator must not mind: sums, concatenations. */
static void chain(lb_onnx_reader *r, lb_onnx_node *node, const lb_op *op, int most)
{
    lb_value *const in = node->in;
    int done = 0;

    while (node->n_in - done > most) {
        const lb_value part =
            lb_add_node(&r->b, op, NULL, in + done, most, node->attr, node->n_attrs);
        done += most - 1;
        in[done] = part;
    }
    for (int i = 0; done && i < node->n_in - done; i++)
        in[i] = in[i + done];
    node->n_in -= done;
}

static void convert_sum(lb_onnx_reader *r, lb_onnx_node *node)
{
    const lb_op *const add = lb_op_find("Add");

    node->op = "Add";
    if (node->n_in == 1)
        node->alias = true;
    else if (add)
        chain(r, node, add, 2);
}

static void convert_concat(lb_onnx_reader *r, lb_onnx_node *node)
{
    const lb_op *const concat = lb_op_find("Concat");

    if (concat)
        chain(r, node, concat, concat->max_in);
}

static lb_tensor *new_list(lb_onnx_reader *r, lb_onnx_node *node, lb_dtype dtype,
                           const lb_shape *shape)
{
    lb_tensor *t = NULL;
    lb_error err = {0};

    if (lb_tensor_new(r->b.graph->arena, dtype, shape, &t, &err) != LB_OK)
        lb_onnx_refuse(r, node, "%s", err.text);
    return t;
}

/* The tensor that a Constant node stands for; NULL if it was refused. */
static lb_tensor *constant_tensor(lb_onnx_reader *r, lb_onnx_node *node, const lb_attr *a)
{
    const bool is_list = a->kind == LB_ATTR_INTS || a->kind == LB_ATTR_FLOATS;
    const bool is_int = a->kind == LB_ATTR_INT || a->kind == LB_ATTR_INTS;
    const lb_shape shape = is_list ? lb_shape_of(1, a->n) : (lb_shape){0};

    if (a->kind == LB_ATTR_TENSOR && a->tensor)
        return (lb_tensor *)
            a->tensor; /* made for this node; lives in the graph's arena */
    if (a->kind == LB_ATTR_TENSOR || a->kind == LB_ATTR_TEXT) {
        lb_onnx_refuse(r, node, "a constant of text is not supported");
        return NULL;
    }
    lb_tensor *const t = new_list(r, node, is_int ? LB_I64 : LB_F32, &shape);
    for (size_t i = 0; t && i < t->n; i++) {
        if (is_int)
            ((int64_t *)t->data)[i] = is_list ? a->ints[i] : a->i;
        else
            ((float *)t->data)[i] = (float)(is_list ? a->floats[i] : a->f);
    }
    return t;
}

static void convert_constant(lb_onnx_reader *r, lb_onnx_node *node)
{
    static const char *const forms[] = {"value", "value_float", "value_floats",
                                        "value_int", "value_ints"};

    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        const lb_attr *const a = lb_onnx_attr(node, forms[i]);
        if (a) {
            node->constant = constant_tensor(r, node, a);
            return;
        }
    }
    lb_onnx_refuse(r, node, "its value is missing, or of a kind that is not supported");
}

typedef struct conversion {
    const char *op;
    void (*convert)(lb_onnx_reader *r, lb_onnx_node *node);
} conversion;

static const conversion conversions[] = {
    {"BatchNormalization", convert_batch_norm},
    {"Clip", convert_clip},
    {"Concat", convert_concat},
    {"Constant", convert_constant},
    {"Dropout", convert_dropout},
    {"Identity", convert_identity},
    {"LogSoftmax", convert_softmax},
    {"MaxPool", convert_max_pool},
    {"Pad", convert_pad},
    {"ReduceSum", convert_axes},
    {"Reshape", convert_reshape},
    {"Slice", convert_slice},
    {"Softmax", convert_softmax},
    {"Squeeze", convert_axes},
    {"Sum", convert_sum},
    {"Unsqueeze", convert_axes},
};

static const conversion *find_conversion(const char *op)
{
    for (size_t i = 0; i < sizeof conversions / sizeof *conversions; i++)
        if (strcmp(conversions[i].op, op) == 0)
            return &conversions[i];
    return NULL;
}

void lb_onnx_convert(lb_onnx_reader *r, lb_onnx_node *node)
{
    const conversion *const row = find_conversion(node->op);

    if (row)
        row->convert(r, node);
}

bool lb_onnx_is_known(const char *op)
{
    const lb_op *const found = lb_op_find(op);

    if (found && found->flags & LB_OP_ONNX)
        return true;
    return strcmp(op, "Constant") == 0 || strcmp(op, "Dropout") == 0 ||
           strcmp(op, "Identity") == 0 || strcmp(op, "Sum") == 0;
}
