/* kernel_cases.h: random nodes of the operators that have fast kernels.
 *
 * Each maker adds the inputs and one node to an empty graph: odd sizes, strides,
 * dilations, uneven pads, groups, channels that do not fill a block. */
#ifndef LB_TESTS_ENGINE_KERNEL_CASES_H
#define LB_TESTS_ENGINE_KERNEL_CASES_H

#include "base/rng.h"
#include "ops/ops.h"
#include "ops/window.h"

#include <string.h>

typedef struct maker {
    lb_builder b;
    lb_rng rng;
    int samples, batch; /* of a group, in all */
} maker;

static inline int pick(maker *m, int low, int high)
{
    return low + (int)lb_rng_below(&m->rng, (uint64_t)(high - low + 1));
}

static inline lb_value batched(maker *m, lb_dtype dtype, lb_shape shape)
{
    shape.dim[0] = LB_BATCH;
    return lb_input(&m->b, NULL, dtype, &shape);
}

/* An unbatched input of the kind that statistics and gradients of params are. */
static inline lb_value fixed(maker *m, lb_dtype dtype, lb_shape shape)
{
    return lb_input(&m->b, NULL, dtype, &shape);
}

static inline lb_value weights(maker *m, lb_shape shape)
{
    lb_tensor *t = NULL;
    lb_error err;

    if (lb_tensor_new(m->b.graph->arena, LB_F32, &shape, &t, &err) != LB_OK)
        return (lb_value){0};
    return lb_param(&m->b, NULL, t);
}

static inline lb_value whole_numbers(maker *m, const int64_t *values, int n)
{
    const lb_shape shape = lb_shape_of(1, n);
    lb_tensor *t = NULL;
    lb_error err;

    if (lb_tensor_new(m->b.graph->arena, LB_I64, &shape, &t, &err) != LB_OK)
        return (lb_value){0};
    for (int i = 0; i < n; i++)
        lb_tensor_put(t, (size_t)i, (double)values[i]);
    return lb_constant(&m->b, NULL, t);
}

static inline lb_value add(maker *m, const char *op, const lb_value *in, int n_in,
                           const lb_attr *attrs, int n_attrs)
{
    return lb_add_node(&m->b, lb_op_find(op), NULL, in, n_in, attrs, n_attrs);
}

static inline lb_shape map_shape(maker *m)
{
    const int c = pick(m, 1, 37), h = pick(m, 1, 11), w = pick(m, 1, 13);

    return pick(m, 0, 3) ? lb_shape_of(4, 1, c, h, w) : lb_shape_of(3, 1, c, w);
}

static inline lb_shape any_shape(maker *m)
{
    return pick(m, 0, 2) ? map_shape(m) : lb_shape_of(2, 1, pick(m, 1, 70));
}

static inline void make_unary(maker *m, const char *op)
{
    const lb_value x = batched(m, LB_F32, any_shape(m));

    add(m, op, &x, 1, NULL, 0);
}

static inline void make_binary(maker *m, const char *op)
{
    const lb_shape shape = any_shape(m);
    const lb_value x = batched(m, LB_F32, shape);
    const bool by_number = strcmp(op, "Mul") == 0 && pick(m, 0, 2) == 0;
    const lb_value y =
        by_number ? lb_scalar(&m->b, LB_F32, 0.375) : batched(m, LB_F32, shape);
    const lb_value in[] = {x, y};

    add(m, op, in, 2, NULL, 0);
}

/* x (or y) and dy of a slope, x alone of a function; a number as Pow has it. */
static inline void make_element(maker *m, const char *op)
{
    static const double exponent[] = {2, 0.5, 1, 3, 1.5, 0};
    const bool slope = strstr(op, "Grad") != NULL && strcmp(op, "StopGradient") != 0;
    const bool power = strncmp(op, "Pow", 3) == 0;
    const lb_shape shape = any_shape(m);
    const lb_attr attrs[] = {lb_af("alpha", 0.2),
                             lb_af("threshold", pick(m, -1, 1) * 0.25)};
    lb_value in[3];
    int n = 0;

    in[n++] = batched(m, LB_F32, shape);
    if (slope)
        in[n++] = batched(m, LB_F32, shape);
    const int64_t two = 2;
    if (power)
        in[n++] = pick(m, 0, 3)
                      ? lb_scalar(&m->b, LB_F32, exponent[pick(m, 0, 5 - slope)])
                      : whole_numbers(m, &two, 1);
    add(m, op, in, n, attrs, 2);
}

