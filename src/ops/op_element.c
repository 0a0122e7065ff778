/* op_element.c: functions of one number, element by element.
 *
 * Slopes that are cheap in terms of the result are taken from it: d exp = y, d sqrt =
 * 1 / 2y, d tanh = 1 - y^2. Where the slope is infinite or open it is 0, so that one
 * such element does not turn a whole gradient into NaN: Sqrt and Abs at 0, Log at 0 and
 * below, Pow at 0 if the exponent is below 1. StepAbove and Sign have no gradient. */
#include "ops/op_util.h"

#include "ops/build.h"

#include <math.h>

static lb_code infer_same(const lb_view *view, lb_type *out, lb_error *err)
{
    LB_TRY(lb_check_floats(view, err));
    *out = *view->in[0];
    return LB_OK;
}

/* (x or y, dy). */
static lb_code infer_grad(const lb_view *view, lb_type *out, lb_error *err)
{
    LB_TRY(lb_check_floats(view, err));
    LB_TRY(lb_check_shape(view, 1, &view->in[0]->shape, "dy", err));
    *out = *view->in[0];
    return LB_OK;
}

/* The exponent may be of another type than x; ONNX allows that. */
static lb_code infer_pow(const lb_view *view, lb_type *out, lb_error *err)
{
    lb_view base = *view;
    char text[LB_SHAPE_TEXT];

    base.n_in = 1;
    LB_TRY(lb_check_floats(&base, err));
    if (!view->constant[1])
        return lb_raise(err, LB_ERR_UNSUPPORTED, "its exponent must be a constant");
    if (view->constant[1]->n != 1 || view->in[1]->shape.rank > view->in[0]->shape.rank)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "its exponent must be one number, not %s",
                        lb_shape_text(&view->in[1]->shape, text));
    *out = *view->in[0];
    return LB_OK;
}

static double sigmoid(double x)
{
    const double e = exp(-fabs(x));

    return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}

static double power_slope(double x, double exponent)
{
    return x == 0 && exponent < 1 ? 0 : exponent * pow(x, exponent - 1);
}

/* x: the element; call: for attributes. */
#define FUNCTION(name, formula) \
    static void run_##name(const lb_ref_call *call) \
    { \
        const size_t n = lb_elements(&call->out_type[0]); \
        for (size_t i = 0; i < n; i++) { \
            const double x = call->in[0][i]; \
            call->out[0][i] = (formula); \
        } \
    }
/* v: x or y, as the gradient's node was given; the formula is the slope. */
#define SLOPE(name, formula) \
    static void run_##name##_grad(const lb_ref_call *call) \
    { \
        const size_t n = lb_elements(&call->out_type[0]); \
        for (size_t i = 0; i < n; i++) { \
            const double v = call->in[0][i]; \
            call->out[0][i] = call->in[1][i] * (formula); \
        } \
    }

FUNCTION(exp, exp(x))
FUNCTION(log, log(x))
FUNCTION(sqrt, sqrt(x))
FUNCTION(abs, fabs(x))
FUNCTION(sign, (x > 0) - (x < 0))
FUNCTION(neg, -x)
FUNCTION(reciprocal, 1 / x)
FUNCTION(sigmoid, sigmoid(x))
FUNCTION(tanh, tanh(x))
FUNCTION(softplus, (x > 0 ? x : 0) + log1p(exp(-fabs(x))))
FUNCTION(pow, pow(x, call->in[1][0]))
FUNCTION(leaky, x < 0 ? x * lb_attr_float(call->node, "alpha", 0.01) : x)
FUNCTION(step, x > lb_attr_float(call->node, "threshold", 0) ? 1 : 0)
FUNCTION(stop, x)
SLOPE(log, v > 0 ? 1 / v : 0)
SLOPE(sqrt, v > 0 ? 0.5 / v : 0)
SLOPE(reciprocal, 0 - v * v)
SLOPE(sigmoid, v - v * v)
SLOPE(tanh, 1 - v * v)
SLOPE(pow, power_slope(v, call->in[2][0]))
SLOPE(leaky, v < 0 ? lb_attr_float(call->node, "alpha", 0.01) : 1)

static lb_value from_result(lb_builder *b, const lb_op *op, const lb_node *node,
                            const lb_value *dy)
{
    return lb_binary(b, op, node->out[0], dy[0]);
}

static void grad_exp(lb_builder *b, const lb_node *node, const lb_value *dy, lb_value *dx)
{
    dx[0] = lb_mul(b, node->out[0], dy[0]);
}

static void grad_log(lb_builder *b, const lb_node *node, const lb_value *dy, lb_value *dx)
{
    dx[0] = lb_binary(b, &lb_op_LogGrad, node->in[0], dy[0]);
}

static void grad_sqrt(lb_builder *b, const lb_node *node, const lb_value *dy,
                      lb_value *dx)
{
    dx[0] = from_result(b, &lb_op_SqrtGrad, node, dy);
}

static void grad_abs(lb_builder *b, const lb_node *node, const lb_value *dy, lb_value *dx)
{
    const lb_value sign = lb_unary(b, &lb_op_Sign, node->in[0]);

    dx[0] = lb_mul(b, dy[0], sign);
}

static void grad_neg(lb_builder *b, const lb_node *node, const lb_value *dy, lb_value *dx)
{
    (void)node;
    dx[0] = lb_neg(b, dy[0]);
}

static void grad_reciprocal(lb_builder *b, const lb_node *node, const lb_value *dy,
                            lb_value *dx)
{
    dx[0] = from_result(b, &lb_op_ReciprocalGrad, node, dy);
}

