/* tflite_export_layers.c: convolutions, dense layers and pools as operators of the file.
 *
 * The file knows SAME and VALID padding alone. Other pads are a PAD before the layer: its
 * zero is the grid's zero point, which is what a convolution's padding is worth. */
#include "tflite/tflite_write.h"

#include "ops/window.h"

#include <string.h>

static bool window_of(lb_tfl_writer *w, const lb_node *node, lb_window *out)
{
    lb_error why = {0};
    lb_window given = {0};
    lb_view view;

    lb_graph_view(w->g, node, &view);
    if (lb_window_of(&view, &given, &why) != LB_OK)
        return lb_tfl_cannot(w, node, "%s", why.text);
    *out = lb_window_2d(&given);
    return true;
}

/* The pads that SAME stands for, over an input of this size. */
static bool is_same(const lb_window *w, const lb_shape *in)
{
    for (int i = 0; i < 2; i++) {
        const int size = in->dim[1 + i];
        const int n = (size + w->stride[i] - 1) / w->stride[i];
        const int span = w->dilation[i] * (w->kernel[i] - 1) + 1;
        const int missing = (n - 1) * w->stride[i] + span - size;
        const int begin = missing > 0 ? missing / 2 : 0;
        const int end = missing > 0 ? missing - begin : 0;
        if (w->pad_begin[i] != begin || w->pad_end[i] != end)
            return false;
    }
    return true;
}

static bool is_padded(const lb_window *w)
{
    return w->pad_begin[0] || w->pad_begin[1] || w->pad_end[0] || w->pad_end[1];
}

/* The tensor with the window's pads around it; -1 without memory. */
static int padded(lb_tfl_writer *w, int from, const lb_window *window)
{
    const int32_t pads[2 * LB_MAX_RANK] = {0,
                                           0,
                                           window->pad_begin[0],
                                           window->pad_end[0],
                                           window->pad_begin[1],
                                           window->pad_end[1]};
    lb_tfl_sketch t = w->draft.tensor[from];

    for (int i = 0; i < t.shape.rank; i++)
        t.shape.dim[i] += pads[2 * i] + pads[2 * i + 1];
    t.name = lb_arena_text(w->arena, "%s_padded", t.name);
    const int to = lb_tfl_add_tensor(w, &t);
    if (to >= 0)
        lb_tfl_put_pads(w, from, to, pads);
    return to;
}

/* The input as the layer reads it, padded if the file has no name for the pads. */
static int padded_input(lb_tfl_writer *w, int from, const lb_window *window, int *padding)
{
    *padding = LB_TFL_VALID;
    if (!is_padded(window))
        return from;
    *padding = LB_TFL_SAME;
    if (is_same(window, &w->draft.tensor[from].shape))
        return from;
    *padding = LB_TFL_VALID;
    return padded(w, from, window);
}

static void set_conv_options(lb_tfl_step *step, const lb_window *window, bool depthwise,
                             int multiplier, int padding, int activation)
{
    const lb_flat_field conv[] = {
        lb_flat_byte(LB_TFL_CONV_PADDING, padding),
        lb_flat_int(LB_TFL_CONV_STRIDE_W, window->stride[1]),
        lb_flat_int(LB_TFL_CONV_STRIDE_H, window->stride[0]),
        lb_flat_byte(LB_TFL_CONV_ACTIVATION, activation),
        lb_flat_int(LB_TFL_CONV_DILATION_W, window->dilation[1]),
        lb_flat_int(LB_TFL_CONV_DILATION_H, window->dilation[0])};
    const lb_flat_field deep[] = {
        lb_flat_byte(LB_TFL_DEPTHWISE_PADDING, padding),
        lb_flat_int(LB_TFL_DEPTHWISE_STRIDE_W, window->stride[1]),
        lb_flat_int(LB_TFL_DEPTHWISE_STRIDE_H, window->stride[0]),
        lb_flat_int(LB_TFL_DEPTHWISE_MULTIPLIER, multiplier),
        lb_flat_byte(LB_TFL_DEPTHWISE_ACTIVATION, activation),
        lb_flat_int(LB_TFL_DEPTHWISE_DILATION_W, window->dilation[1]),
        lb_flat_int(LB_TFL_DEPTHWISE_DILATION_H, window->dilation[0])};

    step->n_options = depthwise ? 7 : 6;
    memcpy(step->option, depthwise ? deep : conv,
           (size_t)step->n_options * sizeof *step->option);
}

