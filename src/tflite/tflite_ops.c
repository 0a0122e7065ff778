/* tflite_ops.c: operators of the file as nodes of the graph.
 *
 * A handler works over real numbers; what a fused activation adds is a node of its own.
 * SAME padding becomes pads that may be one longer at the end than at the beginning. */
#include "tflite/tflite_int.h"

#include "ops/build.h"
#include "ops/ops.h"

#include <limits.h>

static lb_value activation(lb_tfl_reader *r, lb_tfl_node *node, lb_value v, int number)
{
    if (number == LB_TFL_NONE)
        return v;
    if (v.id != node->x[0].id)
        lb_tfl_name(r, v, lb_tfl_out(r, node), "_linear");
    switch (number) {
    case LB_TFL_ACT_RELU:
        return lb_relu(&r->b, v, NULL);
    case LB_TFL_ACT_RELU_N1_TO_1:
        return lb_clip(&r->b, v, -1, 1, NULL);
    case LB_TFL_ACT_RELU6:
        return lb_clip(&r->b, v, 0, 6, NULL);
    default:
        return lb_tfl_refuse(r, node,
                             "the fused activation %d is not supported; none, "
                             "RELU, RELU6 and RELU_N1_TO_1 are",
                             number);
    }
}

/* A window over the two spatial axes of x, and how the file pads it. */
typedef struct area {
    lb_window w; /* all but the pads */
    int padding;
} area;

static bool has_rank(lb_tfl_reader *r, lb_tfl_node *node, int rank)
{
    const int is = lb_rank(&r->b, node->x[0]);

    if (is != rank)
        lb_tfl_refuse(r, node, "its input has %d dimensions; %d are supported", is, rank);
    return is == rank;
}

/* Checks the window and works out its pads: of SAME as many as make ceil(size / stride)
 * windows, the odd one at the end. */
static bool set_pads(lb_tfl_reader *r, lb_tfl_node *node, area *a)
{
    enum { MOST = 1 << 15 };
    lb_window *const w = &a->w;

    for (int i = 0; i < 2; i++) {
        if (w->kernel[i] < 1 || w->stride[i] < 1 || w->dilation[i] < 1 ||
            w->kernel[i] > MOST || w->stride[i] > MOST || w->dilation[i] > MOST) {
            lb_tfl_blame(r, node, "its window is %dx%d, by strides of %d and %d",
                         w->kernel[0], w->kernel[1], w->stride[0], w->stride[1]);
            return false;
        }
        if (a->padding == LB_TFL_VALID)
            continue;
        const int64_t size = lb_dim(&r->b, node->x[0], i + 2);
        const int64_t n = (size + w->stride[i] - 1) / w->stride[i];
        const int64_t span = (int64_t)w->dilation[i] * (w->kernel[i] - 1) + 1;
        const int64_t missing = (n - 1) * w->stride[i] + span - size;
        w->pad_begin[i] = missing > 0 ? (int)(missing / 2) : 0;
        w->pad_end[i] = missing > 0 ? (int)(missing - missing / 2) : 0;
    }
    if (a->padding == LB_TFL_SAME || a->padding == LB_TFL_VALID)
        return true;
    lb_tfl_blame(r, node, "its padding is %d, neither SAME nor VALID", a->padding);
    return false;
}

/* The input of a convolution. What was padded for it, as exporters do where the pads are
 * not SAME, is read without, and the pads go to the window. */
static lb_value without_pads(const lb_tfl_reader *r, const lb_tfl_node *node, area *a)
{
    const lb_tfl_spot *const spot = &r->spot[node->op->in[0]];
    bool fits = spot->bare.id != 0 && a->padding == LB_TFL_VALID;

    for (int i = 0; i < 2; i++) {
        const int span = a->w.dilation[i] * (a->w.kernel[i] - 1) + 1;
        fits = fits && spot->pads[i] < span && spot->pads[i + 2] < span;
    }
    if (!fits)
        return node->x[0];
    for (int i = 0; i < 2; i++) {
        a->w.pad_begin[i] = spot->pads[i];
        a->w.pad_end[i] = spot->pads[i + 2];
    }
    return spot->bare;
}

/* How the file keeps a kind of convolution. */
typedef struct convolution {
    int padding, stride[2], dilation[2], activation; /* fields of its options */
    int perm[4];         /* the axes of its weights as [M,C/g,H,W] */
    const char *weights; /* as the file has them */
} convolution;

