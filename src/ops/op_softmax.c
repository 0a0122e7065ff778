/* op_softmax.c: Softmax and LogSoftmax along one axis (opset 13), and their gradients
 * from y and dy:
 *
 *   softmax      dx = y * (dy - sum(dy * y))
 *   log softmax  dx = dy - exp(y) * sum(dy) */
#include "ops/op_util.h"

#include <assert.h>
#include <math.h>

static lb_code infer_softmax(const lb_view *view, lb_type *out, lb_error *err)
{
    int axis;

    LB_TRY(lb_check_floats(view, err));
    LB_TRY(lb_check_axis(lb_attr_int(view->node, "axis", -1), view->in[0]->shape.rank,
                         &axis, err));
    *out = *view->in[0];
    if (out->shape.dim[axis] == LB_BATCH)
        return lb_raise(err, LB_ERR_UNSUPPORTED, "softmax over the batch");
    return LB_OK;
}

static lb_code infer_grad(const lb_view *view, lb_type *out, lb_error *err)
{
    LB_TRY(infer_softmax(view, out, err));
    return lb_check_shape(view, 1, &view->in[0]->shape, "dy", err);
}

static lb_cost cost(const lb_view *view, const lb_type *out)
{
    (void)view;
    return (lb_cost){.other = 3 * lb_per_sample(out)};
}

/* One line along the axis. */
typedef struct line {
    const double *x, *dy;
    double *y;
    int n;
    int64_t step;
} line;

static void each_line(const lb_ref_call *call, void (*each)(const line *l))
{
    const lb_shape *const x = &call->in_type[0].shape;
    const int64_t given = lb_attr_int(call->node, "axis", -1);
    const int axis = (int)(given < 0 ? given + x->rank : given);
    int64_t outer = 1, inner = 1;

    for (int i = 0; i < x->rank; i++)
        *(i < axis ? &outer : &inner) *= i == axis ? 1 : x->dim[i];
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            const int64_t at = o * x->dim[axis] * inner + i;
            const line l = {.x = call->in[0] + at,
                            .dy = call->n_in > 1 ? call->in[1] + at : NULL,
                            .y = call->out[0] + at,
                            .n = x->dim[axis],
                            .step = inner};
            each(&l);
        }
}

/* Largest element, and the sum of exp(x - largest). */
static double exp_sum(const line *l, double *largest)
{
    double sum = 0;

    *largest = -INFINITY;
    for (int i = 0; i < l->n; i++)
        *largest = l->x[i * l->step] > *largest ? l->x[i * l->step] : *largest;
    for (int i = 0; i < l->n; i++)
        sum += exp(l->x[i * l->step] - *largest);
    return sum;
}

static void softmax_line(const line *l)
{
    double largest;
    const double sum = exp_sum(l, &largest);

    for (int i = 0; i < l->n; i++)
        l->y[i * l->step] = exp(l->x[i * l->step] - largest) / sum;
}

static void log_softmax_line(const line *l)
{
    double largest;
    const double log_sum = log(exp_sum(l, &largest));

    for (int i = 0; i < l->n; i++)
        l->y[i * l->step] = l->x[i * l->step] - largest - log_sum;
}

static void softmax_grad_line(const line *l)
{
    double sum = 0;

    assert(l->dy);
    for (int i = 0; i < l->n; i++)
        sum += l->dy[i * l->step] * l->x[i * l->step];
    for (int i = 0; i < l->n; i++)
        l->y[i * l->step] = l->x[i * l->step] * (l->dy[i * l->step] - sum);
}

static void log_softmax_grad_line(const line *l)
{
    double sum = 0;

    assert(l->dy);
    for (int i = 0; i < l->n; i++)
        sum += l->dy[i * l->step];
    for (int i = 0; i < l->n; i++)
        l->y[i * l->step] = l->dy[i * l->step] - exp(l->x[i * l->step]) * sum;
}

static void run_softmax(const lb_ref_call *call)
{
    each_line(call, softmax_line);
}

static void run_log_softmax(const lb_ref_call *call)
{
    each_line(call, log_softmax_line);
}

static void run_softmax_grad(const lb_ref_call *call)
{
    each_line(call, softmax_grad_line);
}

static void run_log_softmax_grad(const lb_ref_call *call)
{
    each_line(call, log_softmax_grad_line);
}

static lb_value add_grad(lb_builder *b, const lb_op *op, const lb_node *node, lb_value dy)
{
    const lb_value in[] = {node->out[0], dy};
    const lb_attr axis = lb_ai("axis", lb_attr_int(node, "axis", -1));

    return lb_add_node(b, op, NULL, in, 2, &axis, 1);
}

static void grad_softmax(lb_builder *b, const lb_node *node, const lb_value *dy,
                         lb_value *dx)
{
    dx[0] = add_grad(b, &lb_op_SoftmaxGrad, node, dy[0]);
}

static void grad_log_softmax(lb_builder *b, const lb_node *node, const lb_value *dy,
                             lb_value *dx)
{
    dx[0] = add_grad(b, &lb_op_LogSoftmaxGrad, node, dy[0]);
}

const lb_op lb_op_Softmax = {
    .name = "Softmax",
    .help = "exp(x) divided by its sum along an axis",
    .flags = LB_OP_ONNX,
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .opset_min = 1,
    .opset_max = 22,
    .infer = infer_softmax,
    .grad = grad_softmax,
    .cost = cost,
    .run = run_softmax,
};

const lb_op lb_op_LogSoftmax = {
    .name = "LogSoftmax",
    .help = "the logarithm of Softmax",
    .flags = LB_OP_ONNX,
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .opset_min = 1,
    .opset_max = 22,
    .infer = infer_softmax,
    .grad = grad_log_softmax,
    .cost = cost,
    .run = run_log_softmax,
};

const lb_op lb_op_SoftmaxGrad = {
    .name = "SoftmaxGrad",
    .help = "gradient of Softmax, from y and dy",
    .flags = LB_OP_FORWARD_ONLY,
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .infer = infer_grad,
    .cost = cost,
    .run = run_softmax_grad,
};

const lb_op lb_op_LogSoftmaxGrad = {
    .name = "LogSoftmaxGrad",
    .help = "gradient of LogSoftmax, from y and dy",
    .flags = LB_OP_FORWARD_ONLY,
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .infer = infer_grad,
    .cost = cost,
    .run = run_log_softmax_grad,
};
