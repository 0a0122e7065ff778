/* op_pool.c: MaxPool and AveragePool over one or two spatial axes, and the global ones.
 *
 * AveragePool divides by the elements inside the input, or with count_include_pad by
 * those inside the padded input; a window that ceil_mode lets hang over the end padding
 * never counts what lies beyond it. */
#include "ops/pool_loops.h"

#include "ops/op_util.h"

#include <math.h>

static lb_code infer_pool(const lb_view *view, lb_type *out, lb_error *err)
{
    const bool ceil = lb_attr_int(view->node, "ceil_mode", 0) != 0;
    char text[LB_SHAPE_TEXT];
    lb_window w;

    LB_TRY(lb_check_floats(view, err));
    LB_TRY(lb_window_of(view, &w, err));
    *out = *view->in[0];
    for (int i = 0; i < w.n; i++) {
        const int in = view->in[0]->shape.dim[i + 2];
        const int span = w.dilation[i] * (w.kernel[i] - 1) + 1;
        if (w.kernel[i] > 1 << 10 || w.dilation[i] > 1 << 10)
            return lb_raise(err, LB_ERR_UNSUPPORTED, "windows of up to %d are supported",
                            1 << 10);
        if (w.pad_begin[i] >= span || w.pad_end[i] >= span)
            return lb_raise(err, LB_ERR_INPUT,
                            "pads must be smaller than the window of %d", span);
        out->shape.dim[i + 2] = lb_window_count(&w, i, in, ceil);
        if (out->shape.dim[i + 2] < 1)
            return lb_raise(err, LB_ERR_INPUT, "the window is larger than the input %s",
                            lb_shape_text(&view->in[0]->shape, text));
    }
    return lb_check_size(&out->shape, err);
}

static lb_code infer_global(const lb_view *view, lb_type *out, lb_error *err)
{
    LB_TRY(lb_check_floats(view, err));
    LB_TRY(lb_check_rank(view, 0, 3, 4, err));
    *out = *view->in[0];
    for (int i = 2; i < out->shape.rank; i++) {
        if (out->shape.dim[i] < 1 || out->shape.dim[i] > 1 << 20)
            return lb_raise(err, LB_ERR_INPUT,
                            "spatial sizes must be between 1 and %d, not %d", 1 << 20,
                            out->shape.dim[i]);
        out->shape.dim[i] = 1;
    }
    return LB_OK;
}

static lb_cost cost_pool(const lb_view *view, const lb_type *out)
{
    lb_error err;
    lb_window w;
    double taps = 1;

    if (lb_window_of(view, &w, &err) == LB_OK)
        for (int i = 0; i < w.n; i++)
            taps *= w.kernel[i];
    return (lb_cost){.other = lb_per_sample(out) * taps};
}

static lb_cost cost_global(const lb_view *view, const lb_type *out)
{
    (void)out;
    return (lb_cost){.other = lb_per_sample(view->in[0])};
}

static void max_window(const lb_pool_view *v)
{
    const int64_t at = lb_pool_argmax(v);

    *v->y = at >= 0 ? v->x[at] : -INFINITY; /* taps can all fall into the padding */
}

static void average_window(const lb_pool_view *v)
{
    double sum = 0;

    for (int h = v->h0; h < v->h1; h += v->dh)
        for (int w = v->w0; w < v->w1; w += v->dw)
            sum += v->x[(int64_t)h * v->width + w];
    *v->y = sum / v->count;
}

static void run_max(const lb_ref_call *call)
{
    lb_pool_each(call, &call->in_type[0].shape, &call->out_type[0].shape,
                 (lb_pool_arrays){.x = call->in[0], .y = call->out[0]}, max_window);
}

static void run_average(const lb_ref_call *call)
{
    lb_pool_each(call, &call->in_type[0].shape, &call->out_type[0].shape,
                 (lb_pool_arrays){.x = call->in[0], .y = call->out[0]}, average_window);
}

static void run_global(const lb_ref_call *call)
{
    const size_t planes = lb_elements(&call->out_type[0]);
    const size_t inner = planes ? lb_elements(&call->in_type[0]) / planes : 0;

    for (size_t p = 0; p < planes; p++) {
        double sum = 0;
        for (size_t i = 0; i < inner; i++)
            sum += call->in[0][p * inner + i];
        call->out[0][p] = sum / (double)inner;
    }
}

