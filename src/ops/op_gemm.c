/* op_gemm.c: Gemm: y = alpha * A B + beta * C, where A and B may be given transposed and
 * C is broadcast. With transA and batched A and B it contracts over the batch: the form
 * of a dense layer's weight gradient, additive over samples. */
#include "ops/op_util.h"

#include "ops/build.h"

#include <string.h>

typedef struct gemm {
    bool ta, tb;
    int m, k, n; /* may be LB_BATCH */
} gemm;

static gemm gemm_of(const lb_node *node, const lb_shape *a, const lb_shape *b)
{
    gemm g = {.ta = lb_attr_int(node, "transA", 0) != 0,
              .tb = lb_attr_int(node, "transB", 0) != 0};

    g.m = a->dim[g.ta ? 1 : 0];
    g.k = a->dim[g.ta ? 0 : 1];
    g.n = b->dim[g.tb ? 0 : 1];
    return g;
}

static lb_code infer_gemm(const lb_view *view, lb_type *out, lb_error *err)
{
    char at[LB_SHAPE_TEXT], bt[LB_SHAPE_TEXT];
    lb_shape sum;

    LB_TRY(lb_check_floats(view, err));
    LB_TRY(lb_check_rank(view, 0, 2, 2, err));
    LB_TRY(lb_check_rank(view, 1, 2, 2, err));
    const lb_shape *const a = &view->in[0]->shape, *const b = &view->in[1]->shape;
    const gemm g = gemm_of(view->node, a, b);
    if (g.k != b->dim[g.tb ? 1 : 0])
        return lb_raise(err, LB_ERR_INPUT, "%s%s and %s%s cannot be multiplied",
                        lb_shape_text(a, at), g.ta ? " transposed" : "",
                        lb_shape_text(b, bt), g.tb ? " transposed" : "");
    if (g.n == LB_BATCH)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "the product of %s and %s would have the batch as its last axis",
                        lb_shape_text(a, at), lb_shape_text(b, bt));
    out->dtype = view->in[0]->dtype;
    out->shape = lb_shape_of(2, g.m, g.n);
    if (view->n_in > 2 && view->in[2]) {
        LB_TRY(lb_broadcast(&out->shape, &view->in[2]->shape, &sum, err));
        if (!lb_shape_equal(&sum, &out->shape))
            return lb_raise(err, LB_ERR_INPUT, "C has shape %s, which %s cannot hold",
                            lb_shape_text(&view->in[2]->shape, at),
                            lb_shape_text(&out->shape, bt));
    }
    return lb_check_size(&out->shape, err);
}

static lb_cost cost_gemm(const lb_view *view, const lb_type *out)
{
    const gemm g = gemm_of(view->node, &view->in[0]->shape, &view->in[1]->shape);

    return (lb_cost){.macs = lb_per_sample(out) * (g.k == LB_BATCH ? 1 : g.k)};
}

static void start_with_c(const lb_ref_call *call)
{
    const double beta = lb_attr_float(call->node, "beta", 1);
    lb_walk w;

    memset(call->out[0], 0, lb_elements(&call->out_type[0]) * sizeof(double));
    if (call->n_in < 3 || !call->in[2])
        return;
    lb_walk_init(&w, &call->out_type[0].shape);
    lb_walk_operand(&w, 0, &call->out_type[0].shape);
    lb_walk_operand(&w, 1, &call->in_type[2].shape);
    for (lb_walk_begin(&w); w.more; lb_walk_next(&w))
        for (int i = 0; i < w.n; i++)
            call->out[0][w.at[0] + i] = beta * call->in[2][w.at[1] + i * w.step[1]];
}

static double dot(const double *a, const double *b, int n, int64_t a_step)
{
    double sum = 0;

    for (int i = 0; i < n; i++)
        sum += a[i * a_step] * b[i];
    return sum;
}

static void run_gemm(const lb_ref_call *call)
{
    const double alpha = lb_attr_float(call->node, "alpha", 1);
    const gemm g = gemm_of(call->node, &call->in_type[0].shape, &call->in_type[1].shape);
    const double *const a = call->in[0], *const b = call->in[1];
    const int64_t a_row = g.ta ? 1 : g.k, a_step = g.ta ? g.m : 1;

    start_with_c(call);
    for (int m = 0; m < g.m; m++) {
        double *const y = call->out[0] + (int64_t)m * g.n;
        const double *const row = a + m * a_row;
        if (g.tb)
            for (int n = 0; n < g.n; n++)
                y[n] += alpha * dot(row, b + (int64_t)n * g.k, g.k, a_step);
        else
            for (int k = 0; k < g.k; k++) {
                const double factor = alpha * row[k * a_step];
                for (int n = 0; n < g.n; n++)
                    y[n] += factor * b[(int64_t)k * g.n + n];
            }
    }
}

static lb_value product(lb_builder *b, lb_value x, lb_value y, bool tx, bool ty,
                        double alpha)
{
    const lb_value in[] = {x, y};
    const lb_attr attrs[] = {lb_ai("transA", tx), lb_ai("transB", ty),
                             lb_af("alpha", alpha)};

    return lb_add_node(b, &lb_op_Gemm, NULL, in, 2, attrs, alpha == 1 ? 2 : 3);
}

static void grad_gemm(lb_builder *b, const lb_node *node, const lb_value *dy,
                      lb_value *dx)
{
    const double alpha = lb_attr_float(node, "alpha", 1);
    const double beta = lb_attr_float(node, "beta", 1);
    const bool ta = lb_attr_int(node, "transA", 0) != 0;
    const bool tb = lb_attr_int(node, "transB", 0) != 0;

    dx[0] = ta ? product(b, node->in[1], dy[0], tb, true, alpha)
               : product(b, dy[0], node->in[1], false, !tb, alpha);
    dx[1] = tb ? product(b, dy[0], node->in[0], true, ta, alpha)
               : product(b, node->in[0], dy[0], !ta, false, alpha);
    if (node->n_in > 2 && node->in[2].id) {
        const lb_value sum = lb_reduce_to(b, dy[0], node->in[2]);
        dx[2] = lb_scale(b, sum, beta);
    }
}

const lb_op lb_op_Gemm = {
    .name = "Gemm",
    .help = "matrix product with a broadcast sum: a dense layer",
    .flags = LB_OP_ONNX,
    .min_in = 2,
    .max_in = 3,
    .n_out = 1,
    .opset_min = 7,
    .opset_max = 22,
    .infer = infer_gemm,
    .grad = grad_gemm,
    .cost = cost_gemm,
    .run = run_gemm,
};
