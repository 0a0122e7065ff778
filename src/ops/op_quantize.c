/* op_quantize.c: QuantizeLinear and DequantizeLinear, between real and whole numbers.
 *
 *   q = saturate(round(x / s) + z), ties to even        x' = (q - z) * s
 *
 * with one scale s and zero point z for all, or one for each index of an axis. In float32
 * the quotient is rounded to float32 before it is rounded to a whole number, as ONNX
 * Runtime does: near a tie the two roundings matter.
 *
 * Both together are fake quantisation, with the straight-through estimator for gradients
 * (Bengio et al., 2013): QuantizeGrad lets dy pass where nothing was saturated and stops
 * it where something was. The gradient of whole numbers is counted in the units of the
 * real numbers that they stand for, so DequantizeLinear hands dy on as it is, and the
 * pair's slope is 1 exactly. */
#include "ops/op_util.h"

#include "ops/build.h"

#include <math.h>

/* x, or q, seen as [outer, channels, inner]; scale and zero point have a number for each
 * channel. */
typedef struct channels {
    size_t outer, n, inner;
} channels;

static bool is_per_tensor(const lb_shape *scale)
{
    size_t n;

    return lb_shape_count(scale, &n) && n == 1;
}

static lb_code check_per_axis(const lb_view *view, const lb_shape *scale, lb_error *err)
{
    const lb_shape *const x = &view->in[0]->shape;
    char text[LB_SHAPE_TEXT];
    int axis = 0;

    if (scale->rank != 1)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "the scale has shape %s; one number, or one for each index of an "
                        "axis, is wanted",
                        lb_shape_text(scale, text));
    LB_TRY(lb_check_axis(lb_attr_int(view->node, "axis", 1), x->rank, &axis, err));
    if (x->dim[axis] != scale->dim[0])
        return lb_raise(err, LB_ERR_INPUT,
                        "%d scales do not go with axis %d of the shape %s", scale->dim[0],
                        axis, lb_shape_text(x, text));
    return LB_OK;
}

/* A scale of 0 is none to divide by, but a channel of zeros may be stored with it. */
static lb_code check_scale(const lb_view *view, int input, bool divides, lb_error *err)
{
    const lb_type *const scale = view->in[input];
    const lb_tensor *const known = view->constant[input];

    if (!lb_dtype_is_float(scale->dtype))
        return lb_raise(err, LB_ERR_INPUT, "the scale is %s, not a float type",
                        lb_dtype_name(scale->dtype));
    for (size_t i = 0; known && i < known->n; i++) {
        const double s = lb_tensor_get(known, i);
        if (!(s >= 0) || isinf(s) || (divides && s == 0))
            return lb_raise(err, LB_ERR_INPUT, "a scale must be above 0, not %g", s);
    }
    return is_per_tensor(&scale->shape) ? LB_OK
                                        : check_per_axis(view, &scale->shape, err);
}

static bool has(const lb_view *view, int input)
{
    return view->n_in > input && view->in[input];
}

/* The zero point, if it is there, is shaped as the scale before it. */
static lb_code check_zero(const lb_view *view, int input, lb_error *err)
{
    if (!has(view, input))
        return LB_OK;
    const lb_shape *const zero = &view->in[input]->shape;
    const lb_shape *const scale = &view->in[input - 1]->shape;
    if (is_per_tensor(scale) && is_per_tensor(zero))
        return LB_OK;
    return lb_check_shape(view, input, scale, "the zero point", err);
}

/* ONNX's usual type where the zero point is left out is uint8. */
static lb_code quantised_type(const lb_view *view, int zero, lb_dtype *out, lb_error *err)
{
    *out = has(view, zero) ? view->in[zero]->dtype : LB_U8;
    if (*out != LB_I8 && *out != LB_U8)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "it quantises to %s; only int8 and uint8 are supported",
                        lb_dtype_name(*out));
    return LB_OK;
}

static lb_code infer_quantize(const lb_view *view, lb_type *out, lb_error *err)
{
    const lb_view floats = {
        .node = view->node, .n_in = 2, .in = {view->in[0], view->in[1]}};

    LB_TRY(lb_check_floats(&floats, err));
    LB_TRY(check_scale(view, 1, true, err));
    LB_TRY(check_zero(view, 2, err));
    out->shape = view->in[0]->shape;
    return quantised_type(view, 2, &out->dtype, err);
}

