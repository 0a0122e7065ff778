/* op_constant.c: Constant and ConstantOfShape, which folding turns into values, Cast and
 * Identity. */
#include "ops/op_util.h"

#include <math.h>
#include <string.h>

static lb_code infer_constant(const lb_view *view, lb_type *out, lb_error *err)
{
    const lb_attr *const value = lb_attr_find(view->node, "value");

    if (!value || value->kind != LB_ATTR_TENSOR || !value->tensor)
        return lb_raise(err, LB_ERR_UNSUPPORTED, "it has no tensor as its value");
    *out = (lb_type){value->tensor->dtype, value->tensor->shape};
    return LB_OK;
}

static void run_constant(const lb_ref_call *call)
{
    const lb_tensor *const t = lb_attr_find(call->node, "value")->tensor;

    lb_widen(t->dtype, t->data, t->n, call->out[0]);
}

/* NULL stands for ONNX's usual value, a float 0. */
static const lb_tensor *fill_of(const lb_node *node)
{
    const lb_attr *const value = lb_attr_find(node, "value");

    return value && value->kind == LB_ATTR_TENSOR ? value->tensor : NULL;
}

static lb_code infer_of_shape(const lb_view *view, lb_type *out, lb_error *err)
{
    const lb_tensor *const fill = fill_of(view->node);
    int64_t dims[LB_MAX_RANK];
    int n = 0;

    LB_TRY(lb_constant_ints(view, 0, "the shape", LB_MAX_RANK, dims, &n, err));
    if (fill && fill->n != 1)
        return lb_raise(err, LB_ERR_INPUT, "value must be one number, not %zu", fill->n);
    *out = (lb_type){.dtype = fill ? fill->dtype : LB_F32, .shape = {.rank = n}};
    for (int i = 0; i < n; i++) {
        if (dims[i] < 0 || dims[i] > 1 << 30)
            return lb_raise(err, LB_ERR_UNSUPPORTED,
                            "a constant with a dimension of %lld is not supported",
                            (long long)dims[i]);
        out->shape.dim[i] = (int)dims[i];
    }
    return lb_check_size(&out->shape, err);
}

static void run_of_shape(const lb_ref_call *call)
{
    const lb_tensor *const fill = fill_of(call->node);
    const double value = fill ? lb_tensor_get(fill, 0) : 0;
    const size_t n = lb_elements(&call->out_type[0]);

    for (size_t i = 0; i < n; i++)
        call->out[0][i] = value;
}

/* ONNX's numbers of element types. */
static bool dtype_of(int64_t number, lb_dtype *out)
{
    switch (number) {
    case 1:
        *out = LB_F32;
        return true;
    case 2:
        *out = LB_U8;
        return true;
    case 3:
        *out = LB_I8;
        return true;
    case 6:
        *out = LB_I32;
        return true;
    case 7:
        *out = LB_I64;
        return true;
    case 9:
        *out = LB_BOOL;
        return true;
    case 11:
        *out = LB_F64;
        return true;
    default:
        return false;
    }
}

/* Floats stay what they are: a network computes in one precision, which the recipe
 * chooses, not the file. */
static lb_code infer_cast(const lb_view *view, lb_type *out, lb_error *err)
{
    const int64_t to = lb_attr_int(view->node, "to", 0);

    *out = *view->in[0];
    if (!dtype_of(to, &out->dtype))
        return lb_raise(err, LB_ERR_UNSUPPORTED, "element type %lld is not supported",
                        (long long)to);
    if (lb_dtype_is_float(out->dtype) && lb_dtype_is_float(view->in[0]->dtype))
        out->dtype = view->in[0]->dtype;
    return LB_OK;
}

static void run_cast(const lb_ref_call *call)
{
    const size_t n = lb_elements(&call->out_type[0]);
    const bool to_whole = !lb_dtype_is_float(call->out_type[0].dtype);
    const bool to_bool = call->out_type[0].dtype == LB_BOOL;

    for (size_t i = 0; i < n; i++) {
        const double x = call->in[0][i];
        call->out[0][i] = to_bool ? x != 0 : to_whole ? trunc(x) : x;
    }
}

static lb_code infer_identity(const lb_view *view, lb_type *out, lb_error *err)
{
    (void)err;
    *out = *view->in[0];
    return LB_OK;
}

static void run_identity(const lb_ref_call *call)
{
    const size_t n = lb_elements(&call->out_type[0]);

    if (n > 0 && call->out[0] != call->in[0])
        memmove(call->out[0], call->in[0], n * sizeof(double));
}

static void grad_same(lb_builder *b, const lb_node *node, const lb_value *dy,
                      lb_value *dx)
{
    const lb_dtype from = lb_type_of(b, node->in[0]).dtype;

    if (from == lb_type_of(b, node->out[0]).dtype && lb_dtype_is_float(from))
        dx[0] = dy[0];
}

const lb_op lb_op_Constant = {
    .name = "Constant",
    .help = "a value written in the file",
    .flags = LB_OP_ONNX | LB_OP_FOLD_ONLY | LB_OP_FORWARD_ONLY,
    .min_in = 0,
    .max_in = 0,
    .n_out = 1,
    .opset_min = 1,
    .opset_max = 22,
    .infer = infer_constant,
    .run = run_constant,
};

const lb_op lb_op_ConstantOfShape = {
    .name = "ConstantOfShape",
    .help = "one value, as often as a shape wants",
    .flags = LB_OP_ONNX | LB_OP_FOLD_ONLY | LB_OP_FORWARD_ONLY,
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .opset_min = 9,
    .opset_max = 22,
    .infer = infer_of_shape,
    .run = run_of_shape,
};

const lb_op lb_op_Cast = {
    .name = "Cast",
    .help = "another element type; floats keep the network's precision",
    .flags = LB_OP_ONNX,
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .opset_min = 6,
    .opset_max = 22,
    .infer = infer_cast,
    .grad = grad_same,
    .cost = lb_cost_elements,
    .run = run_cast,
};

const lb_op lb_op_Identity = {
    .name = "Identity",
    .help = "the input itself",
    .flags = LB_OP_ONNX,
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .opset_min = 1,
    .opset_max = 22,
    .infer = infer_identity,
    .grad = grad_same,
    .run = run_identity,
};