/* Shapes that are broadcast: axes of 1 on either side, missing axes, single numbers. */
static inline void make_spread(maker *m, const char *op)
{
    const bool with_batch = pick(m, 0, 2) > 0;
    const int rank = pick(m, 1, 4);
    lb_shape shape[2];
    lb_value in[2];

    for (int k = 0; k < 2; k++)
        shape[k] = (lb_shape){.rank = rank};
    for (int i = 0; i < rank; i++) {
        const int size = pick(m, 1, 9), which = pick(m, 0, 3);
        shape[0].dim[i] = which == 0 ? 1 : size;
        shape[1].dim[i] = which == 1 ? 1 : size;
    }
    const int gone = pick(m, 0, rank); /* axes that the second lacks */
    for (int i = 0; i + gone < rank; i++)
        shape[1].dim[i] = shape[1].dim[i + gone];
    shape[1].rank -= gone;
    const int large = pick(m, 0, 1);
    in[large] = with_batch ? batched(m, LB_F32, shape[0]) : fixed(m, LB_F32, shape[0]);
    in[!large] = with_batch && gone == 0 && pick(m, 0, 1) ? batched(m, LB_F32, shape[1])
                                                          : fixed(m, LB_F32, shape[1]);
    if (with_batch && gone == 0 && lb_dim(&m->b, in[!large], 0) != LB_BATCH) {
        shape[1].dim[0] = 1;
        in[!large] = fixed(m, LB_F32, shape[1]);
    }
    const lb_attr attrs[] = {lb_ai("index", pick(m, 0, 1)),
                             lb_ai("least", pick(m, 0, 1))};
    add(m, op, in, 2, attrs, 2);
}

static inline void make_batch(maker *m, const char *op)
{
    const lb_attr attr = lb_ai("batch", m->batch);
    lb_shape shape = pick(m, 0, 2) ? any_shape(m) : lb_shape_of(1, 1);

    if (strcmp(op, "BatchGather") == 0) {
        const lb_value x = batched(m, LB_F32, shape);
        add(m, op, &x, 1, &attr, 1);
        return;
    }
    shape.dim[0] = m->batch;
    const lb_value x = fixed(m, LB_F32, shape);
    add(m, op, &x, 1, NULL, 0);
}

static inline void make_clip(maker *m, const char *op)
{
    const bool grad = strcmp(op, "ClipGrad") == 0;
    const lb_shape shape = any_shape(m);
    lb_value in[4];
    int n = 0;

    in[n++] = batched(m, LB_F32, shape);
    if (grad)
        in[n++] = batched(m, LB_F32, shape);
    const double low = pick(m, -4, 1) * 0.25;
    in[n++] = pick(m, 0, 4) ? lb_scalar(&m->b, LB_F32, low) : (lb_value){0};
    in[n++] = pick(m, 0, 4) ? lb_scalar(&m->b, LB_F32, low + 0.75) : (lb_value){0};
    add(m, op, in, n, NULL, 0);
}

/* FakeQuantize and its gradients: maps with one scale, weights with one for each row. */
static inline void make_fake(maker *m, const char *op)
{
    const bool grad = strcmp(op, "FakeQuantize") != 0, rows = pick(m, 0, 1);
    lb_shape shape = any_shape(m);
    lb_value in[3];
    int n = 0;

    shape.dim[0] = pick(m, 1, 19);
    for (int i = 0; i <= grad; i++)
        in[n++] = rows ? fixed(m, LB_F32, shape) : batched(m, LB_F32, shape);
    const lb_shape scales = rows ? lb_shape_of(1, shape.dim[0]) : lb_shape_of(0);
    lb_tensor *t = NULL;
    lb_error err;
    if (lb_tensor_new(m->b.graph->arena, LB_F32, &scales, &t, &err) != LB_OK)
        return;
    for (size_t i = 0; i < t->n; i++)
        lb_tensor_put(t, i, 0.002 + 0.01 * lb_rng_uniform(&m->rng));
    in[n++] = lb_constant(&m->b, NULL, t);
    const lb_attr attrs[] = {lb_ai("zero_point", pick(m, -128, 127)),
                             lb_ai("low", pick(m, -128, -127)), lb_ai("high", 127)};
    add(m, op, in, n, attrs, 3);
}

/* An activation for a fused node, or none. */
static inline int pick_activation(maker *m, lb_attr *attrs)
{
    static const double limits[3][2] = {{0, 6}, {-0.5, 0.5}, {0.25, 1}};
    const char *const names[] = {"", "Relu", "Clip"};

    attrs[0] = lb_at("activation", names[pick(m, 0, 2)]);
    attrs[1] = (lb_attr){.name = "activation_params",
                         .kind = LB_ATTR_FLOATS,
                         .n = 2,
                         .floats = limits[pick(m, 0, 2)]};
    return 2;
}