/* ONNX gives int32, the type of sums, no zero point but 0. */
static lb_code check_sums(const lb_view *view, lb_error *err)
{
    const lb_tensor *const zero = has(view, 2) ? view->constant[2] : NULL;

    if (has(view, 2) && !zero)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "the zero point of int32 must be a constant 0");
    for (size_t i = 0; zero && i < zero->n; i++)
        if (lb_tensor_get(zero, i) != 0)
            return lb_raise(err, LB_ERR_INPUT,
                            "the zero point of int32 must be 0, not %g",
                            lb_tensor_get(zero, i));
    return LB_OK;
}

static lb_code infer_dequantize(const lb_view *view, lb_type *out, lb_error *err)
{
    const lb_dtype from = view->in[0]->dtype;

    if (from != LB_I8 && from != LB_U8 && from != LB_I32)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "it dequantises %s; only int8, uint8 and int32 are supported",
                        lb_dtype_name(from));
    if (has(view, 2) && view->in[2]->dtype != from)
        return lb_raise(err, LB_ERR_INPUT, "the zero point is %s, but the input is %s",
                        lb_dtype_name(view->in[2]->dtype), lb_dtype_name(from));
    LB_TRY(check_scale(view, 1, false, err));
    LB_TRY(check_zero(view, 2, err));
    if (from == LB_I32)
        LB_TRY(check_sums(view, err));
    *out = (lb_type){view->in[1]->dtype, view->in[0]->shape};
    return LB_OK;
}

/* QuantizeGrad(x, dy, scale, zero). */
static lb_code infer_grad(const lb_view *view, lb_type *out, lb_error *err)
{
    const lb_view floats = {
        .node = view->node, .n_in = 3, .in = {view->in[0], view->in[1], view->in[2]}};
    lb_dtype whole;

    LB_TRY(lb_check_floats(&floats, err));
    LB_TRY(lb_check_shape(view, 1, &view->in[0]->shape, "dy", err));
    LB_TRY(check_scale(view, 2, true, err));
    LB_TRY(check_zero(view, 3, err));
    LB_TRY(quantised_type(view, 3, &whole, err));
    *out = *view->in[0];
    return LB_OK;
}

static channels channels_of(const lb_ref_call *call, int scale)
{
    const lb_shape *const x = &call->in_type[0].shape;
    channels c = {1, 1, 1};
    size_t n = 0;

    if (is_per_tensor(&call->in_type[scale].shape)) {
        c.inner = lb_elements(&call->in_type[0]);
        return c;
    }
    const int64_t given = lb_attr_int(call->node, "axis", 1);
    const int axis = (int)(given < 0 ? given + x->rank : given);
    for (int i = 0; i < x->rank; i++) {
        n = (size_t)x->dim[i];
        if (i < axis)
            c.outer *= n;
        else if (i == axis)
            c.n = n;
        else
            c.inner *= n;
    }
    return c;
}

/* What a run of elements with one scale shares. */
typedef struct step {
    double scale, zero;
    double low, high; /* of the whole numbers */
    bool single;      /* quotients are float32 */
} step;

static step step_of(const lb_ref_call *call, int scale, size_t channel, lb_dtype whole)
{
    const bool has_zero = call->n_in > scale + 1 && call->in[scale + 1];

    return (step){.scale = call->in[scale][channel],
                  .zero = has_zero ? call->in[scale + 1][channel] : 0,
                  .low = whole == LB_I8 ? -128 : 0,
                  .high = whole == LB_I8 ? 127 : 255,
                  .single = call->in_type[scale].dtype == LB_F32};
}

/* Before saturation. */
static double whole_of(const step *s, double x)
{
    const double quotient = x / s->scale;

    return rint(s->single ? (double)(float)quotient : quotient) + s->zero;
}

/* A run of n elements with one scale, from where in[0], in[1] and out[0] point. */
typedef void (*run_of)(const step *s, const double *const *in, size_t n, double *out);

/* NaN becomes the least number. */
static void quantize_run(const step *s, const double *const *in, size_t n, double *q)
{
    for (size_t i = 0; i < n; i++) {
        const double whole = whole_of(s, in[0][i]);
        const double low = whole > s->low ? whole : s->low;
        q[i] = low > s->high ? s->high : low;
    }
}

static void dequantize_run(const step *s, const double *const *in, size_t n, double *x)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (in[0][i] - s->zero) * s->scale;
}

