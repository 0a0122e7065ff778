/* op_norm.c: BatchNormalization in its inference form:
 *
 *   y = scale * (x - mean) / sqrt(var + epsilon) + bias,   per channel (axis 1).
 *
 * Its gradient takes mean and var as constants; training uses the operators of
 * op_norm_train.c instead (lb_train_norms). */
#include "ops/op_util.h"

#include "ops/build.h"

#include <math.h>

static lb_code infer_norm(const lb_view *view, lb_type *out, lb_error *err)
{
    static const char *const names[] = {"", "scale", "bias", "mean", "var"};

    LB_TRY(lb_check_floats(view, err));
    LB_TRY(lb_check_rank(view, 0, 2, LB_MAX_RANK, err));
    const lb_shape channels = lb_shape_of(1, view->in[0]->shape.dim[1]);
    for (int i = 1; i < 5; i++)
        LB_TRY(lb_check_shape(view, i, &channels, names[i], err));
    *out = *view->in[0];
    return LB_OK;
}

static void run_norm(const lb_ref_call *call)
{
    const double epsilon = lb_attr_float(call->node, "epsilon", 1e-5);
    const lb_shape *const shape = &call->in_type[0].shape;
    const int channels = shape->dim[1];
    const double *x = call->in[0];
    double *y = call->out[0];
    int64_t inner = 1;

    for (int i = 2; i < shape->rank; i++)
        inner *= shape->dim[i];
    for (int n = 0; n < shape->dim[0]; n++)
        for (int c = 0; c < channels; c++) {
            const double factor = call->in[1][c] / sqrt(call->in[4][c] + epsilon);
            for (int64_t i = 0; i < inner; i++)
                *y++ = (*x++ - call->in[3][c]) * factor + call->in[2][c];
        }
}

/* Both gradients that are not plain sums are norms themselves: that of x is dy scaled by
 * scale / sqrt(var + epsilon), and xhat is the norm of x with scale 1 and bias 0. */
static void grad_norm(lb_builder *b, const lb_node *node, const lb_value *dy,
                      lb_value *dx)
{
    const double epsilon = lb_attr_float(node, "epsilon", 1e-5);
    const double momentum = lb_attr_float(node, "momentum", 0.9);
    const lb_type x = lb_type_of(b, node->in[0]);
    const int channels = x.shape.dim[1];
    const lb_value zero = lb_filled(b, x.dtype, channels, 0);
    const lb_value one = lb_filled(b, x.dtype, channels, 1);
    int axes[LB_MAX_RANK] = {0}, n = 1;

    for (int i = 2; i < x.shape.rank; i++)
        axes[n++] = i;
    dx[0] = lb_batch_norm(b, dy[0], node->in[1], zero, zero, node->in[4], epsilon,
                          momentum, NULL);
    const lb_value xhat = lb_batch_norm(b, node->in[0], one, zero, node->in[3],
                                        node->in[4], epsilon, momentum, NULL);
    const lb_value product = lb_mul(b, dy[0], xhat);
    dx[1] = lb_reduce_sum(b, product, axes, n, false);
    dx[2] = lb_reduce_sum(b, dy[0], axes, n, false);
}

const lb_op lb_op_BatchNormalization = {
    .name = "BatchNormalization",
    .help = "batch norm with given mean and variance",
    .flags = LB_OP_ONNX,
    .min_in = 5,
    .max_in = 5,
    .n_out = 1,
    .opset_min = 7,
    .opset_max = 22,
    .infer = infer_norm,
    .grad = grad_norm,
    .cost = lb_cost_elements,
    .run = run_norm,
};
