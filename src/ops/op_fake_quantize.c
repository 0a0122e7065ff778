/* op_fake_quantize.c: FakeQuantize, what QuantizeLinear and DequantizeLinear do together,
 * for networks that are trained as they will be deployed.
 *
 *   y = (clip(round(x / s) + z, low, high) - z) s, ties to even
 *
 * The scale s is a number, or one for each index of the first axis of weights; attributes
 * are zero_point (0), low (-128) and high (127). In float32 the quotient is rounded to
 * float32 first, as QuantizeLinear does it.
 *
 * Gradients: straight through to x where nothing was clipped (Bengio et al. 2013); to s
 * as in "Learned Step Size Quantization" (Esser et al. 2020): round(x / s) - x / s
 * inside, low - z or high - z outside, times 1 / sqrt(n high), n being the elements of a
 * sample or of weights that one scale is for. */
#include "ops/op_util.h"

#include "ops/build.h"

#include <math.h>

static lb_code infer(const lb_view *view, lb_type *out, lb_error *err)
{
    const int scale = view->n_in - 1; /* behind dy, of the gradients */
    const lb_shape *const s = &view->in[scale]->shape;
    const lb_shape *const x = &view->in[0]->shape;
    char text[LB_SHAPE_TEXT];
    size_t n;

    LB_TRY(lb_check_floats(view, err));
    if (scale == 2)
        LB_TRY(lb_check_shape(view, 1, x, "dy", err));
    if (!lb_shape_count(s, &n) ||
        (n != 1 && (s->rank != 1 || x->rank < 1 || x->dim[0] != s->dim[0])))
        return lb_raise(err, LB_ERR_INPUT,
                        "the scale must be one number, or one for each index of the "
                        "first axis, not %s",
                        lb_shape_text(s, text));
    *out = *view->in[0];
    return LB_OK;
}

static lb_code infer_scale(const lb_view *view, lb_type *out, lb_error *err)
{
    LB_TRY(infer(view, out, err));
    *out = *view->in[2];
    return LB_OK;
}

typedef struct grid {
    double scale, zero, low, high;
    bool single; /* quotients are float32 */
} grid;

static grid grid_of(const lb_ref_call *call, int scale, size_t i)
{
    return (grid){.scale = call->in[scale][i],
                  .zero = (double)lb_attr_int(call->node, "zero_point", 0),
                  .low = (double)lb_attr_int(call->node, "low", -128),
                  .high = (double)lb_attr_int(call->node, "high", 127),
                  .single = call->in_type[scale].dtype == LB_F32};
}

static double quotient(const grid *g, double x)
{
    return g->single ? (double)(float)(x / g->scale) : x / g->scale;
}

/* Without the zero point. */
static double whole_of(const grid *g, double x)
{
    const double q = rint(quotient(g, x)) + g->zero;

    return (q > g->low ? q < g->high ? q : g->high : g->low) - g->zero;
}

static bool is_inside(const grid *g, double x)
{
    const double q = rint(quotient(g, x)) + g->zero;

    return q >= g->low && q <= g->high;
}

/* How many elements each scale is for, one behind the other. */
static size_t run_of(const lb_ref_call *call, int scale)
{
    return lb_elements(&call->in_type[0]) / lb_elements(&call->in_type[scale]);
}

static void run_forward(const lb_ref_call *call)
{
    const size_t n = lb_elements(&call->in_type[0]), run = run_of(call, 1);

    for (size_t i = 0; i < n; i++) {
        const grid g = grid_of(call, 1, i / run);
        call->out[0][i] = whole_of(&g, call->in[0][i]) * g.scale;
    }
}

static void run_grad(const lb_ref_call *call)
{
    const size_t n = lb_elements(&call->in_type[0]), run = run_of(call, 2);

    for (size_t i = 0; i < n; i++) {
        const grid g = grid_of(call, 2, i / run);
        call->out[0][i] = is_inside(&g, call->in[0][i]) ? call->in[1][i] : 0;
    }
}

static void run_grad_scale(const lb_ref_call *call)
{
    const size_t run = run_of(call, 2), n = lb_elements(&call->in_type[2]);
    const double each = call->batched_in[0]
                            ? (double)run / fmax(1, call->in_type[0].shape.dim[0])
                            : (double)run;

    for (size_t k = 0; k < n; k++) {
        const grid g = grid_of(call, 2, k);
        double sum = 0;
        for (size_t i = k * run; i < (k + 1) * run; i++) {
            const double x = call->in[0][i], whole = whole_of(&g, x);
            sum += call->in[1][i] * (is_inside(&g, x) ? whole - quotient(&g, x) : whole);
        }
        call->out[0][k] = sum / sqrt(each * fmax(1, g.high));
    }
}

static void grad(lb_builder *b, const lb_node *node, const lb_value *dy, lb_value *dx)
{
    const lb_value in[] = {node->in[0], dy[0], node->in[1]};
    const lb_attr attrs[] = {lb_ai("zero_point", lb_attr_int(node, "zero_point", 0)),
                             lb_ai("low", lb_attr_int(node, "low", -128)),
                             lb_ai("high", lb_attr_int(node, "high", 127))};

    dx[0] = lb_add_node(b, &lb_op_FakeQuantizeGrad, NULL, in, 3, attrs, 3);
    dx[1] = lb_add_node(b, &lb_op_FakeQuantizeGradScale, NULL, in, 3, attrs, 3);
}

lb_value lb_fake_quantize(lb_builder *b, lb_value x, lb_value scale, int zero, int low,
                          int high, const char *name)
{
    const lb_value in[] = {x, scale};
    const lb_attr attrs[] = {lb_ai("zero_point", zero), lb_ai("low", low),
                             lb_ai("high", high)};

    return lb_add_node(b, &lb_op_FakeQuantize, name, in, 2, attrs, 3);
}

const lb_op lb_op_FakeQuantize = {
    .name = "FakeQuantize",
    .help = "rounded to the grid of an integer type, and back",
    .flags = LB_OP_QUANTISES,
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .infer = infer,
    .grad = grad,
    .cost = lb_cost_elements,
    .run = run_forward,
};

const lb_op lb_op_FakeQuantizeGrad = {
    .name = "FakeQuantizeGrad",
    .help = "dy where FakeQuantize does not clip, else 0",
    .flags = LB_OP_FORWARD_ONLY,
    .min_in = 3,
    .max_in = 3,
    .n_out = 1,
    .infer = infer,
    .cost = lb_cost_elements,
    .run = run_grad,
};

const lb_op lb_op_FakeQuantizeGradScale = {
    .name = "FakeQuantizeGradScale",
    .help = "gradient of a FakeQuantize's scale",
    .flags = LB_OP_FORWARD_ONLY,
    .min_in = 3,
    .max_in = 3,
    .n_out = 1,
    .infer = infer_scale,
    .cost = lb_cost_elements,
    .run = run_grad_scale,
};
