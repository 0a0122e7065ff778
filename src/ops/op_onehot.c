/* op_onehot.c: OneHot(labels, depth, values): a new last axis that holds values[1] where
 * the label points and values[0] elsewhere. A label outside 0..depth-1 gives a row of
 * values[0]: that is how samples without a label are marked. In ONNX a negative label
 * counts from the end, so this operator is limbeck's own. */
#include "ops/op_util.h"

static lb_code infer(const lb_view *view, lb_type *out, lb_error *err)
{
    const lb_tensor *const depth = view->constant[1], *const values = view->constant[2];
    const int64_t axis = lb_attr_int(view->node, "axis", -1);
    const int rank = view->in[0]->shape.rank;

    if (lb_dtype_is_float(view->in[0]->dtype))
        return lb_raise(err, LB_ERR_UNSUPPORTED, "labels must be whole numbers, not %s",
                        lb_dtype_name(view->in[0]->dtype));
    if (!depth || depth->n != 1 || !values || values->n != 2)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "depth must be one constant and values two");
    const double n = lb_tensor_get(depth, 0);
    if (!(n >= 1 && n <= 1 << 24))
        return lb_raise(err, LB_ERR_INPUT, "depth must be between 1 and %d, not %g",
                        1 << 24, n);
    if (axis != -1 && axis != rank)
        return lb_raise(err, LB_ERR_UNSUPPORTED, "axis must be -1, not %lld",
                        (long long)axis);
    if (rank + 1 > LB_MAX_RANK)
        return lb_raise(err, LB_ERR_UNSUPPORTED, "labels of rank %d are not supported",
                        rank);
    *out = (lb_type){values->dtype, view->in[0]->shape};
    out->shape.dim[out->shape.rank++] = (int)n;
    return lb_check_size(&out->shape, err);
}

static void run(const lb_ref_call *call)
{
    const lb_shape *const shape = &call->out_type[0].shape;
    const int depth = shape->dim[shape->rank - 1];
    const size_t n = lb_elements(&call->in_type[0]);

    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < depth; k++)
            call->out[0][i * (size_t)depth + (size_t)k] =
                call->in[2][call->in[0][i] == k ? 1 : 0];
}

const lb_op lb_op_OneHot = {
    .name = "OneHot",
    .help = "labels as rows with one value set",
    .flags = LB_OP_FORWARD_ONLY,
    .min_in = 3,
    .max_in = 3,
    .n_out = 1,
    .infer = infer,
    .cost = lb_cost_elements,
    .run = run,
};