/* masked: inputs and more that an activation asks for, or that may be left out. */
static inline void make_norm(maker *m, const char *op)
{
    static const struct {
        const char *op;
        int maps, sums, floats, masked, more;
    } form[] = {
        {"BatchNormalization", 1, 0, 4, 0, 0}, {"BatchNormStats", 1, 0, 0, 0, 0},
        {"BatchNormApply", 1, 2, 2, 0, 0},     {"FusedBatchNorm", 1, 2, 2, 0, 1},
        {"BatchNormGradStats", 2, 2, 0, 2, 0}, {"BatchNormGradJoin", 2, 2, 0, 0, 2},
        {"BatchNormGradInput", 2, 2, 3, 1, 0}};
    const lb_shape shape = map_shape(m), channels = lb_shape_of(1, shape.dim[1]);
    lb_attr attrs[3] = {lb_af("epsilon", 1e-3)};
    lb_value in[LB_MAX_INPUTS];
    int i = 0, n = 0, n_attrs = 1;

    while (strcmp(form[i].op, op) != 0)
        i++;
    for (int k = 0; k < form[i].maps; k++)
        in[n++] = batched(m, LB_F32, shape);
    for (int k = 0; k < form[i].sums; k++)
        in[n++] = fixed(m, LB_F64, channels);
    for (int k = 0; k < form[i].floats; k++)
        in[n++] = fixed(m, LB_F32, channels);
    const bool fused = form[i].masked + form[i].more > 0 && pick(m, 0, 3);
    if (fused)
        n_attrs += pick_activation(m, attrs + 1);
    for (int k = 0; fused && k < form[i].masked; k++)
        in[n++] = fixed(m, LB_F32, channels);
    for (int k = 0; k < form[i].more; k++)
        in[n++] = pick(m, 0, 2) ? batched(m, LB_F32, shape) : (lb_value){0};
    add(m, op, in, n, attrs, n_attrs);
}

/* The windows that networks use most: square, 3 or 1, no dilation. */
static inline lb_window usual_window(maker *m, int n)
{
    const int kernel = pick(m, 0, 3) ? 3 : 1, stride = pick(m, 0, 2) ? 1 : 2;
    lb_window w = {.n = n, .group = 1};

    for (int i = 0; i < n; i++) {
        w.kernel[i] = kernel;
        w.stride[i] = stride;
        w.dilation[i] = 1;
        w.pad_begin[i] = pick(m, 0, 2) ? kernel / 2 : pick(m, 0, kernel - 1);
        w.pad_end[i] = pick(m, 0, 2) ? kernel / 2 : pick(m, 0, kernel - 1);
    }
    return w;
}

/* A window that fits h x w. */
static inline lb_window random_window(maker *m, int n, const int *size, bool dilate)
{
    lb_window w = {.n = n, .group = 1};

    for (int i = 0; i < n; i++) {
        do {
            w.kernel[i] = pick(m, 1, 5);
            w.stride[i] = pick(m, 1, 3);
            w.dilation[i] = dilate ? pick(m, 1, 2) : 1;
            w.pad_begin[i] = pick(m, 0, w.kernel[i] - 1);
            w.pad_end[i] = pick(m, 0, w.kernel[i] - 1);
        } while (lb_window_count(&w, i, size[i], false) < 1);
    }
    return w;
}

/* ReLU-sized, image-like, grouped and depthwise convolutions. */
static inline void random_channels(maker *m, lb_window *w, int *c, int *f)
{
    *c = pick(m, 1, 40);
    *f = pick(m, 1, 40);
    switch (pick(m, 0, 3)) {
    case 0:
        *c = pick(m, 1, 3);
        break;
    case 1:
        w->group = *f = *c;
        break;
    case 2:
        w->group = 2;
        *c = 32 * pick(m, 1, 2);
        *f = 32 * pick(m, 1, 2);
        break;
    default:
        break;
    }
}

static inline void make_fused(maker *m, const lb_value *conv_in, int n, lb_shape y,
                              const lb_attr *window, int n_window)
{
    lb_value in[4] = {conv_in[0], conv_in[1], n > 2 ? conv_in[2] : (lb_value){0}, {0}};
    lb_attr attrs[LB_WINDOW_ATTRS + 2];

    if (pick(m, 0, 1))
        in[3] = batched(m, LB_F32, y);
    for (int i = 0; i < n_window; i++)
        attrs[i] = window[i];
    pick_activation(m, attrs + n_window);
    add(m, "FusedConv", in, 4, attrs, n_window + 2);
}

/* A convolution of c to f channels. */
static inline void add_conv(maker *m, const char *op, lb_window w, const int size[2],
                            int c, int f)
{
    const int n = w.n;
    lb_attr attrs[LB_WINDOW_ATTRS + 1];
    lb_window_store store;

    lb_shape x = lb_shape_of(2, 1, c), y = lb_shape_of(2, 1, f);
    lb_shape k = lb_shape_of(2, f, c / w.group);
    int64_t spatial[2];
    for (int i = 0; i < n; i++) {
        x.dim[x.rank++] = size[i];
        spatial[i] = size[i];
        y.dim[y.rank++] = lb_window_count(&w, i, size[i], false);
        k.dim[k.rank++] = w.kernel[i];
    }
    int n_attrs = lb_window_attrs(&w, true, &store, attrs);
    if (strcmp(op, "ConvGradInput") == 0) {
        const lb_value dy = batched(m, LB_F32, y);
        const lb_value in[] = {dy, weights(m, k)};
        attrs[n_attrs++] = lb_ais("spatial", spatial, n);
        add(m, op, in, 2, attrs, n_attrs);
        return;
    }
    const lb_value image = batched(m, LB_F32, x);
    if (strcmp(op, "ConvGradWeight") == 0) {
        const lb_value in[] = {image, batched(m, LB_F32, y)};
        add(m, op, in, 2, attrs, n_attrs);
        return;
    }
    const lb_value kernel = weights(m, k);
    const lb_value bias = pick(m, 0, 1) ? weights(m, lb_shape_of(1, f)) : (lb_value){0};
    const lb_value in[] = {image, kernel, bias};
    if (strcmp(op, "FusedConv") == 0)
        make_fused(m, in, 3, y, attrs, n_attrs);
    else
        add(m, op, in, 3, attrs, n_attrs);
}

