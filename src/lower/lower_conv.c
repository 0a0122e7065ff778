/* lower_conv.c: convolutions and dense layers, their weights in a device's order. */
#include "lower/lower_int.h"

#include "ops/window.h"

#include <float.h>
#include <string.h>

static lb_code need_constant(const lb_lowering *l, const lb_node *node, int i,
                             const char *what, const lb_tensor **out, lb_error *err)
{
    *out = lb_low_constant(l, node, i);
    if (*out)
        return LB_OK;
    return lb_raise(err, LB_ERR_UNSUPPORTED, "%s must be constant", what);
}

/* ONNX's [M,C/g,kH,kW] to [M,kH,kW,C]; depthwise (C/g is 1) to [kH,kW,M]. */
static void order_weights(const lb_tensor *from, const lb_low_step *s, int m_n, int c_n,
                          float *to)
{
    const int taps = s->kernel_h * s->kernel_w;
    const bool depthwise = s->kind == LB_LOW_DEPTHWISE;

    for (int m = 0; m < m_n; m++)
        for (int c = 0; c < c_n; c++)
            for (int t = 0; t < taps; t++) {
                const size_t at = ((size_t)m * (size_t)c_n + (size_t)c) * (size_t)taps;
                const size_t dense =
                    ((size_t)m * (size_t)taps + (size_t)t) * (size_t)c_n + (size_t)c;
                const size_t deep = (size_t)t * (size_t)m_n + (size_t)m;
                to[depthwise ? deep : dense] = (float)lb_tensor_get(from, at + (size_t)t);
            }
}

static void set_clamp(const lb_node *node, lb_low_step *s)
{
    const char *const activation = lb_attr_text(node, "activation", "");
    const lb_attr *const params = lb_attr_find(node, "activation_params");

    if (strcmp(activation, "Relu") == 0)
        s->low = 0;
    if (strcmp(activation, "Clip") == 0 && params && params->n >= 2) {
        s->low = (float)params->floats[0];
        s->high = (float)params->floats[1];
    }
}

static void set_window(const lb_window *w, lb_low_step *s)
{
    s->kernel_h = w->kernel[0];
    s->kernel_w = w->kernel[1];
    s->stride_h = w->stride[0];
    s->stride_w = w->stride[1];
    s->dilation_h = w->dilation[0];
    s->dilation_w = w->dilation[1];
    s->pad_top = w->pad_begin[0];
    s->pad_left = w->pad_begin[1];
    s->pad_bottom = w->pad_end[0];
    s->pad_right = w->pad_end[1];
}

static lb_code window_of(const lb_lowering *l, const lb_node *node, lb_window *out,
                         lb_error *err)
{
    lb_view view;
    lb_window given;

    lb_graph_view(l->graph, node, &view);
    LB_TRY(lb_window_of(&view, &given, err));
    *out = lb_window_2d(&given);
    return LB_OK;
}

static bool is_point(const lb_window *w)
{
    bool point = true;

    for (int i = 0; i < 2; i++)
        point = point && w->kernel[i] == 1 && w->stride[i] == 1 && w->pad_begin[i] == 0 &&
                w->pad_end[i] == 0;
    return point;
}

/* Which values the weights and the bias of the last step come from. */
static const lb_draft *note_values(lb_lowering *l, const lb_node *node, int channel_axis)
{
    lb_draft *const d = &l->draft[l->low->n_steps - 1];

    d->weight_value = node->in[1];
    d->bias_value = node->n_in > 2 ? node->in[2] : (lb_value){0};
    d->channel_axis = channel_axis;
    return d;
}