/* dx of x and dy. */
static void grad_run(const step *s, const double *const *in, size_t n, double *dx)
{
    for (size_t i = 0; i < n; i++) {
        const double whole = whole_of(s, in[0][i]);
        dx[i] = whole >= s->low && whole <= s->high ? in[1][i] : 0;
    }
}

/* Run by run; the inputs before the scale (at most two) have elements like the output. */
static void walk(const lb_ref_call *call, int scale, lb_dtype whole, run_of run)
{
    const channels c = channels_of(call, scale);
    size_t at = 0;

    for (size_t o = 0; o < c.outer; o++)
        for (size_t k = 0; k < c.n; k++, at += c.inner) {
            const step s = step_of(call, scale, k, whole);
            const double *const in[] = {call->in[0] + at, call->in[scale - 1] + at};
            run(&s, in, c.inner, call->out[0] + at);
        }
}

static void run_quantize(const lb_ref_call *call)
{
    walk(call, 1, call->out_type[0].dtype, quantize_run);
}

static void run_dequantize(const lb_ref_call *call)
{
    walk(call, 1, call->in_type[0].dtype, dequantize_run);
}

static void run_grad(const lb_ref_call *call)
{
    const bool has_zero = call->n_in > 3 && call->in[3];

    walk(call, 2, has_zero ? call->in_type[3].dtype : LB_U8, grad_run);
}

/* The scale has no gradient yet: ranges are set by calibration. */
static void grad_quantize(lb_builder *b, const lb_node *node, const lb_value *dy,
                          lb_value *dx)
{
    const lb_value in[] = {node->in[0], dy[0], node->in[1],
                           node->n_in > 2 ? node->in[2] : (lb_value){0}};
    const lb_attr axis = lb_ai("axis", lb_attr_int(node, "axis", 1));

    dx[0] = lb_add_node(b, &lb_op_QuantizeGrad, NULL, in, in[3].id ? 4 : 3, &axis, 1);
}

static void grad_dequantize(lb_builder *b, const lb_node *node, const lb_value *dy,
                            lb_value *dx)
{
    (void)b;
    (void)node;
    dx[0] = dy[0];
}

static lb_value add_per_channel(lb_builder *b, const lb_op *op, lb_value x,
                                lb_value scale, lb_value zero, int axis, const char *name)
{
    const lb_value in[] = {x, scale, zero};
    const lb_attr attr = lb_ai("axis", axis);
    const lb_shape shape = lb_type_of(b, scale).shape;

    return lb_add_node(b, op, name, in, zero.id ? 3 : 2, &attr,
                       is_per_tensor(&shape) ? 0 : 1);
}

lb_value lb_quantize(lb_builder *b, lb_value x, lb_value scale, lb_value zero, int axis,
                     const char *name)
{
    return add_per_channel(b, &lb_op_QuantizeLinear, x, scale, zero, axis, name);
}

lb_value lb_dequantize(lb_builder *b, lb_value q, lb_value scale, lb_value zero, int axis,
                       const char *name)
{
    return add_per_channel(b, &lb_op_DequantizeLinear, q, scale, zero, axis, name);
}

const lb_op lb_op_QuantizeLinear = {
    .name = "QuantizeLinear",
    .help = "round(x / scale) + zero point, held in int8 or uint8",
    .flags = LB_OP_ONNX | LB_OP_QUANTISES,
    .min_in = 2,
    .max_in = 3,
    .n_out = 1,
    .opset_min = 10,
    .opset_max = 18,
    .infer = infer_quantize,
    .grad = grad_quantize,
    .cost = lb_cost_elements,
    .run = run_quantize,
};

const lb_op lb_op_DequantizeLinear = {
    .name = "DequantizeLinear",
    .help = "(q - zero point) * scale",
    .flags = LB_OP_ONNX | LB_OP_QUANTISES,
    .min_in = 2,
    .max_in = 3,
    .n_out = 1,
    .opset_min = 10,
    .opset_max = 18,
    .infer = infer_dequantize,
    .grad = grad_dequantize,
    .cost = lb_cost_elements,
    .run = run_dequantize,
};

const lb_op lb_op_QuantizeGrad = {
    .name = "QuantizeGrad",
    .help = "dy where quantising x does not saturate, else 0",
    .flags = LB_OP_FORWARD_ONLY,
    .min_in = 3,
    .max_in = 4,
    .n_out = 1,
    .infer = infer_grad,
    .cost = lb_cost_elements,
    .run = run_grad,
};