static const convolution plain = {
    .padding = LB_TFL_CONV_PADDING,
    .stride = {LB_TFL_CONV_STRIDE_H, LB_TFL_CONV_STRIDE_W},
    .dilation = {LB_TFL_CONV_DILATION_H, LB_TFL_CONV_DILATION_W},
    .activation = LB_TFL_CONV_ACTIVATION,
    .perm = {0, 3, 1, 2},
    .weights = "[M,H,W,C]",
};

/* Output channel m reads input channel m / multiplier: a convolution with a group for
 * each input channel. */
static const convolution deep = {
    .padding = LB_TFL_DEPTHWISE_PADDING,
    .stride = {LB_TFL_DEPTHWISE_STRIDE_H, LB_TFL_DEPTHWISE_STRIDE_W},
    .dilation = {LB_TFL_DEPTHWISE_DILATION_H, LB_TFL_DEPTHWISE_DILATION_W},
    .activation = LB_TFL_DEPTHWISE_ACTIVATION,
    .perm = {3, 0, 1, 2},
    .weights = "[1,H,W,C]",
};

/* Is the constant of that form? */
static bool has_filters(const lb_tfl_tensor *w, const convolution *kind)
{
    return w && lb_tfl_is_constant(w) && !w->strange && w->shape.rank == 4 &&
           (kind != &deep || w->shape.dim[0] == 1);
}

static lb_value convolve(lb_tfl_reader *r, lb_tfl_node *node, const convolution *kind)
{
    lb_flat *const f = &r->file.flat;
    const lb_flat_table *const o = &node->op->options;
    const lb_tfl_tensor *const w = lb_tfl_in(r, node, 1);
    area a = {.w = {.n = 2}, .padding = lb_flat_i8(f, o, kind->padding, 0)};
    lb_shape shape = {.rank = 4};

    if (!has_rank(r, node, 4))
        return (lb_value){0};
    if (!has_filters(w, kind))
        return lb_tfl_refuse(r, node, "its weights must be a constant %s", kind->weights);
    for (int i = 0; i < 4; i++)
        shape.dim[i] = w->shape.dim[kind->perm[i]];
    const int channels = lb_dim(&r->b, node->x[0], 1);
    const int m = shape.dim[0], per_group = shape.dim[1];
    if (channels % per_group != 0 || m % (channels / per_group) != 0)
        return lb_tfl_blame(r, node, "weights for %d channels do not go with %d",
                            w->shape.dim[3], channels);
    a.w.group = channels / per_group;
    for (int i = 0; i < 2; i++) {
        a.w.kernel[i] = shape.dim[2 + i];
        a.w.stride[i] = lb_flat_i32(f, o, kind->stride[i], 0);
        a.w.dilation[i] = lb_flat_i32(f, o, kind->dilation[i], 1);
    }
    if (!set_pads(r, node, &a))
        return (lb_value){0};
    const lb_value weights = lb_tfl_weights(r, node, 1, &w->shape, kind->perm, &shape);
    const lb_value bias = lb_tfl_bias(r, node, 2, m);
    if (node->refused)
        return (lb_value){0};
    const lb_value x = without_pads(r, node, &a);
    const lb_value y = lb_conv(&r->b, x, weights, bias, &a.w, NULL);
    return activation(r, node, y, lb_flat_i8(f, o, kind->activation, 0));
}

static lb_value conv(lb_tfl_reader *r, lb_tfl_node *node)
{
    return convolve(r, node, &plain);
}

static lb_value depthwise(lb_tfl_reader *r, lb_tfl_node *node)
{
    return convolve(r, node, &deep);
}

static lb_value pool(lb_tfl_reader *r, lb_tfl_node *node)
{
    lb_flat *const f = &r->file.flat;
    const lb_flat_table *const o = &node->op->options;
    area a = {.w = {.n = 2, .group = 1, .dilation = {1, 1}},
              .padding = lb_flat_i8(f, o, LB_TFL_POOL_PADDING, 0)};

    if (!has_rank(r, node, 4))
        return (lb_value){0};
    if (!lb_tfl_same_grid(lb_tfl_in(r, node, 0), lb_tfl_out(r, node)))
        return lb_tfl_refuse(r, node, "input and output have different scales");
    a.w.kernel[0] = lb_flat_i32(f, o, LB_TFL_POOL_HEIGHT, 0);
    a.w.kernel[1] = lb_flat_i32(f, o, LB_TFL_POOL_WIDTH, 0);
    a.w.stride[0] = lb_flat_i32(f, o, LB_TFL_POOL_STRIDE_H, 0);
    a.w.stride[1] = lb_flat_i32(f, o, LB_TFL_POOL_STRIDE_W, 0);
    if (!set_pads(r, node, &a))
        return (lb_value){0};
    const lb_value y = node->op->code == LB_TFL_MAX_POOL
                           ? lb_max_pool(&r->b, node->x[0], &a.w, NULL)
                           : lb_average_pool(&r->b, node->x[0], &a.w, false, NULL);
    return activation(r, node, y, lb_flat_i8(f, o, LB_TFL_POOL_ACTIVATION, 0));
}

