/* op_conv_transpose.c: ConvTranspose: what a Conv's gradient does with its input's sizes.
 *
 *   y[n,m,i*stride+k*dilation-pad] += w[c,m',k] * x[n,c,i]   for every i, k, c
 *
 * with x [N,C,...], w [C,M/group,...], m' counted within the group, and a bias [M]. So y
 * is as long as an input that the Conv with this window turns into x; output_padding says
 * which of several such lengths. Its gradients are that Conv, and that Conv's gradient
 * with respect to its weights. */
#include "ops/conv_loops.h"

#include "ops/op_util.h"
#include "ops/window.h"

#include <string.h>

static lb_code check_weights(const lb_view *view, const lb_window *w, lb_error *err)
{
    const lb_shape *const x = &view->in[0]->shape, *const k = &view->in[1]->shape;
    char xt[LB_SHAPE_TEXT], kt[LB_SHAPE_TEXT];

    if (k->rank != x->rank || x->dim[1] != k->dim[0] || k->dim[0] % w->group != 0 ||
        k->dim[1] < 1)
        return lb_raise(err, LB_ERR_INPUT,
                        "weights %s do not go with an input of %s in %d groups",
                        lb_shape_text(k, kt), lb_shape_text(x, xt), w->group);
    for (int i = 0; i < w->n; i++)
        if (k->dim[i + 2] != w->kernel[i])
            return lb_raise(err, LB_ERR_INPUT, "kernel_shape does not fit weights %s",
                            lb_shape_text(k, kt));
    return LB_OK;
}

static lb_code check_attributes(const lb_node *node, lb_error *err)
{
    const char *const how = lb_attr_text(node, "auto_pad", "NOTSET");

    if (lb_attr_has(node, "output_shape"))
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "output_shape is not supported; give pads and output_padding");
    if (how[0] != '\0' && strcmp(how, "NOTSET") != 0 && strcmp(how, "VALID") != 0)
        return lb_raise(err, LB_ERR_UNSUPPORTED, "auto_pad '%s' is not supported", how);
    return LB_OK;
}

/* The length of y along a spatial axis; an int64, as products of sizes may pass an int.
 */
static lb_code length_of(const lb_node *node, const lb_window *w, int axis, int in,
                         int *out, lb_error *err)
{
    int64_t extra[2] = {0};
    const int given = lb_attr_ints(node, "output_padding", extra, 2);

    if (given != 0 && given != w->n)
        return lb_raise(err, LB_ERR_INPUT, "output_padding must have %d numbers, not %d",
                        w->n, given);
    if (extra[axis] < 0 || extra[axis] >= w->stride[axis])
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "output_padding must be between 0 and %d, less than the stride, "
                        "not %lld",
                        w->stride[axis] - 1, (long long)extra[axis]);
    const int64_t span = (int64_t)w->dilation[axis] * (w->kernel[axis] - 1) + 1;
    const int64_t length = (int64_t)w->stride[axis] * (in - 1) + span + extra[axis] -
                           w->pad_begin[axis] - w->pad_end[axis];
    if (in < 1 || length < 1 || length > 1 << 24)
        return lb_raise(err, LB_ERR_INPUT,
                        "the result would have size %lld along spatial axis %d",
                        (long long)length, axis);
    *out = (int)length;
    return LB_OK;
}

static lb_code infer(const lb_view *view, lb_type *out, lb_error *err)
{
    lb_window w;

    LB_TRY(lb_check_floats(view, err));
    LB_TRY(check_attributes(view->node, err));
    LB_TRY(lb_window_of(view, &w, err));
    LB_TRY(check_weights(view, &w, err));
    const int64_t m = (int64_t)view->in[1]->shape.dim[1] * w.group;
    if (m > 1 << 24)
        return lb_raise(err, LB_ERR_INPUT, "%lld channels are too many", (long long)m);
    const lb_shape bias = lb_shape_of(1, (int)m);
    if (view->n_in > 2 && view->in[2])
        LB_TRY(lb_check_shape(view, 2, &bias, "the bias", err));
    *out = *view->in[0];
    out->shape.dim[1] = (int)m;
    for (int i = 0; i < w.n; i++)
        LB_TRY(length_of(view->node, &w, i, view->in[0]->shape.dim[i + 2],
                         &out->shape.dim[i + 2], err));
    return lb_check_size(&out->shape, err);
}

static lb_cost cost(const lb_view *view, const lb_type *out)
{
    const lb_shape *const k = &view->in[1]->shape;
    double taps = 1;

    (void)out;
    for (int i = 1; i < k->rank; i++)
        taps *= k->dim[i];
    return (lb_cost){.macs = lb_per_sample(view->in[0]) * taps};
}

static void run(const lb_ref_call *call)
{
    const lb_window w = lb_window_of_call(call);
    const lb_conv_dims d =
        lb_conv_dims_of(&w, &call->out_type[0].shape, &call->in_type[0].shape);
    const double *const bias = call->n_in > 2 ? call->in[2] : NULL;
    double *y = call->out[0];

    for (int n = 0; n < d.n; n++)
        for (int c = 0; c < d.c; c++)
            for (int i = 0; i < d.h * d.w; i++)
                *y++ = bias ? bias[c] : 0;
    lb_conv_input(&d, call->in[0], call->in[1], call->out[0]);
}

static void grad(lb_builder *b, const lb_node *node, const lb_value *dy, lb_value *dx)
{
    const bool has_bias = node->n_in > 2 && node->in[2].id;
    const int axes[] = {0, 2, 3};
    lb_attr attrs[LB_WINDOW_ATTRS];
    lb_window_store store;
    lb_window w;
    lb_view view;
    lb_error err;

    lb_graph_view(b->graph, node, &view);
    if (lb_window_of(&view, &w, &err) != LB_OK)
        return;
    dx[0] = lb_conv(b, dy[0], node->in[1], (lb_value){0}, &w, NULL);
    const int n = lb_window_attrs(&w, true, &store, attrs);
    const lb_value for_weight[] = {dy[0], node->in[0]};
    dx[1] = lb_add_node(b, &lb_op_ConvGradWeight, NULL, for_weight, 2, attrs, n);
    if (has_bias)
        dx[2] = lb_reduce_sum(b, dy[0], axes, w.n + 1, false);
}

const lb_op lb_op_ConvTranspose = {
    .name = "ConvTranspose",
    .help = "transposed convolution over one or two spatial axes",
    .flags = LB_OP_ONNX,
    .min_in = 2,
    .max_in = 3,
    .n_out = 1,
    .opset_min = 1,
    .opset_max = 22,
    .infer = infer,
    .grad = grad,
    .cost = cost,
    .run = run,
};
