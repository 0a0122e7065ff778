/* op_activation.c: Relu and Clip.
 *
 * ReluGrad(y, dy) and ClipGrad(y, dy, min, max) look at the result rather than at the
 * input: both say where the slope is 1, and the result may have taken the input's place.
 * On the kinks the slope is 0, as in PyTorch's relu and hardtanh. */
#include "ops/op_util.h"

#include <math.h>

static lb_code infer_relu(const lb_view *view, lb_type *out, lb_error *err)
{
    LB_TRY(lb_check_floats(view, err));
    *out = *view->in[0];
    return LB_OK;
}

static lb_code check_limit(const lb_view *view, int input, lb_error *err)
{
    char text[LB_SHAPE_TEXT];

    if (view->n_in <= input || !view->in[input])
        return LB_OK;
    if (!view->constant[input])
        return lb_raise(err, LB_ERR_UNSUPPORTED, "its limits must be constants");
    if (view->constant[input]->n != 1)
        return lb_raise(err, LB_ERR_INPUT, "a limit must be one number, not %s",
                        lb_shape_text(&view->in[input]->shape, text));
    return LB_OK;
}

static lb_code infer_clip(const lb_view *view, lb_type *out, lb_error *err)
{
    LB_TRY(lb_check_floats(view, err));
    LB_TRY(check_limit(view, 1, err));
    LB_TRY(check_limit(view, 2, err));
    *out = *view->in[0];
    return LB_OK;
}

static lb_code infer_grad(const lb_view *view, lb_type *out, lb_error *err)
{
    LB_TRY(lb_check_floats(view, err));
    LB_TRY(lb_check_shape(view, 1, &view->in[0]->shape, "dy", err));
    LB_TRY(check_limit(view, 2, err));
    LB_TRY(check_limit(view, 3, err));
    *out = *view->in[0];
    return LB_OK;
}

static void run_relu(const lb_ref_call *call)
{
    const size_t n = lb_elements(&call->out_type[0]);

    for (size_t i = 0; i < n; i++)
        call->out[0][i] = call->in[0][i] < 0 ? 0 : call->in[0][i];
}

static void run_relu_grad(const lb_ref_call *call)
{
    const size_t n = lb_elements(&call->out_type[0]);

    for (size_t i = 0; i < n; i++)
        call->out[0][i] = call->in[0][i] > 0 ? call->in[1][i] : 0;
}

static void run_clip(const lb_ref_call *call)
{
    const double low = lb_scalar_of(call, 1, -INFINITY);
    const double high = lb_scalar_of(call, 2, INFINITY);
    const size_t n = lb_elements(&call->out_type[0]);

    for (size_t i = 0; i < n; i++) {
        const double x = call->in[0][i] < low ? low : call->in[0][i];
        call->out[0][i] = x > high ? high : x;
    }
}

static void run_clip_grad(const lb_ref_call *call)
{
    const double low = lb_scalar_of(call, 2, -INFINITY);
    const double high = lb_scalar_of(call, 3, INFINITY);
    const size_t n = lb_elements(&call->out_type[0]);

    for (size_t i = 0; i < n; i++) {
        const double y = call->in[0][i];
        call->out[0][i] = y > low && y < high ? call->in[1][i] : 0;
    }
}

static void grad_relu(lb_builder *b, const lb_node *node, const lb_value *dy,
                      lb_value *dx)
{
    dx[0] = lb_binary(b, &lb_op_ReluGrad, node->out[0], dy[0]);
}

static void grad_clip(lb_builder *b, const lb_node *node, const lb_value *dy,
                      lb_value *dx)
{
    const lb_value in[] = {node->out[0], dy[0], node->n_in > 1 ? node->in[1] : dx[1],
                           node->n_in > 2 ? node->in[2] : dx[2]};

    dx[0] = lb_add_node(b, &lb_op_ClipGrad, NULL, in, 4, NULL, 0);
}

const lb_op lb_op_Relu = {
    .name = "Relu",
    .help = "max(x, 0)",
    .flags = LB_OP_ONNX | LB_OP_ELEMENTWISE,
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .opset_min = 6,
    .opset_max = 22,
    .infer = infer_relu,
    .grad = grad_relu,
    .cost = lb_cost_elements,
    .run = run_relu,
};

const lb_op lb_op_ReluGrad = {
    .name = "ReluGrad",
    .help = "gradient of Relu, from y and dy",
    .flags = LB_OP_FORWARD_ONLY,
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .infer = infer_grad,
    .cost = lb_cost_elements,
    .run = run_relu_grad,
};

const lb_op lb_op_Clip = {
    .name = "Clip",
    .help = "x held between two limits",
    .flags = LB_OP_ONNX | LB_OP_ELEMENTWISE,
    .min_in = 1,
    .max_in = 3,
    .n_out = 1,
    .opset_min = 6,
    .opset_max = 22,
    .infer = infer_clip,
    .grad = grad_clip,
    .cost = lb_cost_elements,
    .run = run_clip,
};

const lb_op lb_op_ClipGrad = {
    .name = "ClipGrad",
    .help = "gradient of Clip, from y, dy and the limits",
    .flags = LB_OP_FORWARD_ONLY,
    .min_in = 2,
    .max_in = 4,
    .n_out = 1,
    .infer = infer_grad,
    .cost = lb_cost_elements,
    .run = run_clip_grad,
};