/* The weights' columns follow the file's order of a flattened map: [M,H,W,C] becomes
 * [M,C,H,W]. */
static lb_value dense_weights(lb_tfl_reader *r, lb_tfl_node *node, const lb_shape *map,
                              int m, int k)
{
    lb_shape view = lb_shape_of(2, m, k);
    const lb_shape shape = view;
    int perm[LB_MAX_RANK] = {0, 1};

    if (map->rank > 2) {
        view.rank = map->rank;
        for (int i = 1; i < map->rank - 1; i++) {
            view.dim[i] = map->dim[i + 1];
            perm[i + 1] = i;
        }
        view.dim[map->rank - 1] = map->dim[1];
        perm[1] = map->rank - 1;
    }
    return lb_tfl_weights(r, node, 1, &view, perm, &shape);
}

static lb_value dense(lb_tfl_reader *r, lb_tfl_node *node)
{
    lb_flat *const f = &r->file.flat;
    const lb_flat_table *const o = &node->op->options;
    const lb_tfl_tensor *const in = lb_tfl_in(r, node, 0);
    const lb_tfl_tensor *const w = lb_tfl_in(r, node, 1);
    lb_shape map = r->spot[node->op->in[0]].map;
    lb_value x = node->x[0];
    size_t n = 0;

    if (lb_flat_i8(f, o, LB_TFL_DENSE_FORMAT, 0) != 0)
        return lb_tfl_refuse(r, node, "its weights are shuffled");
    if (!w || !lb_tfl_is_constant(w) || w->strange || w->shape.rank != 2)
        return lb_tfl_refuse(r, node, "its weights must be a constant [M,D]");
    const int m = w->shape.dim[0], k = w->shape.dim[1];
    if (!lb_shape_count(&in->shape, &n) || n != (size_t)k ||
        lb_tfl_out(r, node)->shape.rank != 2)
        return lb_tfl_refuse(r, node,
                             "it is applied to more than one vector of a sample");
    if (lb_rank(&r->b, x) > 2) {
        map = lb_type_of(&r->b, x).shape;
        x = lb_flatten(&r->b, x, NULL);
    }
    const lb_value weights = dense_weights(r, node, &map, m, k);
    const lb_value bias = lb_tfl_bias(r, node, 2, m);
    if (node->refused)
        return (lb_value){0};
    const lb_value y = lb_gemm(&r->b, x, weights, bias, false, true, NULL);
    return activation(r, node, y, lb_flat_i8(f, o, LB_TFL_DENSE_ACTIVATION, 0));
}

static lb_value add(lb_tfl_reader *r, lb_tfl_node *node)
{
    const lb_tfl_tensor *const a = lb_tfl_in(r, node, 0);
    const lb_tfl_tensor *const b = lb_tfl_in(r, node, 1);

    if (!lb_shape_equal(&a->shape, &b->shape))
        return lb_tfl_refuse(r, node, "it adds tensors of different shapes");
    const lb_value y = lb_add(&r->b, node->x[0], node->x[1]);
    return activation(
        r, node, y,
        lb_flat_i8(&r->file.flat, &node->op->options, LB_TFL_ADD_ACTIVATION, 0));
}

static lb_value concat(lb_tfl_reader *r, lb_tfl_node *node)
{
    lb_flat *const f = &r->file.flat;
    const lb_flat_table *const o = &node->op->options;
    const int rank = lb_tfl_in(r, node, 0)->shape.rank, n = node->op->n_in;
    const int given = lb_flat_i32(f, o, LB_TFL_CONCAT_AXIS, 0);
    const int axis = given < 0 && given >= -rank ? given + rank : given;

    if (axis < 1 || axis >= rank)
        return lb_tfl_refuse(r, node, "it joins along axis %d of %d", given, rank);
    for (int i = 0; i < n; i++)
        if (!lb_tfl_same_grid(lb_tfl_in(r, node, i), lb_tfl_out(r, node)))
            return lb_tfl_refuse(r, node, "inputs and output have different scales");
    const lb_value y = lb_concat(&r->b, node->x, n, lb_tfl_axis_in(rank, axis));
    return activation(r, node, y, lb_flat_i8(f, o, LB_TFL_CONCAT_ACTIVATION, 0));
}