bool lb_tfl_put_conv(lb_tfl_writer *w, const lb_node *node)
{
    lb_value v = node->out[0];
    lb_window window = {0};
    int padding;

    int x = lb_tfl_input(w, node, 0);
    if (x < 0 || !lb_tfl_has_int8_weights(w, node) || !window_of(w, node, &window))
        return false;
    const int channels = w->draft.tensor[x].shape.dim[3];
    const int m = lb_tfl_kept_of(w, node, 1)->whole->shape.dim[0];
    const bool depthwise = window.group > 1;
    if (depthwise && window.group != channels)
        return lb_tfl_cannot(w, node,
                             "%d groups of %d channels; the file has 1 group, or "
                             "one for each channel",
                             window.group, channels);
    const int activation = lb_tfl_activation(w, &v);
    const int weights =
        activation < 0 ? -1 : lb_tfl_add_filters(w, node, &window, depthwise);
    if (weights < 0)
        return false;
    const int bias =
        lb_tfl_add_bias(w, node, &w->draft.tensor[x], &w->draft.tensor[weights], m);
    if (bias < 0)
        return false;
    x = padded_input(w, x, &window, &padding);
    const int y = x < 0 ? -1 : lb_tfl_result(w, node, v, -1);
    lb_tfl_step step = {.code = depthwise ? LB_TFL_DEPTHWISE : LB_TFL_CONV,
                        .version = 3,
                        .in = {x, weights, bias},
                        .n_in = 3,
                        .out = y,
                        .options_type =
                            depthwise ? LB_TFL_DEPTHWISE_OPTIONS : LB_TFL_CONV_OPTIONS};
    set_conv_options(&step, &window, depthwise, m / channels, padding, activation);
    if (y >= 0)
        lb_tfl_add_step(w, &step);
    return y >= 0;
}

/* ------------------------------------------------------------------------ dense layers
 */

static bool is_plain_gemm(const lb_node *node)
{
    return lb_attr_int(node, "transA", 0) == 0 && lb_attr_float(node, "alpha", 1) == 1 &&
           lb_attr_float(node, "beta", 1) == 1;
}

bool lb_tfl_put_dense(lb_tfl_writer *w, const lb_node *node)
{
    const bool transposed = lb_attr_int(node, "transB", 0) != 0;
    lb_value v = node->out[0];

    const int x = lb_tfl_input(w, node, 0);
    if (x < 0 || !lb_tfl_has_int8_weights(w, node))
        return false;
    if (lb_tfl_kept_of(w, node, 1)->whole->shape.rank != 2 || !is_plain_gemm(node) ||
        w->draft.tensor[x].shape.rank != 2)
        return lb_tfl_cannot(w, node, "the file multiplies a vector by a matrix");
    const int activation = lb_tfl_activation(w, &v);
    const lb_shape map = w->draft.tensor[x].map;
    const int weights =
        activation < 0 ? -1 : lb_tfl_add_matrix(w, node, transposed, &map);
    if (weights < 0)
        return false;
    const int m = w->draft.tensor[weights].shape.dim[0];
    const int bias =
        lb_tfl_add_bias(w, node, &w->draft.tensor[x], &w->draft.tensor[weights], m);
    const int y = bias < 0 ? -1 : lb_tfl_result(w, node, v, -1);
    const bool by_channel = weights >= 0 && w->draft.tensor[weights].n_scales > 1;
    const lb_tfl_step step = {
        .code = LB_TFL_FULLY_CONNECTED,
        .version = by_channel ? 12 : 4,
        .in = {x, weights, bias},
        .n_in = 3,
        .out = y,
        .options_type = LB_TFL_DENSE_OPTIONS,
        .option = {lb_flat_byte(LB_TFL_DENSE_ACTIVATION, activation)},
        .n_options = 1};
    if (y >= 0)
        lb_tfl_add_step(w, &step);
    return y >= 0;
}

/* ------------------------------------------------------------------------------- pools
 */

static bool put_pool(lb_tfl_writer *w, const lb_node *node, lb_value v, bool is_most,
                     const lb_window *window)
{
    const int in = lb_tfl_input(w, node, 0);
    int padding = LB_TFL_VALID;

    if (in < 0)
        return false;
    const bool counted = lb_attr_int(node, "count_include_pad", 0) != 0;
    const bool same = is_same(window, &w->draft.tensor[in].shape);
    if (is_padded(window) && !is_most && !same && !counted)
        return lb_tfl_cannot(w, node, "its pads are not those of SAME, and do not count");
    if (is_padded(window) && is_most && !same && w->draft.tensor[in].zero[0] != -128)
        return lb_tfl_cannot(w, node,
                             "its pads are not those of SAME, and its input may "
                             "be below 0, with which the file pads");
    const bool aside = is_padded(window) && counted && !is_most; /* SAME's do not count */
    const int x = aside ? padded(w, in, window) : padded_input(w, in, window, &padding);
    const int y = x < 0 ? -1 : lb_tfl_result(w, node, v, in);
    if (y < 0)
        return false;
    const lb_shape out = w->draft.tensor[y].shape;
    const int n = lb_window_count(window, 0, w->draft.tensor[in].shape.dim[1], false);
    const int m = lb_window_count(window, 1, w->draft.tensor[in].shape.dim[2], false);
    if (out.rank == 4 && (out.dim[1] != n || out.dim[2] != m))
        return lb_tfl_cannot(w, node, "its windows hang over the input (ceil_mode)");
    const lb_tfl_step step = {
        .code = is_most ? LB_TFL_MAX_POOL : LB_TFL_AVERAGE_POOL,
        .version = 2,
        .in = {x},
        .n_in = 1,
        .out = y,
        .options_type = LB_TFL_POOL_OPTIONS,
        .option = {lb_flat_byte(LB_TFL_POOL_PADDING, padding),
                   lb_flat_int(LB_TFL_POOL_STRIDE_W, window->stride[1]),
                   lb_flat_int(LB_TFL_POOL_STRIDE_H, window->stride[0]),
                   lb_flat_int(LB_TFL_POOL_WIDTH, window->kernel[1]),
                   lb_flat_int(LB_TFL_POOL_HEIGHT, window->kernel[0]),
                   lb_flat_byte(LB_TFL_POOL_ACTIVATION, LB_TFL_NONE)},
        .n_options = 6};
    lb_tfl_add_step(w, &step);
    return true;
}