static inline void make_conv(maker *m, const char *op)
{
    const int n = pick(m, 0, 3) ? 2 : 1;
    const int size[2] = {pick(m, 5, 14), pick(m, 5, 17)};
    lb_window w = pick(m, 0, 1) ? usual_window(m, n) : random_window(m, n, size, true);
    int c, f;

    random_channels(m, &w, &c, &f);
    add_conv(m, op, w, size, c, f);
}

static inline void make_conv_transpose(maker *m, const char *op)
{
    const int n = pick(m, 0, 3) ? 2 : 1;
    const int size[2] = {pick(m, 1, 9), pick(m, 1, 11)};
    lb_window w = {.n = n, .group = 1};
    lb_shape x = lb_shape_of(2, 1, 0), k = lb_shape_of(2, 0, 0);
    int64_t extra[2] = {0};
    lb_attr attrs[LB_WINDOW_ATTRS + 1];
    lb_window_store store;
    int c, f;

    random_channels(m, &w, &c, &f);
    for (int i = 0; i < n; i++) {
        w.kernel[i] = pick(m, 1, 4);
        w.stride[i] = pick(m, 1, 3);
        w.dilation[i] = pick(m, 1, 2);
        w.pad_begin[i] = pick(m, 0, w.kernel[i] / 2);
        w.pad_end[i] = pick(m, 0, w.kernel[i] / 2);
        extra[i] = pick(m, 0, w.stride[i] - 1);
        x.dim[x.rank++] = size[i] + 2;
        k.dim[k.rank++] = w.kernel[i];
    }
    x.dim[1] = k.dim[0] = c;
    k.dim[1] = f / w.group;
    int n_attrs = lb_window_attrs(&w, true, &store, attrs);
    attrs[n_attrs++] = lb_ais("output_padding", extra, n);
    const lb_value image = batched(m, LB_F32, x), kernel = weights(m, k);
    const lb_value bias = pick(m, 0, 1) ? weights(m, lb_shape_of(1, f)) : (lb_value){0};
    const lb_value in[] = {image, kernel, bias};
    add(m, op, in, 3, attrs, n_attrs);
}

static inline void make_resize(maker *m, const char *op)
{
    const lb_value x = batched(m, LB_F32, map_shape(m));
    const int64_t factor[] = {1, 1, pick(m, 1, 3), pick(m, 1, 3)};
    const lb_attr attrs[] = {lb_at("nearest_mode", "floor"),
                             lb_at("coordinate_transformation_mode", "asymmetric")};
    const lb_value scales = whole_numbers(m, factor, lb_rank(&m->b, x));
    const lb_value in[] = {x, {0}, scales};

    add(m, op, in, 3, attrs, 2);
}

/* Cuts with steps, backwards too, of every axis but the batch's; often of the plane
 * alone, which blocks can stay for. */
static inline void make_slice(maker *m, const char *op)
{
    const lb_shape shape = map_shape(m);
    const int first = pick(m, 0, 2) ? 2 : 1, n = shape.rank - first;
    int64_t start[LB_MAX_RANK], end[LB_MAX_RANK], axis[LB_MAX_RANK], step[LB_MAX_RANK];

    for (int i = 0; i < n; i++) {
        const int dim = shape.dim[first + i], low = pick(m, 0, dim - 1);
        const bool back = pick(m, 0, 4) == 0;
        axis[i] = first + i;
        step[i] = back ? -pick(m, 1, 2) : pick(m, 1, 3);
        start[i] = back ? dim - 1 - low : low;
        end[i] = back ? -dim - 1 : pick(m, 0, 1) ? INT64_MAX : dim;
    }
    const lb_value in[] = {batched(m, LB_F32, shape), whole_numbers(m, start, n),
                           whole_numbers(m, end, n), whole_numbers(m, axis, n),
                           whole_numbers(m, step, n)};
    add(m, op, in, 5, NULL, 0);
}