static lb_value mean(lb_tfl_reader *r, lb_tfl_node *node)
{
    const int rank = lb_tfl_in(r, node, 0)->shape.rank;
    int64_t given[LB_MAX_RANK];
    int axes[LB_MAX_RANK], n = 0;

    if (!lb_tfl_ints(r, node, 1, LB_MAX_RANK, given, &n))
        return (lb_value){0};
    for (int i = 0; i < n; i++) {
        const int64_t axis = given[i] < 0 ? given[i] + rank : given[i];
        if (axis < 1 || axis >= rank - 1)
            return lb_tfl_refuse(
                r, node,
                "it takes the mean over axis %lld of %d; only means over "
                "spatial axes are supported",
                (long long)given[i], rank);
        axes[i] = lb_tfl_axis_in(rank, (int)axis);
    }
    const bool keep =
        lb_flat_u8(&r->file.flat, &node->op->options, LB_TFL_MEAN_KEEP, 0) != 0;
    if (!keep && n != rank - 2)
        return lb_tfl_refuse(r, node, "it takes the mean over some spatial axes only");
    return lb_reduce_mean(&r->b, node->x[0], axes, n, keep);
}

static lb_value softmax(lb_tfl_reader *r, lb_tfl_node *node)
{
    const float beta =
        lb_flat_f32(&r->file.flat, &node->op->options, LB_TFL_SOFTMAX_BETA, 0);

    if (beta != 1)
        return lb_tfl_refuse(r, node, "its beta is %g; only 1 is supported",
                             (double)beta);
    return lb_softmax(&r->b, node->x[0], 1);
}

/* Remembers what is padded, if it is a map and grows in space alone. */
static void keep_pads(lb_tfl_node *node, int rank, const int64_t *pads)
{
    enum { MOST = 1 << 10 };

    if (rank != 4 || pads[0] || pads[1] || pads[4] || pads[5])
        return;
    for (int i = 0; i < 4; i++) {
        const int64_t p = pads[i < 2 ? 2 + i : 4 + i];
        if (p < 0 || p > MOST)
            return;
        node->pads[i] = (int)p;
    }
    node->bare = node->x[0];
}

static lb_value pad(lb_tfl_reader *r, lb_tfl_node *node)
{
    const lb_tfl_tensor *const in = lb_tfl_in(r, node, 0);
    const int rank = in->shape.rank;
    int64_t given[2 * LB_MAX_RANK], pads[2 * LB_MAX_RANK] = {0};
    lb_tensor *tensor = NULL;
    int n = 0;

    if (!lb_tfl_ints(r, node, 1, 2 * LB_MAX_RANK, given, &n))
        return (lb_value){0};
    if (n != 2 * rank)
        return lb_tfl_blame(r, node, "it has %d pads for %d dimensions", n, rank);
    if (!lb_tfl_same_grid(in, lb_tfl_out(r, node)))
        return lb_tfl_refuse(r, node, "input and output have different scales");
    for (int i = 0; i < rank; i++) {
        const int axis = lb_tfl_axis_in(rank, i);
        pads[axis] = given[2 * i];
        pads[axis + rank] = given[2 * i + 1];
    }
    keep_pads(node, rank, pads);
    const lb_shape shape = lb_shape_of(1, 2 * rank);
    lb_error *const err = &r->b.error;
    if (err->code != LB_OK ||
        lb_tensor_new(r->b.graph->arena, LB_I64, &shape, &tensor, err) != LB_OK)
        return (lb_value){0};
    for (int i = 0; i < 2 * rank; i++)
        ((int64_t *)tensor->data)[i] = pads[i];
    const lb_value list = lb_constant(&r->b, NULL, tensor);
    const lb_value zero = lb_scalar(&r->b, LB_F32, 0);
    const lb_value x[] = {node->x[0], list, zero};
    return lb_add_node(&r->b, &lb_op_Pad, NULL, x, 3, NULL, 0);
}

static lb_value relu(lb_tfl_reader *r, lb_tfl_node *node)
{
    return activation(r, node, node->x[0],
                      node->op->code == LB_TFL_RELU ? LB_TFL_ACT_RELU : LB_TFL_ACT_RELU6);
}

/* The result's grid does the work. From one int8 grid to another a Clip stands between,
 * at the ends that the new grid has anyway: it is what computes the rescaling. */