static void run_global_max(const lb_ref_call *call)
{
    const size_t planes = lb_elements(&call->out_type[0]);
    const size_t inner = planes ? lb_elements(&call->in_type[0]) / planes : 0;

    for (size_t p = 0; p < planes; p++) {
        const double *const x = call->in[0] + p * inner;
        double most = x[0];
        for (size_t i = 1; i < inner; i++)
            most = x[i] > most || isnan(x[i]) ? x[i] : most;
        call->out[0][p] = most;
    }
}

/* Attributes that say the resolved window; returns how many. */
static int window_attrs(lb_builder *b, const lb_node *node, lb_window_store *store,
                        lb_attr *attrs)
{
    lb_window w = {.n = 1};
    lb_error err;
    lb_view view;

    lb_graph_view(b->graph, node, &view);
    (void)!lb_window_of(&view, &w, &err);
    return lb_window_attrs(&w, false, store, attrs);
}

static void grad_max(lb_builder *b, const lb_node *node, const lb_value *dy, lb_value *dx)
{
    const lb_value in[] = {node->in[0], dy[0]};
    lb_attr attrs[LB_WINDOW_ATTRS];
    lb_window_store store;
    const int n = window_attrs(b, node, &store, attrs);

    dx[0] = lb_add_node(b, &lb_op_MaxPoolGrad, NULL, in, 2, attrs, n);
}

static void grad_average(lb_builder *b, const lb_node *node, const lb_value *dy,
                         lb_value *dx)
{
    const lb_shape x = lb_type_of(b, node->in[0]).shape;
    lb_attr attrs[LB_WINDOW_ATTRS + 2];
    lb_window_store store;
    int64_t spatial[2] = {0};
    int n = window_attrs(b, node, &store, attrs);

    for (int i = 2; i < x.rank; i++)
        spatial[i - 2] = x.dim[i];
    attrs[n++] = lb_ais("spatial", spatial, x.rank - 2);
    attrs[n++] = lb_ai("count_include_pad", lb_attr_int(node, "count_include_pad", 0));
    dx[0] = lb_add_node(b, &lb_op_AveragePoolGrad, NULL, dy, 1, attrs, n);
}

static void grad_global_max(lb_builder *b, const lb_node *node, const lb_value *dy,
                            lb_value *dx)
{
    const lb_shape x = lb_type_of(b, node->in[0]).shape;
    const lb_value in[] = {node->in[0], dy[0]};
    int64_t spatial[2] = {0};

    for (int i = 2; i < x.rank; i++)
        spatial[i - 2] = x.dim[i];
    const lb_attr attr = lb_ais("kernel_shape", spatial, x.rank - 2);
    dx[0] = lb_add_node(b, &lb_op_MaxPoolGrad, NULL, in, 2, &attr, 1);
}

/* A global pool is an average over one window of the input's size. */
static void grad_global(lb_builder *b, const lb_node *node, const lb_value *dy,
                        lb_value *dx)
{
    const lb_shape x = lb_type_of(b, node->in[0]).shape;
    int64_t spatial[2] = {0};

    for (int i = 2; i < x.rank; i++)
        spatial[i - 2] = x.dim[i];
    const lb_attr attrs[] = {lb_ais("kernel_shape", spatial, x.rank - 2),
                             lb_ais("spatial", spatial, x.rank - 2)};
    dx[0] = lb_add_node(b, &lb_op_AveragePoolGrad, NULL, dy, 1, attrs, 2);
}

const lb_op lb_op_MaxPool = {
    .name = "MaxPool",
    .help = "largest element of each window",
    .flags = LB_OP_ONNX,
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .opset_min = 1,
    .opset_max = 22,
    .infer = infer_pool,
    .grad = grad_max,
    .cost = cost_pool,
    .run = run_max,
};

const lb_op lb_op_AveragePool = {
    .name = "AveragePool",
    .help = "mean of each window",
    .flags = LB_OP_ONNX,
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .opset_min = 1,
    .opset_max = 22,
    .infer = infer_pool,
    .grad = grad_average,
    .cost = cost_pool,
    .run = run_average,
};

const lb_op lb_op_GlobalAveragePool = {
    .name = "GlobalAveragePool",
    .help = "mean of each channel",
    .flags = LB_OP_ONNX,
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .opset_min = 1,
    .opset_max = 22,
    .infer = infer_global,
    .grad = grad_global,
    .cost = cost_global,
    .run = run_global,
};

const lb_op lb_op_GlobalMaxPool = {
    .name = "GlobalMaxPool",
    .help = "largest element of each channel",
    .flags = LB_OP_ONNX,
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .opset_min = 1,
    .opset_max = 22,
    .infer = infer_global,
    .grad = grad_global_max,
    .cost = cost_global,
    .run = run_global_max,
};
