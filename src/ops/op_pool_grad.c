/* op_pool_grad.c: the gradients of pools.
 *
 * MaxPoolGrad(x, dy) finds each window's largest element again (the first of equals);
 * AveragePoolGrad(dy; spatial) spreads. Attributes as in the pools, pads resolved;
 * spatial is the size of x. */
#include "ops/pool_loops.h"

#include "ops/op_util.h"

#include <string.h>

static lb_code infer_max(const lb_view *view, lb_type *out, lb_error *err)
{
    lb_window w;

    LB_TRY(lb_check_floats(view, err));
    LB_TRY(lb_window_of(view, &w, err));
    LB_TRY(lb_check_rank(view, 1, w.n + 2, w.n + 2, err));
    *out = *view->in[0];
    return LB_OK;
}

static lb_code infer_average(const lb_view *view, lb_type *out, lb_error *err)
{
    int64_t spatial[2];
    lb_window w;

    LB_TRY(lb_check_floats(view, err));
    LB_TRY(lb_window_of(view, &w, err));
    if (lb_attr_ints(view->node, "spatial", spatial, 2) != w.n)
        return lb_bug(err, "AveragePoolGrad without the sizes of its result");
    *out = *view->in[0];
    for (int i = 0; i < w.n; i++)
        out->shape.dim[i + 2] = (int)spatial[i];
    return LB_OK;
}

static void max_window(const lb_pool_view *v)
{
    const int64_t at = lb_pool_argmax(v);

    if (at >= 0)
        v->dx[at] += *v->dy;
}

static void average_window(const lb_pool_view *v)
{
    const double share = *v->dy / v->count;

    for (int h = v->h0; h < v->h1; h += v->dh)
        for (int w = v->w0; w < v->w1; w += v->dw)
            v->dx[(int64_t)h * v->width + w] += share;
}

static void run_max(const lb_ref_call *call)
{
    memset(call->out[0], 0, lb_elements(&call->out_type[0]) * sizeof(double));
    lb_pool_each(
        call, &call->in_type[0].shape, &call->in_type[1].shape,
        (lb_pool_arrays){.x = call->in[0], .dy = call->in[1], .dx = call->out[0]},
        max_window);
}

static void run_average(const lb_ref_call *call)
{
    memset(call->out[0], 0, lb_elements(&call->out_type[0]) * sizeof(double));
    lb_pool_each(call, &call->out_type[0].shape, &call->in_type[0].shape,
                 (lb_pool_arrays){.dy = call->in[0], .dx = call->out[0]}, average_window);
}

const lb_op lb_op_MaxPoolGrad = {
    .name = "MaxPoolGrad",
    .help = "gradient of MaxPool, from x and dy",
    .flags = LB_OP_FORWARD_ONLY,
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .infer = infer_max,
    .cost = lb_cost_elements,
    .run = run_max,
};

const lb_op lb_op_AveragePoolGrad = {
    .name = "AveragePoolGrad",
    .help = "gradient of AveragePool and GlobalAveragePool, from dy",
    .flags = LB_OP_FORWARD_ONLY,
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .infer = infer_average,
    .cost = lb_cost_elements,
    .run = run_average,
};