bool lb_tfl_put_pool(lb_tfl_writer *w, const lb_node *node)
{
    const bool is_most = strcmp(node->op->name, "MaxPool") == 0;
    lb_window window = {0};

    if (!window_of(w, node, &window))
        return false;
    if (window.dilation[0] != 1 || window.dilation[1] != 1)
        return lb_tfl_cannot(w, node, "the file's pools are not dilated");
    return put_pool(w, node, node->out[0], is_most, &window);
}

/* Does a ReduceMean go over all spatial axes? A GlobalAveragePool does. */
static bool is_over_space(const lb_graph *g, const lb_node *node)
{
    const int rank = lb_info(g, node->in[0])->type.shape.rank;
    const lb_tensor *const given =
        node->n_in > 1 ? lb_info(g, node->in[1])->tensor : NULL;
    int64_t axes[LB_MAX_RANK] = {0};
    int n = lb_attr_ints(node, "axes", axes, LB_MAX_RANK), hits = 0;

    if (strcmp(node->op->name, "ReduceMean") != 0)
        return true;
    if (given && given->n <= LB_MAX_RANK)
        for (n = 0; n < (int)given->n; n++)
            axes[n] = (int64_t)lb_tensor_get(given, (size_t)n);
    for (int axis = 2; axis < rank; axis++)
        for (int i = 0; i < n && i < LB_MAX_RANK; i++)
            hits += axes[i] == axis || axes[i] + rank == axis;
    return rank > 2 && n == rank - 2 && hits == n;
}

/* On the grid of its input: an average pool, which all kernels round alike. */
static void put_global_pool(lb_tfl_writer *w, int from, int to)
{
    const lb_shape *const in = &w->draft.tensor[from].shape;
    lb_tfl_sketch t = w->draft.tensor[from];
    const bool keeps = w->draft.tensor[to].shape.rank == 4;
    const int h = in->dim[1], width = in->dim[2];

    t.shape.dim[1] = t.shape.dim[2] = 1;
    t.name = lb_arena_text(w->arena, "%s_pooled", w->draft.tensor[to].name);
    const int pooled = keeps ? to : lb_tfl_add_tensor(w, &t);
    const lb_tfl_step step = {.code = LB_TFL_AVERAGE_POOL,
                              .version = 2,
                              .in = {from},
                              .n_in = 1,
                              .out = pooled,
                              .options_type = LB_TFL_POOL_OPTIONS,
                              .option = {lb_flat_byte(LB_TFL_POOL_PADDING, LB_TFL_VALID),
                                         lb_flat_int(LB_TFL_POOL_STRIDE_W, width),
                                         lb_flat_int(LB_TFL_POOL_STRIDE_H, h),
                                         lb_flat_int(LB_TFL_POOL_WIDTH, width),
                                         lb_flat_int(LB_TFL_POOL_HEIGHT, h)},
                              .n_options = 5};
    lb_tfl_add_step(w, &step);
    if (!keeps && pooled >= 0)
        lb_tfl_put_shape(w, pooled, to);
}

static void put_rescaling_mean(lb_tfl_writer *w, int from, int to)
{
    static const int32_t axes[] = {1, 2};
    const bool keeps = w->draft.tensor[to].shape.rank == 4;
    const int list = lb_tfl_add_ints(w, w->draft.tensor[to].name, "_axes", axes, 2, 1);
    const lb_tfl_step step = {.code = LB_TFL_MEAN,
                              .version = 2,
                              .in = {from, list},
                              .n_in = 2,
                              .out = to,
                              .options_type = LB_TFL_MEAN_OPTIONS,
                              .option = {lb_flat_byte(LB_TFL_MEAN_KEEP, keeps)},
                              .n_options = 1};

    lb_tfl_add_step(w, &step);
}

bool lb_tfl_put_mean(lb_tfl_writer *w, const lb_node *node)
{
    const int x = lb_tfl_input(w, node, 0);

    if (x < 0)
        return false;
    if (!is_over_space(w->g, node))
        return lb_tfl_cannot(w, node, "only a mean over all of space is written");
    const int y = lb_tfl_result(w, node, node->out[0], -1);
    if (y < 0)
        return false;
    const lb_tfl_sketch *const in = &w->draft.tensor[x], *const out = &w->draft.tensor[y];
    if (in->scale[0] == out->scale[0] && in->zero[0] == out->zero[0])
        put_global_pool(w, x, y);
    else
        put_rescaling_mean(w, x, y);
    return true;
}
