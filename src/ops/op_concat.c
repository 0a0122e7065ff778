/* op_concat.c: Concat: inputs one behind the other along an axis. */
#include "ops/op_util.h"

#include <string.h>

static lb_code infer(const lb_view *view, lb_type *out, lb_error *err)
{
    char first[LB_SHAPE_TEXT], other[LB_SHAPE_TEXT];
    int64_t sum = 0;
    int axis;

    if (!lb_attr_has(view->node, "axis"))
        return lb_raise(err, LB_ERR_INPUT, "axis is missing");
    *out = *view->in[0];
    LB_TRY(
        lb_check_axis(lb_attr_int(view->node, "axis", 0), out->shape.rank, &axis, err));
    for (int i = 0; i < view->n_in; i++) {
        if (!view->in[i])
            return lb_raise(err, LB_ERR_INPUT, "input %d is missing", i);
        lb_shape shape = view->in[i]->shape;
        const int dim = axis < shape.rank ? shape.dim[axis] : 0;
        if (dim == LB_BATCH)
            return lb_raise(err, LB_ERR_UNSUPPORTED, "batches cannot be joined");
        if (axis < shape.rank)
            shape.dim[axis] = out->shape.dim[axis];
        if (!lb_shape_equal(&shape, &out->shape) ||
            view->in[i]->dtype != view->in[0]->dtype)
            return lb_raise(err, LB_ERR_INPUT,
                            "%s %s and %s %s cannot be joined along axis %d",
                            lb_dtype_name(view->in[0]->dtype),
                            lb_shape_text(&view->in[0]->shape, first),
                            lb_dtype_name(view->in[i]->dtype),
                            lb_shape_text(&view->in[i]->shape, other), axis);
        sum += dim;
    }
    if (sum > 1 << 30)
        return lb_raise(err, LB_ERR_UNSUPPORTED, "the result would be too large");
    out->shape.dim[axis] = (int)sum;
    return lb_check_size(&out->shape, err);
}

static void run(const lb_ref_call *call)
{
    const lb_shape *const y = &call->out_type[0].shape;
    const int64_t given = lb_attr_int(call->node, "axis", 0);
    const int axis = (int)(given < 0 ? given + y->rank : given);
    size_t outer = 1, inner = 1, at = 0;

    for (int i = 0; i < y->rank; i++)
        *(i < axis ? &outer : &inner) *= i == axis ? 1 : (size_t)y->dim[i];
    const size_t row = inner * (size_t)y->dim[axis];
    for (int k = 0; k < call->n_in; k++) {
        const size_t part = inner * (size_t)call->in_type[k].shape.dim[axis];
        for (size_t i = 0; i < outer && part > 0; i++)
            memcpy(call->out[0] + i * row + at, call->in[k] + i * part,
                   part * sizeof(double));
        at += part;
    }
}

static void grad(lb_builder *b, const lb_node *node, const lb_value *dy, lb_value *dx)
{
    const int rank = lb_rank(b, node->in[0]);
    const int64_t given = lb_attr_int(node, "axis", 0);
    const int64_t axis = given < 0 ? given + rank : given;
    int64_t at = 0;

    for (int k = 0; k < node->n_in; k++) {
        const int64_t end = at + lb_dim(b, node->in[k], (int)axis);
        const lb_value starts = lb_int_list(b, &at, 1);
        const lb_value ends = lb_int_list(b, &end, 1);
        const lb_value axes = lb_int_list(b, &axis, 1);
        const lb_value in[] = {dy[0], starts, ends, axes};
        dx[k] = lb_add_node(b, &lb_op_Slice, NULL, in, 4, NULL, 0);
        at = end;
    }
}

const lb_op lb_op_Concat = {
    .name = "Concat",
    .help = "inputs joined along an axis",
    .flags = LB_OP_ONNX,
    .min_in = 1,
    .max_in = LB_MAX_INPUTS,
    .n_out = 1,
    .opset_min = 4,
    .opset_max = 22,
    .infer = infer,
    .grad = grad,
    .cost = lb_cost_elements,
    .run = run,
};