static inline void make_slice_grad(maker *m, const char *op)
{
    const lb_shape part = map_shape(m);
    const int first = pick(m, 0, 2) ? 2 : 1;
    int64_t start[LB_MAX_RANK] = {0}, step[LB_MAX_RANK], dims[LB_MAX_RANK];

    for (int i = 0; i < part.rank; i++) {
        const bool cut = i >= first;
        step[i] = cut ? pick(m, 1, 3) : 1;
        start[i] = cut ? pick(m, 0, 2) : 0;
        dims[i] =
            i ? start[i] + (part.dim[i] - 1) * step[i] + 1 + (cut ? pick(m, 0, 2) : 0)
              : LB_BATCH;
    }
    const lb_attr attrs[] = {lb_ais("starts", start, part.rank),
                             lb_ais("steps", step, part.rank),
                             lb_ais("dims", dims, part.rank)};
    const lb_value dy = batched(m, LB_F32, part);
    add(m, op, &dy, 1, attrs, 3);
}

/* Blocks can stay where whole blocks of zeros come in front. */
static inline void make_pad(maker *m, const char *op)
{
    static const int before[] = {0, 8, 16, 3, -1};
    const lb_shape shape = map_shape(m);
    const bool zero = pick(m, 0, 2) > 0;
    int64_t pads[2 * LB_MAX_RANK] = {0};

    for (int i = 1; i < shape.rank; i++) {
        const int least = shape.dim[i] > 3 ? -1 : 0;
        pads[i] =
            i == 1 ? before[pick(m, 0, shape.dim[1] > 3 ? 4 : 3)] : pick(m, least, 3);
        pads[i + shape.rank] = i == 1 ? pick(m, 0, 9) : pick(m, least, 3);
    }
    const lb_value in[] = {batched(m, LB_F32, shape),
                           whole_numbers(m, pads, 2 * shape.rank),
                           lb_scalar(&m->b, LB_F32, zero ? 0 : -0.5)};
    add(m, op, in, zero && pick(m, 0, 1) ? 2 : 3, NULL, 0);
}

/* Depthwise 3x3 windows, small maps among them, pads up to a whole window. */
static inline void make_depthwise(maker *m, const char *op)
{
    const int stride = pick(m, 1, 2), c = pick(m, 1, 40);
    const int size[2] = {pick(m, 1, 9), pick(m, 1, 25)};
    lb_window w = {.n = 2, .group = c};

    for (int i = 0; i < 2; i++) {
        w.kernel[i] = 3;
        w.stride[i] = stride;
        w.dilation[i] = 1;
        do {
            w.pad_begin[i] = pick(m, 0, 3) ? 1 : pick(m, 0, 3);
            w.pad_end[i] = pick(m, 0, 3) ? 1 : pick(m, 0, 3);
        } while (lb_window_count(&w, i, size[i], false) < 1);
    }
    add_conv(m, op, w, size, c, c);
}

/* 1x1 windows, between one and many pixels. */
static inline void make_point(maker *m, const char *op)
{
    const int size[2] = {pick(m, 1, 14), pick(m, 0, 1) ? pick(m, 1, 3) : pick(m, 1, 20)};
    const lb_window w = {
        .n = 2, .group = 1, .kernel = {1, 1}, .stride = {1, 1}, .dilation = {1, 1}};
    const int c = pick(m, 1, 70), f = pick(m, 1, 70);

    add_conv(m, op, w, size, c, f);
}

static inline void make_gemm(maker *m, const char *op)
{
    const int k = pick(m, 1, 70), n = pick(m, 1, 40);
    const bool tb = pick(m, 0, 1), over_batch = pick(m, 0, 2) == 0;
    const lb_value x = batched(m, LB_F32, lb_shape_of(2, 1, k));
    lb_value in[3] = {x};
    const lb_attr attrs[] = {lb_ai("transA", over_batch),
                             lb_ai("transB", !over_batch && tb),
                             lb_af("alpha", pick(m, 0, 2) ? 1 : 0.5)};

    if (over_batch) {
        in[1] = batched(m, LB_F32, lb_shape_of(2, 1, n));
    } else {
        in[1] = weights(m, tb ? lb_shape_of(2, n, k) : lb_shape_of(2, k, n));
        if (pick(m, 0, 1))
            in[2] = weights(m, lb_shape_of(1, n));
    }
    add(m, op, in, 3, attrs, 3);
}

static inline void make_matmul(maker *m, const char *op)
{
    const int k = pick(m, 1, 40), n = pick(m, 1, 40), rows = pick(m, 1, 9);
    const bool deep = pick(m, 0, 1), grad = strcmp(op, "MatMul") != 0;
    lb_value in[2];

    in[0] = batched(m, LB_F32, deep ? lb_shape_of(3, 1, rows, k) : lb_shape_of(2, 1, k));
    if (grad)
        in[1] =
            batched(m, LB_F32, deep ? lb_shape_of(3, 1, rows, n) : lb_shape_of(2, 1, n));
    else
        in[1] = weights(m, lb_shape_of(2, k, n));
    add(m, op, in, 2, NULL, 0);
}