static lb_value quantize(lb_tfl_reader *r, lb_tfl_node *node)
{
    const lb_tfl_tensor *const in = lb_tfl_in(r, node, 0);
    const lb_tfl_tensor *const out = lb_tfl_out(r, node);
    const bool uint8 = in->type == LB_TFL_UINT8 || out->type == LB_TFL_UINT8;
    double low, high;

    if (uint8 && !lb_tfl_is_shifted(in, out))
        return lb_tfl_refuse(r, node,
                             "it goes between uint8 and other grids than that of "
                             "int8 on the same scale");
    if (!uint8 && lb_tfl_is_int8(in) && lb_tfl_is_int8(out)) {
        lb_tfl_grid_ends(out, &low, &high);
        return lb_clip(&r->b, node->x[0], low, high, NULL);
    }
    node->passes = true;
    return node->x[0];
}

static lb_value dequantize(lb_tfl_reader *r, lb_tfl_node *node)
{
    const int from = node->op->in[0];
    lb_tfl_tensor *const out = &r->file.tensor[node->op->out[0]];

    node->passes = true;
    if (!lb_tfl_is_constant(&r->file.tensor[from]))
        return node->x[0];
    /* a constant under another name: who reads it widens it */
    const char *const name = out->name;
    *out = r->file.tensor[from];
    out->name = name;
    node->result = LB_TFL_UNKNOWN; /* as other constants are */
    return (lb_value){0};
}

/* Exporters that leave the batch open compute the shapes of reshapes. limbeck knows them
 * from the tensors that they are for. */
static lb_value shapes(lb_tfl_reader *r, lb_tfl_node *node)
{
    const lb_tfl_tensor *const out = lb_tfl_out(r, node);

    if (out->type != LB_TFL_INT32 && out->type != LB_TFL_INT64)
        return lb_tfl_refuse(r, node, "this operator is not supported");
    node->result = LB_TFL_SHAPES;
    return (lb_value){0};
}

static const lb_tfl_row rows[] = {
    {LB_TFL_ADD, add, LB_TFL_ADD_OPTIONS, 2, 2, 2},
    {LB_TFL_AVERAGE_POOL, pool, LB_TFL_POOL_OPTIONS, 1, 1, 1},
    {LB_TFL_CONCATENATION, concat, LB_TFL_CONCAT_OPTIONS, 1, LB_MAX_INPUTS, -1},
    {LB_TFL_CONV, conv, LB_TFL_CONV_OPTIONS, 2, 3, 1},
    {LB_TFL_DEPTHWISE, depthwise, LB_TFL_DEPTHWISE_OPTIONS, 2, 3, 1},
    {LB_TFL_DEQUANTIZE, dequantize, LB_TFL_DEQUANTIZE_OPTIONS, 1, 1, 1},
    {LB_TFL_FULLY_CONNECTED, dense, LB_TFL_DENSE_OPTIONS, 2, 3, 1},
    {LB_TFL_MAX_POOL, pool, LB_TFL_POOL_OPTIONS, 1, 1, 1},
    {LB_TFL_RELU, relu, LB_TFL_NO_OPTIONS, 1, 1, 1},
    {LB_TFL_RELU6, relu, LB_TFL_NO_OPTIONS, 1, 1, 1},
    {LB_TFL_RESHAPE, lb_tfl_reshape, LB_TFL_RESHAPE_OPTIONS, 1, 2, 1},
    {LB_TFL_SOFTMAX, softmax, LB_TFL_SOFTMAX_OPTIONS, 1, 1, 1},
    {LB_TFL_PAD, pad, LB_TFL_PAD_OPTIONS, 2, 2, 1},
    {LB_TFL_MEAN, mean, LB_TFL_MEAN_OPTIONS, 2, 2, 1},
    {LB_TFL_SQUEEZE, lb_tfl_reshape, LB_TFL_SQUEEZE_OPTIONS, 1, 1, 1},
    {LB_TFL_EXPAND_DIMS, lb_tfl_reshape, LB_TFL_EXPAND_DIMS_OPTIONS, 2, 2, 1},
    {LB_TFL_STRIDED_SLICE, shapes, LB_TFL_NO_OPTIONS, 1, LB_MAX_INPUTS, 0},
    {LB_TFL_SHAPE, shapes, LB_TFL_NO_OPTIONS, 1, 1, 0},
    {LB_TFL_PACK, shapes, LB_TFL_NO_OPTIONS, 1, LB_MAX_INPUTS, 0},
    {LB_TFL_QUANTIZE, quantize, LB_TFL_QUANTIZE_OPTIONS, 1, 1, 1},
};

const lb_tfl_row *lb_tfl_find_row(int code)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].code == code)
            return &rows[i];
    return NULL;
}
