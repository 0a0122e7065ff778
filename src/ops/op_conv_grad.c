/* op_conv_grad.c: the gradients of Conv.
 *
 * ConvGradInput(dy, w) -> dx and ConvGradWeight(x, dy) -> dw have Conv's attributes, all
 * given, pads resolved; ConvGradInput has spatial, the sizes of x, besides. dw is
 * additive over samples. */
#include "ops/conv_loops.h"
#include "ops/op_util.h"
#include "ops/window.h"

#include <string.h>

static lb_code infer_input(const lb_view *view, lb_type *out, lb_error *err)
{
    const lb_shape *const k = &view->in[1]->shape;
    int64_t spatial[2];
    lb_window w;

    LB_TRY(lb_check_floats(view, err));
    LB_TRY(lb_window_of(view, &w, err));
    LB_TRY(lb_check_rank(view, 1, w.n + 2, w.n + 2, err));
    if (lb_attr_ints(view->node, "spatial", spatial, 2) != w.n)
        return lb_bug(err, "ConvGradInput without the sizes of its result");
    *out = *view->in[0];
    out->shape.dim[1] = k->dim[1] * w.group;
    for (int i = 0; i < w.n; i++) {
        out->shape.dim[i + 2] = (int)spatial[i];
        if (lb_window_count(&w, i, (int)spatial[i], false) !=
            view->in[0]->shape.dim[i + 2])
            return lb_bug(err, "ConvGradInput with sizes that do not fit");
    }
    return LB_OK;
}

static lb_code infer_weight(const lb_view *view, lb_type *out, lb_error *err)
{
    const lb_shape *const x = &view->in[0]->shape, *const dy = &view->in[1]->shape;
    lb_window w;

    LB_TRY(lb_check_floats(view, err));
    LB_TRY(lb_window_of(view, &w, err));
    LB_TRY(lb_check_rank(view, 1, w.n + 2, w.n + 2, err));
    out->dtype = view->in[0]->dtype;
    out->shape = lb_shape_of(2, dy->dim[1], x->dim[1] / w.group);
    for (int i = 0; i < w.n; i++)
        out->shape.dim[out->shape.rank++] = w.kernel[i];
    return LB_OK;
}

static lb_cost cost_input(const lb_view *view, const lb_type *out)
{
    const lb_shape *const k = &view->in[1]->shape;
    double taps = 1;

    (void)out;
    for (int i = 1; i < k->rank; i++)
        taps *= k->dim[i];
    return (lb_cost){.macs = lb_per_sample(view->in[0]) * taps};
}

static lb_cost cost_weight(const lb_view *view, const lb_type *out)
{
    double taps = 1;

    for (int i = 1; i < out[0].shape.rank; i++)
        taps *= out[0].shape.dim[i];
    return (lb_cost){.macs = lb_per_sample(view->in[1]) * taps};
}

static void run_input(const lb_ref_call *call)
{
    const lb_window w = lb_window_of_call(call);
    const lb_conv_dims d =
        lb_conv_dims_of(&w, &call->out_type[0].shape, &call->in_type[0].shape);

    memset(call->out[0], 0, lb_elements(&call->out_type[0]) * sizeof(double));
    lb_conv_input(&d, call->in[0], call->in[1], call->out[0]);
}

static void run_weight(const lb_ref_call *call)
{
    const lb_window w = lb_window_of_call(call);
    const lb_conv_dims d =
        lb_conv_dims_of(&w, &call->in_type[0].shape, &call->in_type[1].shape);

    memset(call->out[0], 0, lb_elements(&call->out_type[0]) * sizeof(double));
    lb_conv_weight(&d, call->in[0], call->in[1], call->out[0]);
}

const lb_op lb_op_ConvGradInput = {
    .name = "ConvGradInput",
    .help = "gradient of Conv with respect to its input, from dy and w",
    .flags = LB_OP_FORWARD_ONLY,
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .infer = infer_input,
    .cost = cost_input,
    .run = run_input,
};

const lb_op lb_op_ConvGradWeight = {
    .name = "ConvGradWeight",
    .help = "gradient of Conv with respect to its weights, from x and dy",
    .flags = LB_OP_FORWARD_ONLY,
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .infer = infer_weight,
    .cost = cost_weight,
    .run = run_weight,
};