/* Stacks of matrices, of which either side may have one for all. */
static inline void make_matmul_stack(maker *m, const char *op)
{
    const int rows = pick(m, 1, 20), k = pick(m, 1, 40), n = pick(m, 1, 40);
    const int heads = pick(m, 1, 3);
    lb_value in[2];

    switch (pick(m, 0, 3)) {
    case 0:
        in[0] = batched(m, LB_F32, lb_shape_of(3, 1, rows, k));
        in[1] = batched(m, LB_F32, lb_shape_of(3, 1, k, n));
        break;
    case 1:
        in[0] = batched(m, LB_F32, lb_shape_of(4, 1, heads, rows, k));
        in[1] = batched(m, LB_F32, lb_shape_of(4, 1, 1, k, n));
        break;
    case 2:
        in[0] = fixed(m, LB_F32, lb_shape_of(2, rows, k));
        in[1] = batched(m, LB_F32, lb_shape_of(3, 1, k, n));
        break;
    default:
        in[0] = fixed(m, LB_F32, lb_shape_of(3, heads, rows, k));
        in[1] = fixed(m, LB_F32, lb_shape_of(3, heads, k, n));
        break;
    }
    add(m, op, in, 2, NULL, 0);
}

static inline void make_transpose(maker *m, const char *op)
{
    const bool with_batch = pick(m, 0, 2) > 0;
    lb_shape shape = {.rank = pick(m, with_batch ? 2 : 1, 5)};
    int64_t perm[LB_MAX_RANK];

    for (int i = 0; i < shape.rank; i++) {
        shape.dim[i] = pick(m, 1, shape.rank > 3 ? 7 : 40);
        perm[i] = i;
    }
    for (int i = shape.rank - 1; i > with_batch; i--) {
        const int j = pick(m, with_batch, i);
        const int64_t kept = perm[i];
        perm[i] = perm[j];
        perm[j] = kept;
    }
    const lb_attr attr = lb_ais("perm", perm, shape.rank);
    const lb_value x = with_batch ? batched(m, LB_F32, shape) : fixed(m, LB_F32, shape);
    add(m, op, &x, 1, &attr, with_batch || pick(m, 0, 3));
}

static inline void make_pool(maker *m, const char *op)
{
    const bool grad = strstr(op, "Grad") != NULL, average = op[0] == 'A';
    lb_shape x = map_shape(m), y = x;
    const int n = x.rank - 2;
    const bool ceil = pick(m, 0, 2) == 0, whole = pick(m, 0, 3) == 0;
    lb_window w = random_window(m, n, &x.dim[2], false);
    lb_attr attrs[LB_WINDOW_ATTRS + 3];
    lb_window_store store;
    int64_t spatial[2];
    lb_value in[2];
    int n_in = 0;

    if (whole) /* what the gradient of a global pool is */
        w = (lb_window){.n = n, .kernel = {x.dim[2], x.dim[3]}};
    for (int i = 0; i < n; i++) {
        w.stride[i] = w.stride[i] ? w.stride[i] : 1;
        w.dilation[i] = w.dilation[i] ? w.dilation[i] : 1;
        spatial[i] = x.dim[i + 2];
        y.dim[i + 2] = lb_window_count(&w, i, x.dim[i + 2], ceil);
    }
    int n_attrs = lb_window_attrs(&w, false, &store, attrs);
    if (average)
        attrs[n_attrs++] = lb_ai("count_include_pad", pick(m, 0, 1));
    if (grad && average)
        attrs[n_attrs++] = lb_ais("spatial", spatial, n);
    else
        in[n_in++] = batched(m, LB_F32, x);
    if (grad)
        in[n_in++] = batched(m, LB_F32, y);
    else
        attrs[n_attrs++] = lb_ai("ceil_mode", ceil);
    add(m, op, in, n_in, attrs, n_attrs);
}

static inline void make_global(maker *m, const char *op)
{
    const lb_value x = batched(m, LB_F32, map_shape(m));

    add(m, op, &x, 1, NULL, 0);
}

static inline void make_shape(maker *m, const char *op)
{
    const bool pixel = pick(m, 0, 1);
    const int c = pick(m, 1, 40), h = pixel ? 1 : pick(m, 1, 4);
    const lb_shape shape = lb_shape_of(4, 1, c, h, 1);
    const lb_value x = batched(m, LB_F32, shape);
    const int64_t to[] = {0, -1}, axis = 3;
    lb_value in[2] = {x};
    int n = 1;

    if (strcmp(op, "Reshape") == 0)
        in[n++] = whole_numbers(m, to, 2);
    else if (strstr(op, "squeeze") || strstr(op, "Squeeze"))
        in[n++] = whole_numbers(m, &axis, 1);
    add(m, op, in, n, NULL, 0);
}

static inline void make_softmax(maker *m, const char *op)
{
    const lb_shape shape = lb_shape_of(2, 1, pick(m, 1, 90));
    const lb_value x = batched(m, LB_F32, shape);
    const bool grad = strstr(op, "Grad") != NULL;
    const lb_value in[] = {x, grad ? batched(m, LB_F32, shape) : x};

    add(m, op, in, grad ? 2 : 1, NULL, 0);
}