static void grad_sigmoid(lb_builder *b, const lb_node *node, const lb_value *dy,
                         lb_value *dx)
{
    dx[0] = from_result(b, &lb_op_SigmoidGrad, node, dy);
}

static void grad_tanh(lb_builder *b, const lb_node *node, const lb_value *dy,
                      lb_value *dx)
{
    dx[0] = from_result(b, &lb_op_TanhGrad, node, dy);
}

static void grad_softplus(lb_builder *b, const lb_node *node, const lb_value *dy,
                          lb_value *dx)
{
    const lb_value slope = lb_sigmoid(b, node->in[0]);

    dx[0] = lb_mul(b, dy[0], slope);
}

static void grad_pow(lb_builder *b, const lb_node *node, const lb_value *dy, lb_value *dx)
{
    const lb_value in[] = {node->in[0], dy[0], node->in[1]};

    dx[0] = lb_add_node(b, &lb_op_PowGrad, NULL, in, 3, NULL, 0);
}

static void grad_leaky(lb_builder *b, const lb_node *node, const lb_value *dy,
                       lb_value *dx)
{
    const lb_value in[] = {node->in[0], dy[0]};
    const lb_attr alpha = lb_af("alpha", lb_attr_float(node, "alpha", 0.01));

    dx[0] = lb_add_node(b, &lb_op_LeakyReluGrad, NULL, in, 2, &alpha, 1);
}

static lb_code infer_pow_grad(const lb_view *view, lb_type *out, lb_error *err)
{
    LB_TRY(lb_check_shape(view, 1, &view->in[0]->shape, "dy", err));
    *out = *view->in[0];
    return LB_OK;
}

/* An operator of ONNX with a gradient. */
#define ELEMENT(op, stem, low, text) \
    const lb_op lb_op_##op = { \
        .name = #op, \
        .help = text, \
        .flags = LB_OP_ONNX | LB_OP_ELEMENTWISE, \
        .min_in = 1, \
        .max_in = 1, \
        .n_out = 1, \
        .opset_min = low, \
        .opset_max = 22, \
        .infer = infer_same, \
        .grad = grad_##stem, \
        .cost = lb_cost_elements, \
        .run = run_##stem, \
    };
#define ELEMENT_GRAD(op, stem, text) \
    const lb_op lb_op_##op = { \
        .name = #op, \
        .help = text, \
        .flags = LB_OP_FORWARD_ONLY, \
        .min_in = 2, \
        .max_in = 2, \
        .n_out = 1, \
        .infer = infer_grad, \
        .cost = lb_cost_elements, \
        .run = run_##stem##_grad, \
    };

ELEMENT(Exp, exp, 6, "e to the power x")
ELEMENT(Log, log, 6, "natural logarithm; its gradient is 0 at 0 and below")
ELEMENT(Sqrt, sqrt, 6, "square root; its gradient is 0 at 0")
ELEMENT(Abs, abs, 6, "absolute value; its gradient is 0 at 0")
ELEMENT(Neg, neg, 6, "-x")
ELEMENT(Reciprocal, reciprocal, 6, "1 / x")
ELEMENT(Sigmoid, sigmoid, 6, "1 / (1 + e^-x)")
ELEMENT(Tanh, tanh, 6, "hyperbolic tangent")
ELEMENT(Softplus, softplus, 1, "log(1 + e^x)")
ELEMENT(LeakyRelu, leaky, 6, "x above 0, alpha x below")
ELEMENT_GRAD(LogGrad, log, "gradient of Log, from x and dy")
ELEMENT_GRAD(SqrtGrad, sqrt, "gradient of Sqrt, from y and dy")
ELEMENT_GRAD(ReciprocalGrad, reciprocal, "gradient of Reciprocal, from y and dy")
ELEMENT_GRAD(SigmoidGrad, sigmoid, "gradient of Sigmoid, from y and dy")
ELEMENT_GRAD(TanhGrad, tanh, "gradient of Tanh, from y and dy")
ELEMENT_GRAD(LeakyReluGrad, leaky, "gradient of LeakyRelu, from x and dy")

const lb_op lb_op_Sign = {
    .name = "Sign",
    .help = "-1, 0 or 1",
    .flags = LB_OP_ONNX | LB_OP_ELEMENTWISE | LB_OP_FORWARD_ONLY,
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .opset_min = 9,
    .opset_max = 22,
    .infer = infer_same,
    .cost = lb_cost_elements,
    .run = run_sign,
};

const lb_op lb_op_Pow = {
    .name = "Pow",
    .help = "x to the power of a constant number",
    .flags = LB_OP_ONNX | LB_OP_ELEMENTWISE,
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .opset_min = 7,
    .opset_max = 22,
    .infer = infer_pow,
    .grad = grad_pow,
    .cost = lb_cost_elements,
    .run = run_pow,
};

const lb_op lb_op_PowGrad = {
    .name = "PowGrad",
    .help = "gradient of Pow, from x, dy and the exponent",
    .flags = LB_OP_FORWARD_ONLY,
    .min_in = 3,
    .max_in = 3,
    .n_out = 1,
    .infer = infer_pow_grad,
    .cost = lb_cost_elements,
    .run = run_pow_grad,
};

const lb_op lb_op_StepAbove = {
    .name = "StepAbove",
    .help = "1 where x is above a threshold, else 0",
    .flags = LB_OP_ELEMENTWISE | LB_OP_FORWARD_ONLY,
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .infer = infer_same,
    .cost = lb_cost_elements,
    .run = run_step,
};

const lb_op lb_op_StopGradient = {
    .name = "StopGradient",
    .help = "the input itself; no gradient flows through",
    .flags = LB_OP_ELEMENTWISE | LB_OP_FORWARD_ONLY,
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .infer = infer_same,
    .run = run_stop,
};
