/* op_conv.c: Conv, and FusedConv: a Conv with an addition and an activation behind it.
 *
 *   y[n,m,oh,ow] = b[m] + sum over c,kh,kw of
 *                  w[m,c,kh,kw] * x[n,c',oh*stride+kh*dilation-pad,...]
 *
 * where c' runs over the channels of m's group. FusedConv(x, w, b, z) then adds z and
 * applies activation "Relu", or "Clip" to activation_params. */
#include "ops/conv_loops.h"

#include "ops/op_util.h"
#include "ops/window.h"

static lb_code check_weights(const lb_view *view, const lb_window *w, lb_error *err)
{
    const lb_shape *const x = &view->in[0]->shape, *const k = &view->in[1]->shape;
    char xt[LB_SHAPE_TEXT], kt[LB_SHAPE_TEXT];

    if (k->rank != x->rank || x->dim[1] != (int64_t)k->dim[1] * w->group ||
        k->dim[0] < 1 || k->dim[0] % w->group != 0)
        return lb_raise(err, LB_ERR_INPUT,
                        "weights %s do not go with an input of %s in %d groups",
                        lb_shape_text(k, kt), lb_shape_text(x, xt), w->group);
    for (int i = 0; i < w->n; i++)
        if (k->dim[i + 2] != w->kernel[i])
            return lb_raise(err, LB_ERR_INPUT, "kernel_shape does not fit weights %s",
                            lb_shape_text(k, kt));
    return LB_OK;
}

static lb_code infer_conv(const lb_view *view, lb_type *out, lb_error *err)
{
    char text[LB_SHAPE_TEXT];
    lb_window w;

    LB_TRY(lb_check_floats(view, err));
    LB_TRY(lb_window_of(view, &w, err));
    LB_TRY(check_weights(view, &w, err));
    const lb_shape *const x = &view->in[0]->shape;
    const int m = view->in[1]->shape.dim[0];
    const lb_shape bias = lb_shape_of(1, m);
    if (view->n_in > 2 && view->in[2])
        LB_TRY(lb_check_shape(view, 2, &bias, "the bias", err));
    *out = *view->in[0];
    out->shape.dim[1] = m;
    for (int i = 0; i < w.n; i++) {
        out->shape.dim[i + 2] = lb_window_count(&w, i, x->dim[i + 2], false);
        if (out->shape.dim[i + 2] < 1)
            return lb_raise(err, LB_ERR_INPUT, "the kernel is larger than the input %s",
                            lb_shape_text(x, text));
    }
    return lb_check_size(&out->shape, err);
}

static lb_code infer_fused(const lb_view *view, lb_type *out, lb_error *err)
{
    LB_TRY(infer_conv(view, out, err));
    if (view->n_in > 3 && view->in[3])
        LB_TRY(lb_check_shape(view, 3, &out->shape, "the residual", err));
    return lb_check_activation(view, err);
}

static lb_cost cost_conv(const lb_view *view, const lb_type *out)
{
    const lb_shape *const k = &view->in[1]->shape;
    double taps = 1;

    for (int i = 1; i < k->rank; i++)
        taps *= k->dim[i];
    return (lb_cost){.macs = lb_per_sample(&out[0]) * taps};
}

static void run_conv(const lb_ref_call *call)
{
    const lb_window w = lb_window_of_call(call);
    const lb_conv_dims d =
        lb_conv_dims_of(&w, &call->in_type[0].shape, &call->out_type[0].shape);
    const double *const bias = call->n_in > 2 ? call->in[2] : NULL;
    double *y = call->out[0];

    for (int n = 0; n < d.n; n++)
        for (int m = 0; m < d.m; m++)
            for (int i = 0; i < d.oh * d.ow; i++)
                *y++ = bias ? bias[m] : 0;
    lb_conv_forward(&d, call->in[0], call->in[1], call->out[0]);
}

static void run_fused(const lb_ref_call *call)
{
    const double *const z = call->n_in > 3 ? call->in[3] : NULL;
    const size_t n = lb_elements(&call->out_type[0]);
    double *const y = call->out[0];
    double limits[2];
    const bool clips = lb_activation_of(call->node, limits);

    run_conv(call);
    for (size_t i = 0; z && i < n; i++)
        y[i] += z[i];
    for (size_t i = 0; clips && i < n; i++) {
        y[i] = y[i] < limits[0] ? limits[0] : y[i];
        y[i] = y[i] > limits[1] ? limits[1] : y[i];
    }
}

/* The gradients say the resolved window and the input's size, so that x itself need not
 * be kept for its gradient. */
static void grad_conv(lb_builder *b, const lb_node *node, const lb_value *dy,
                      lb_value *dx)
{
    const lb_shape x = lb_type_of(b, node->in[0]).shape;
    const bool has_bias = node->n_in > 2 && node->in[2].id;
    const int axes[] = {0, 2, 3};
    int64_t spatial[2] = {0};
    lb_attr attrs[LB_WINDOW_ATTRS + 1];
    lb_window_store store;
    lb_window w;
    lb_view view;
    lb_error err;

    lb_graph_view(b->graph, node, &view);
    if (lb_window_of(&view, &w, &err) != LB_OK)
        return;
    int n = lb_window_attrs(&w, true, &store, attrs);
    const lb_value for_weight[] = {node->in[0], dy[0]};
    dx[1] = lb_add_node(b, &lb_op_ConvGradWeight, NULL, for_weight, 2, attrs, n);
    for (int i = 0; i < w.n; i++)
        spatial[i] = x.dim[i + 2];
    attrs[n++] = lb_ais("spatial", spatial, w.n);
    const lb_value for_input[] = {dy[0], node->in[1]};
    dx[0] = lb_add_node(b, &lb_op_ConvGradInput, NULL, for_input, 2, attrs, n);
    if (has_bias)
        dx[2] = lb_reduce_sum(b, dy[0], axes, w.n + 1, false);
}

const lb_op lb_op_Conv = {
    .name = "Conv",
    .help = "convolution over one or two spatial axes",
    .flags = LB_OP_ONNX,
    .min_in = 2,
    .max_in = 3,
    .n_out = 1,
    .opset_min = 1,
    .opset_max = 22,
    .infer = infer_conv,
    .grad = grad_conv,
    .cost = cost_conv,
    .run = run_conv,
};

const lb_op lb_op_FusedConv = {
    .name = "FusedConv",
    .help = "convolution, residual addition and activation in one",
    .flags = LB_OP_FORWARD_ONLY,
    .min_in = 2,
    .max_in = 4,
    .n_out = 1,
    .infer = infer_fused,
    .cost = cost_conv,
    .run = run_fused,
};