static inline void make_reduce_sum(maker *m, const char *op)
{
    const lb_shape shape = map_shape(m);
    const int64_t axes[] = {0, 2, -1};
    const lb_attr keep = lb_ai("keepdims", 0);
    const lb_value x = batched(m, LB_F32, shape);
    const lb_value in[] = {x, whole_numbers(m, axes, shape.rank - 1)};

    add(m, op, in, 2, &keep, 1);
}

/* Over the last axes, from `from` on: of rows, of maps, of everything. */
static inline void make_ends(maker *m, const char *op)
{
    const bool expand = strcmp(op, "ExpandLike") == 0;
    const lb_shape shape =
        pick(m, 0, 1) ? map_shape(m) : lb_shape_of(2, 1, pick(m, 1, 9));
    const int from = pick(m, 0, shape.rank - 1), keep = pick(m, 0, 1);
    lb_shape small = {0};
    int64_t axes[LB_MAX_RANK];
    int n = 0;

    for (int i = 0; i < shape.rank; i++) {
        if (i >= from)
            axes[n++] = pick(m, 0, 1) ? i : i - (expand ? 0 : shape.rank);
        if (i < from || keep)
            small.dim[small.rank++] = i < from ? shape.dim[i] : 1;
    }
    const lb_attr attrs[] = {lb_ai("keepdims", keep), lb_ais("axes", axes, n),
                             lb_ai("mean", pick(m, 0, 1))};
    if (expand) {
        const lb_value x = from > 0 ? batched(m, LB_F32, small) : fixed(m, LB_F32, small);
        const lb_value in[] = {x, batched(m, LB_F32, shape)};
        add(m, op, in, 2, attrs, 3);
        return;
    }
    const lb_value in[] = {batched(m, LB_F32, shape)};
    add(m, op, in, 1, attrs, 2);
}

/* Reductions over any axes and their gradients, batched or not. */
static inline void make_any_axes(maker *m, const char *op)
{
    const bool with_batch = pick(m, 0, 1), expand = strcmp(op, "ExpandLike") == 0;
    const bool grad = strstr(op, "Grad") != NULL, max = strstr(op, "Max") != NULL;
    lb_shape shape = {.rank = pick(m, 1, 4)}, small = {0};
    const int keep = pick(m, 0, 1);
    int64_t axes[LB_MAX_RANK];
    lb_value in[2];
    int n = 0;

    for (int i = 0; i < shape.rank; i++) {
        const bool gone = pick(m, 0, 1) && !(i == 0 && with_batch && max);
        shape.dim[i] = pick(m, 1, 12);
        if (gone)
            axes[n++] = i;
        if (!gone || keep)
            small.dim[small.rank++] = gone ? 1 : shape.dim[i];
    }
    if (n == 0) { /* no axes would mean all of them */
        add(m, "Identity", &(lb_value){fixed(m, LB_F32, shape).id}, 1, NULL, 0);
        return;
    }
    const bool over_batch = axes[0] == 0;
    in[0] = with_batch ? batched(m, LB_F32, shape) : fixed(m, LB_F32, shape);
    if (expand || grad)
        in[1] = with_batch && !over_batch ? batched(m, LB_F32, small)
                                          : fixed(m, LB_F32, small);
    const lb_attr attrs[] = {lb_ai("keepdims", keep), lb_ai("mean", pick(m, 0, 1)),
                             lb_ais("axes", axes, n)};
    if (expand) {
        const lb_value kept = in[0];
        in[0] = in[1];
        in[1] = kept;
    } else if (!grad && pick(m, 0, 1)) {
        in[1] = whole_numbers(m, axes, n);
        add(m, op, in, 2, attrs, 2);
        return;
    }
    add(m, op, in, expand || grad ? 2 : 1, attrs, 3);
}

/* What any broadcasting has spread. */
static inline void make_any_to(maker *m, const char *op)
{
    const bool with_batch = pick(m, 0, 1);
    lb_shape shape = {.rank = pick(m, 1, 4)};
    const int gone = pick(m, 0, shape.rank);
    lb_shape small = {.rank = shape.rank - gone};
    lb_value in[2];

    for (int i = 0; i < shape.rank; i++) {
        shape.dim[i] = pick(m, 1, 12);
        if (i >= gone)
            small.dim[i - gone] =
                (with_batch && i == 0) || pick(m, 0, 1) ? 1 : shape.dim[i];
    }
    in[0] = with_batch ? batched(m, LB_F32, shape) : fixed(m, LB_F32, shape);
    in[1] = fixed(m, LB_F32, small);
    add(m, op, in, 2, NULL, 0);
}

static inline void make_track(maker *m, const char *op)
{
    const lb_shape channels = lb_shape_of(1, pick(m, 1, 50));
    const lb_attr attrs[] = {lb_af("momentum", 0.9), lb_ai("spatial", pick(m, 1, 9))};
    lb_value in[4];

    in[0] = weights(m, channels);
    in[1] = weights(m, channels);
    in[2] = fixed(m, LB_F64, channels);
    in[3] = fixed(m, LB_F64, channels);
    add(m, op, in, 4, attrs, 2);
}