lb_code lb_lower_conv(lb_lowering *l, const lb_node *node, lb_error *err)
{
    const lb_tensor *weight, *const bias = lb_low_constant(l, node, 2);
    const lb_tensor *ignored;
    int in, residual = -1, out;
    lb_window w;

    LB_TRY(lb_low_source(l, node, 0, &in, err));
    LB_TRY(need_constant(l, node, 1, "its weights", &weight, err));
    if (node->n_in > 2 && node->in[2].id)
        LB_TRY(need_constant(l, node, 2, "its bias", &ignored, err));
    if (node->n_in > 3 && node->in[3].id)
        LB_TRY(lb_low_source(l, node, 3, &residual, err));
    LB_TRY(window_of(l, node, &w, err));
    const int c_in = l->low->buffer[in].dims.c, m = weight->shape.dim[0];
    const bool depthwise = w.group > 1 && w.group == c_in && m == c_in;
    if (w.group > 1 && !depthwise)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "%d groups of %d to %d channels; a device takes 1 group, or one "
                        "channel in and out for each",
                        w.group, c_in, m);
    LB_TRY(lb_low_result(l, node, &out, err));
    lb_low_step *const s = lb_low_append(l,
                                         depthwise      ? LB_LOW_DEPTHWISE
                                         : is_point(&w) ? LB_LOW_POINTWISE
                                                        : LB_LOW_CONV,
                                         node, in, out);
    s->in[1] = residual;
    set_window(&w, s);
    set_clamp(node, s);
    LB_TRY(lb_low_take_weights(l, weight->n, (size_t)m, err));
    const lb_draft *const d = note_values(l, node, 0);
    order_weights(weight, s, m, depthwise ? 1 : c_in, d->weight);
    for (int i = 0; bias && i < m; i++)
        d->bias[i] = (float)lb_tensor_get(bias, (size_t)i);
    s->macs = (double)lb_low_count(&l->low->buffer[out].dims) * s->kernel_h *
              s->kernel_w * (depthwise ? 1 : c_in);
    return LB_OK;
}

/* Where column d of an ONNX weight matrix goes: the input's buffer is channels-last. */
static size_t column(const lb_low_dims *in, size_t d)
{
    const size_t area = (size_t)in->h * (size_t)in->w;

    return d % area * (size_t)in->c + d / area;
}

typedef struct matrix {
    const lb_tensor *tensor; /* [K,M], or [M,K] if transposed */
    bool transposed;
    double alpha;
} matrix;

static lb_code lower_dense(lb_lowering *l, const lb_node *node, const matrix *b,
                           lb_error *err)
{
    const lb_shape *const shape = &b->tensor->shape;
    int out;

    if (lb_low_constant(l, node, 0))
        return lb_raise(err, LB_ERR_UNSUPPORTED, "its first input is a constant");
    if (shape->rank != 2 || lb_info(l->graph, node->in[0])->type.shape.rank != 2)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "a device multiplies a vector by a matrix, nothing else");
    const int in = l->spot[node->in[0].id].buffer;
    const lb_low_dims *const dims = &l->low->buffer[in].dims;
    const size_t k = (size_t)shape->dim[b->transposed ? 1 : 0];
    const size_t m = (size_t)shape->dim[b->transposed ? 0 : 1];
    if (k != lb_low_count(dims))
        return lb_bug(err, "a dense layer's input has %zu elements, not %zu",
                      lb_low_count(dims), k);
    LB_TRY(lb_low_result(l, node, &out, err));
    lb_low_step *const s = lb_low_append(l, LB_LOW_DENSE, node, in, out);
    LB_TRY(lb_low_take_weights(l, k * m, m, err));
    float *const weight = note_values(l, node, b->transposed ? 0 : 1)->weight;
    for (size_t i = 0; i < m; i++)
        for (size_t d = 0; d < k; d++) {
            const double w =
                lb_tensor_get(b->tensor, b->transposed ? i * k + d : d * m + i);
            weight[i * k + column(dims, d)] = (float)(w * b->alpha);
        }
    s->macs = (double)k * (double)m;
    return LB_OK;
}

