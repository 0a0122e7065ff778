/* op_binary.c: Add, Sub, Mul and Div with broadcasting. Whole numbers divide as ONNX
 * says, cut towards zero. */
#include "ops/op_util.h"

#include "ops/build.h"

#include <math.h>

static lb_code infer_binary(const lb_view *view, lb_type *out, lb_error *err)
{
    if (view->in[0]->dtype != view->in[1]->dtype)
        return lb_raise(err, LB_ERR_INPUT, "the inputs are %s and %s; they must be alike",
                        lb_dtype_name(view->in[0]->dtype),
                        lb_dtype_name(view->in[1]->dtype));
    out->dtype = view->in[0]->dtype;
    LB_TRY(lb_broadcast(&view->in[0]->shape, &view->in[1]->shape, &out->shape, err));
    return lb_check_size(&out->shape, err);
}

typedef enum arith { ADD, SUB, MUL, DIV } arith;

static void row(arith kind, const lb_walk *w, const double *x, const double *y,
                double *out)
{
    const int64_t p = w->step[1], q = w->step[2];

    switch (kind) {
    case ADD:
        for (int i = 0; i < w->n; i++)
            out[i] = x[i * p] + y[i * q];
        break;
    case SUB:
        for (int i = 0; i < w->n; i++)
            out[i] = x[i * p] - y[i * q];
        break;
    case MUL:
        for (int i = 0; i < w->n; i++)
            out[i] = x[i * p] * y[i * q];
        break;
    case DIV:
        for (int i = 0; i < w->n; i++)
            out[i] = x[i * p] / y[i * q];
        break;
    }
}

static void run(const lb_ref_call *call, arith kind)
{
    lb_walk w;

    lb_walk_init(&w, &call->out_type[0].shape);
    lb_walk_operand(&w, 0, &call->out_type[0].shape);
    lb_walk_operand(&w, 1, &call->in_type[0].shape);
    lb_walk_operand(&w, 2, &call->in_type[1].shape);
    for (lb_walk_begin(&w); w.more; lb_walk_next(&w))
        row(kind, &w, call->in[0] + w.at[1], call->in[1] + w.at[2],
            call->out[0] + w.at[0]);
}

static void run_add(const lb_ref_call *call)
{
    run(call, ADD);
}

static void run_sub(const lb_ref_call *call)
{
    run(call, SUB);
}

static void run_mul(const lb_ref_call *call)
{
    run(call, MUL);
}

static void run_div(const lb_ref_call *call)
{
    const size_t n = lb_elements(&call->out_type[0]);

    run(call, DIV);
    if (!lb_dtype_is_float(call->out_type[0].dtype))
        for (size_t i = 0; i < n; i++)
            call->out[0][i] = trunc(call->out[0][i]);
}

static void grad_add(lb_builder *b, const lb_node *node, const lb_value *dy, lb_value *dx)
{
    dx[0] = lb_reduce_to(b, dy[0], node->in[0]);
    dx[1] = lb_reduce_to(b, dy[0], node->in[1]);
}

static void grad_sub(lb_builder *b, const lb_node *node, const lb_value *dy, lb_value *dx)
{
    dx[0] = lb_reduce_to(b, dy[0], node->in[0]);
    const lb_value sum = lb_reduce_to(b, dy[0], node->in[1]);
    dx[1] = lb_scale(b, sum, -1);
}

static void grad_mul(lb_builder *b, const lb_node *node, const lb_value *dy, lb_value *dx)
{
    const lb_value left = lb_mul(b, dy[0], node->in[1]);
    const lb_value right = lb_mul(b, dy[0], node->in[0]);

    dx[0] = lb_reduce_to(b, left, node->in[0]);
    dx[1] = lb_reduce_to(b, right, node->in[1]);
}

/* y = a / b: da = dy / b, db = -y * dy / b. */
static void grad_div(lb_builder *b, const lb_node *node, const lb_value *dy, lb_value *dx)
{
    const lb_value share = lb_div(b, dy[0], node->in[1]);
    const lb_value product = lb_mul(b, share, node->out[0]);
    const lb_value sum = lb_reduce_to(b, product, node->in[1]);

    dx[0] = lb_reduce_to(b, share, node->in[0]);
    dx[1] = lb_scale(b, sum, -1);
}

const lb_op lb_op_Add = {
    .name = "Add",
    .help = "sum, with broadcasting",
    .flags = LB_OP_ONNX,
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .opset_min = 7,
    .opset_max = 22,
    .infer = infer_binary,
    .grad = grad_add,
    .cost = lb_cost_elements,
    .run = run_add,
};

const lb_op lb_op_Sub = {
    .name = "Sub",
    .help = "difference, with broadcasting",
    .flags = LB_OP_ONNX,
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .opset_min = 7,
    .opset_max = 22,
    .infer = infer_binary,
    .grad = grad_sub,
    .cost = lb_cost_elements,
    .run = run_sub,
};

const lb_op lb_op_Mul = {
    .name = "Mul",
    .help = "product of elements, with broadcasting",
    .flags = LB_OP_ONNX,
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .opset_min = 7,
    .opset_max = 22,
    .infer = infer_binary,
    .grad = grad_mul,
    .cost = lb_cost_elements,
    .run = run_mul,
};

const lb_op lb_op_Div = {
    .name = "Div",
    .help = "quotient, with broadcasting",
    .flags = LB_OP_ONNX,
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .opset_min = 7,
    .opset_max = 22,
    .infer = infer_binary,
    .grad = grad_div,
    .cost = lb_cost_elements,
    .run = run_div,
};