static inline void make_reduce_to(maker *m, const char *op)
{
    const int n = pick(m, 1, 50);
    const lb_value x = batched(m, LB_F32, lb_shape_of(2, 1, n));
    const lb_value in[] = {x, weights(m, lb_shape_of(1, n))};

    add(m, op, in, 2, NULL, 0);
}

static inline void make_update(maker *m, const char *op)
{
    const lb_shape shape = lb_shape_of(2, pick(m, 1, 20), pick(m, 1, 20));
    const lb_attr attrs[] = {lb_af("momentum", 0.9), lb_af("weight_decay", 1e-2),
                             lb_ai("nesterov", pick(m, 0, 1))};
    const int n = pick(m, 4, 5);
    lb_value in[5];

    in[0] = weights(m, shape);
    in[1] = weights(m, shape);
    in[2] = fixed(m, LB_F32, shape);
    in[3] = fixed(m, LB_F32, (lb_shape){0});
    in[4] = fixed(m, LB_F32, (lb_shape){0});
    add(m, op, in, n, attrs, 3);
}

static const struct {
    const char *op;
    void (*make)(maker *m, const char *op);
} kernel_case[] = {
    {"Relu", make_unary},
    {"ReluGrad", make_binary},
    {"Clip", make_clip},
    {"ClipGrad", make_clip},
    {"FakeQuantize", make_fake},
    {"FakeQuantizeGrad", make_fake},
    {"FakeQuantizeGradScale", make_fake},
    {"Add", make_binary},
    {"Sub", make_binary},
    {"Mul", make_binary},
    {"BatchNormalization", make_norm},
    {"BatchNormStats", make_norm},
    {"BatchNormApply", make_norm},
    {"FusedBatchNorm", make_norm},
    {"BatchNormGradStats", make_norm},
    {"BatchNormGradJoin", make_norm},
    {"BatchNormGradInput", make_norm},
    {"Conv", make_conv},
    {"FusedConv", make_conv},
    {"ConvGradInput", make_conv},
    {"ConvGradWeight", make_conv},
    {"Conv", make_depthwise},
    {"FusedConv", make_depthwise},
    {"ConvGradInput", make_depthwise},
    {"ConvGradWeight", make_depthwise},
    {"Conv", make_point},
    {"FusedConv", make_point},
    {"ConvGradInput", make_point},
    {"ConvGradWeight", make_point},
    {"ConvTranspose", make_conv_transpose},
    {"Resize", make_resize},
    {"Slice", make_slice},
    {"SliceGrad", make_slice_grad},
    {"Pad", make_pad},
    {"GlobalMaxPool", make_global},
    {"Gemm", make_gemm},
    {"MatMul", make_matmul},
    {"MatMulGradWeight", make_matmul},
    {"MaxPool", make_pool},
    {"AveragePool", make_pool},
    {"GlobalAveragePool", make_global},
    {"MaxPoolGrad", make_pool},
    {"AveragePoolGrad", make_pool},
    {"Reshape", make_shape},
    {"Flatten", make_shape},
    {"Squeeze", make_shape},
    {"Unsqueeze", make_shape},
    {"Identity", make_unary},
    {"Softmax", make_softmax},
    {"LogSoftmax", make_softmax},
    {"SoftmaxGrad", make_softmax},
    {"LogSoftmaxGrad", make_softmax},
    {"ReduceSum", make_reduce_sum},
    {"ReduceSum", make_ends},
    {"ReduceMean", make_ends},
    {"ExpandLike", make_ends},
    {"ReduceTo", make_reduce_to},
    {"Exp", make_element},
    {"Log", make_element},
    {"LogGrad", make_element},
    {"Sqrt", make_element},
    {"SqrtGrad", make_element},
    {"Abs", make_element},
    {"Sign", make_element},
    {"Neg", make_element},
    {"Reciprocal", make_element},
    {"ReciprocalGrad", make_element},
    {"Sigmoid", make_element},
    {"SigmoidGrad", make_element},
    {"Tanh", make_element},
    {"TanhGrad", make_element},
    {"Softplus", make_element},
    {"Pow", make_element},
    {"PowGrad", make_element},
    {"LeakyRelu", make_element},
    {"LeakyReluGrad", make_element},
    {"StepAbove", make_element},
    {"StopGradient", make_element},
    {"Add", make_spread},
    {"Sub", make_spread},
    {"Mul", make_spread},
    {"Div", make_spread},
    {"Max", make_spread},
    {"Min", make_spread},
    {"ExtremeMask", make_spread},
    {"BatchGather", make_batch},
    {"BatchRows", make_batch},
    {"ReduceSum", make_any_axes},
    {"ReduceMean", make_any_axes},
    {"ReduceMax", make_any_axes},
    {"ReduceMaxGrad", make_any_axes},
    {"ExpandLike", make_any_axes},
    {"ReduceTo", make_any_to},
    {"MatMul", make_matmul_stack},
    {"Transpose", make_transpose},
    {"BatchNormTrack", make_track},
    {"SgdUpdate", make_update},
};

#endif