lb_code lb_lower_gemm(lb_lowering *l, const lb_node *node, lb_error *err)
{
    matrix b = {.transposed = lb_attr_int(node, "transB", 0) != 0,
                .alpha = lb_attr_float(node, "alpha", 1)};
    const double beta = lb_attr_float(node, "beta", 1);
    const lb_tensor *c = NULL;

    if (lb_attr_int(node, "transA", 0) != 0)
        return lb_raise(err, LB_ERR_UNSUPPORTED, "transA is not for devices");
    LB_TRY(need_constant(l, node, 1, "its weights", &b.tensor, err));
    if (node->n_in > 2 && node->in[2].id)
        LB_TRY(need_constant(l, node, 2, "its bias", &c, err));
    const size_t m = (size_t)b.tensor->shape.dim[b.transposed ? 0 : 1];
    if (c && c->n != 1 && c->n != m)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "its bias must have %zu elements, not %zu", m, c->n);
    if (l->stored && (b.alpha != 1 || (c && beta != 1)))
        return lb_raise(err, LB_ERR_UNSUPPORTED, "alpha and beta must be 1 in int8");
    LB_TRY(lower_dense(l, node, &b, err));
    float *const bias = l->draft[l->low->n_steps - 1].bias;
    for (size_t i = 0; c && i < m; i++)
        bias[i] = (float)(beta * lb_tensor_get(c, c->n == 1 ? 0 : i));
    return LB_OK;
}

lb_code lb_lower_matmul(lb_lowering *l, const lb_node *node, lb_error *err)
{
    matrix b = {.alpha = 1};

    LB_TRY(need_constant(l, node, 1, "its second factor", &b.tensor, err));
    return lower_dense(l, node, &b, err);
}

static lb_code lower_pool(lb_lowering *l, const lb_node *node, lb_low_kind kind,
                          const lb_window *w, lb_error *err)
{
    int in, out;

    LB_TRY(lb_low_source(l, node, 0, &in, err));
    LB_TRY(lb_low_result(l, node, &out, err));
    lb_low_step *const s = lb_low_append(l, kind, node, in, out);
    set_window(w, s);
    s->count_include_pad =
        kind == LB_LOW_AVERAGE_POOL && lb_attr_int(node, "count_include_pad", 0) != 0;
    s->other *= (double)s->kernel_h * s->kernel_w;
    return LB_OK;
}

lb_code lb_lower_pool(lb_lowering *l, const lb_node *node, lb_error *err)
{
    const bool is_max = strcmp(node->op->name, "MaxPool") == 0;
    lb_window w;

    LB_TRY(window_of(l, node, &w, err));
    return lower_pool(l, node, is_max ? LB_LOW_MAX_POOL : LB_LOW_AVERAGE_POOL, &w, err);
}

/* One window over the whole map. */
static lb_code lower_mean(lb_lowering *l, const lb_node *node, lb_error *err)
{
    lb_low_dims dims;

    LB_TRY(lb_low_dims_of(&lb_info(l->graph, node->in[0])->type, &dims, err));
    const lb_window w = {
        .kernel = {dims.h, dims.w}, .stride = {1, 1}, .dilation = {1, 1}};
    return lower_pool(l, node, LB_LOW_AVERAGE_POOL, &w, err);
}

lb_code lb_lower_global_pool(lb_lowering *l, const lb_node *node, lb_error *err)
{
    return lower_mean(l, node, err);
}

/* A mean over all spatial axes, whether they stay as 1 or go. */
lb_code lb_lower_reduce_mean(lb_lowering *l, const lb_node *node, lb_error *err)
{
    const int rank = lb_info(l->graph, node->in[0])->type.shape.rank;
    const lb_tensor *const given = lb_low_constant(l, node, 1);
    int64_t axes[LB_MAX_RANK];
    int n = lb_attr_ints(node, "axes", axes, LB_MAX_RANK);
    bool hit[LB_MAX_RANK] = {false};

    if (given && given->n <= LB_MAX_RANK) {
        n = (int)given->n;
        for (int i = 0; i < n; i++)
            axes[i] = (int64_t)lb_tensor_get(given, (size_t)i);
    }
    for (int i = 0; i < n && i < LB_MAX_RANK; i++) {
        const int64_t axis = axes[i] < 0 ? axes[i] + rank : axes[i];
        if (axis >= 0 && axis < rank)
            hit[axis] = true;
    }
    bool spatial = rank > 2 && !hit[0] && !hit[1];
    for (int i = 2; i < rank; i++)
        spatial = spatial && hit[i];
    if (!spatial)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "a device takes the mean over all spatial axes, nothing else");
    return lower_mean(l, node, err);
}
