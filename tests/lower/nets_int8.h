/* nets_int8.h: small quantised networks that tests of lower and emit share. */
#ifndef LB_TESTS_LOWER_NETS_INT8_H
#define LB_TESTS_LOWER_NETS_INT8_H

#include "lower/nets.h"

/* A value and its grid. */
typedef struct net8 {
    lb_value v;
    double scale;
    int zero;
} net8;

static inline lb_value net8_zero(lb_builder *b, lb_dtype dtype, int zero)
{
    return lb_scalar(b, dtype, zero);
}

/* x through QuantizeLinear and DequantizeLinear. */
static inline net8 net8_grid(lb_builder *b, lb_value x, double scale, int zero)
{
    const lb_value s = lb_scalar(b, LB_F32, scale), z = net8_zero(b, LB_I8, zero);
    const lb_value q = lb_quantize(b, x, s, z, 0, NULL);

    return (net8){lb_dequantize(b, q, s, z, 0, NULL), scale, zero};
}

static inline lb_tensor *net8_tensor(lb_builder *b, lb_dtype dtype, const lb_shape *shape)
{
    lb_tensor *t = NULL;
    lb_error err;

    return lb_tensor_new(b->graph->arena, dtype, shape, &t, &err) == LB_OK ? t : NULL;
}

/* Scales by channel, between half of `scale` and all of it; one if n is 1. */
static inline lb_tensor *net8_scales(lb_builder *b, int n, double scale)
{
    const lb_shape shape = n > 1 ? lb_shape_of(1, n) : lb_shape_of(0);
    lb_tensor *const t = net8_tensor(b, LB_F32, &shape);

    for (size_t i = 0; t && i < t->n; i++)
        lb_tensor_put(t, i, scale * (1 - 0.5 * (double)i / (double)t->n));
    return t;
}

/* Whole numbers in [-most, most] behind a DequantizeLinear, scales along axis 0. */
static inline lb_value net8_constant(lb_builder *b, uint64_t seed, lb_dtype dtype,
                                     const lb_shape *shape, int most, lb_tensor *scales)
{
    lb_rng rng = lb_rng_make(seed, LB_RNG_TEST, 0, 0);
    lb_tensor *const t = net8_tensor(b, dtype, shape);

    if (!t || !scales)
        return (lb_value){0};
    for (size_t i = 0; i < t->n; i++)
        lb_tensor_put(t, i, rint((2 * lb_rng_uniform(&rng) - 1) * most));
    const char *const name =
        lb_arena_text(b->graph->arena, "stored.%llu", (unsigned long long)seed);
    const lb_value q = lb_constant(b, name, t), s = lb_constant(b, NULL, scales);
    return lb_dequantize(b, q, s, (lb_value){0}, 0, NULL);
}

/* A bias of the scale that the sums have. */
static inline lb_value net8_bias(lb_builder *b, uint64_t seed, int m, double x_scale,
                                 const lb_tensor *w_scales)
{
    const lb_shape shape = lb_shape_of(1, m);
    lb_tensor *const scales = net8_tensor(b, LB_F32, &w_scales->shape);

    for (size_t i = 0; scales && i < scales->n; i++)
        lb_tensor_put(scales, i, x_scale * lb_tensor_get(w_scales, i));
    return net8_constant(b, seed, LB_I32, &shape, 3000, scales);
}

/* What follows a sum: nothing, or a clamp at 0. */
typedef struct net8_end {
    double scale;
    int zero;
    bool relu;
} net8_end;

static inline net8 net8_finish(lb_builder *b, lb_value y, net8_end end)
{
    return net8_grid(b, end.relu ? lb_relu(b, y, NULL) : y, end.scale, end.zero);
}

/* Stored weights and biases become a sixteenth, in steps sixteen times as large, and so
 * fit 4 bits. */
static inline void net8_narrow(lb_graph *g)
{
    for (int i = 0; g && i < g->n_nodes; i++) {
        const lb_node *const node = &g->nodes[i];
        lb_tensor *const t = g->values[node->in[0].id].tensor;
        if (!t || strcmp(node->op->name, "DequantizeLinear") != 0)
            continue;
        lb_tensor *const scales = g->values[node->in[1].id].tensor;
        for (size_t k = 0; k < t->n; k++)
            lb_tensor_put(t, k, trunc(lb_tensor_get(t, k) / 16));
        for (size_t k = 0; k < scales->n; k++)
            lb_tensor_put(scales, k, lb_tensor_get(scales, k) * 16);
    }
}

/* A convolution to m channels; scales of weights by channel. */
static inline net8 net8_conv(lb_builder *b, net8 x, uint64_t seed, int m,
                             const lb_window *window, net8_end end)
{
    const int group = window->group ? window->group : 1;
    const lb_shape shape =
        window->n == 1 ? lb_shape_of(3, m, lb_dim(b, x.v, 1) / group, window->kernel[0])
                       : lb_shape_of(4, m, lb_dim(b, x.v, 1) / group, window->kernel[0],
                                     window->kernel[1]);
    lb_tensor *const scales = net8_scales(b, m, 0.01);
    const lb_value w = net8_constant(b, seed, LB_I8, &shape, 127, scales);
    const lb_value bias = net8_bias(b, seed + 1, m, x.scale, scales);

    return net8_finish(b, lb_conv(b, x.v, w, bias, window, NULL), end);
}

/* 1x1, 3x3 ... of stride 1 that keeps the size. */
static inline net8 net8_same(lb_builder *b, net8 x, uint64_t seed, int m, int k,
                             int group, net8_end end)
{
    const lb_window window = {.n = 2,
                              .kernel = {k, k},
                              .pad_begin = {(k - 1) / 2, (k - 1) / 2},
                              .pad_end = {k / 2, k / 2},
                              .group = group};

    return net8_conv(b, x, seed, m, &window, end);
}

/* A dense layer to m outputs; one scale for all weights. */
static inline net8 net8_dense(lb_builder *b, net8 x, uint64_t seed, int m, net8_end end)
{
    const lb_shape shape = lb_shape_of(2, m, lb_dim(b, x.v, 1));
    lb_tensor *const scales = net8_scales(b, 1, 0.01);
    const lb_value w = net8_constant(b, seed, LB_I8, &shape, 127, scales);
    const lb_value bias = net8_bias(b, seed + 1, m, x.scale, scales);

    return net8_finish(b, lb_gemm(b, x.v, w, bias, false, true, NULL), end);
}

/* Convolutions of odd channel counts, uneven pads, strides and dilation. */
static inline lb_value net8_build_convs(lb_builder *b, lb_value x)
{
    const lb_window strided = {
        .n = 2, .kernel = {3, 3}, .stride = {2, 2}, .pad_end = {1, 1}};
    const lb_window wide = {.n = 2,
                            .kernel = {3, 2},
                            .dilation = {2, 1},
                            .pad_begin = {2, 0},
                            .pad_end = {1, 1}};
    net8 y = net8_grid(b, x, 1.0 / 64, -3);

    y = net8_conv(b, y, 1, 7, &strided, (net8_end){0.05, -128, true});
    y = net8_conv(b, y, 3, 5, &wide, (net8_end){0.25, 4, false});
    y = net8_same(b, y, 5, 9, 1, 1, (net8_end){0.25, -128, true});
    y = net8_same(b, y, 7, 9, 3, 9, (net8_end){0.5, 10, false});
    return y.v;
}

/* Residual blocks, one with a convolution on both sides, a pool, dense layers, softmax.
 */
static inline lb_value net8_build_residual(lb_builder *b, lb_value x)
{
    const net8 stem = net8_same(b, net8_grid(b, x, 1.0 / 64, -3), 11, 8, 3, 1,
                                (net8_end){0.05, -128, true});
    net8 y = net8_same(b, stem, 13, 8, 3, 1, (net8_end){0.1, -128, true});

    y = net8_same(b, y, 15, 8, 3, 1, (net8_end){0.2, 7, false});
    const net8 sum = net8_finish(b, lb_add(b, y.v, stem.v), (net8_end){0.2, -128, true});
    const net8 p = net8_same(b, sum, 17, 6, 1, 1, (net8_end){0.3, 5, false});
    const net8 q = net8_same(b, sum, 19, 6, 3, 1, (net8_end){0.7, -9, false});
    y = net8_finish(b, lb_add(b, p.v, q.v), (net8_end){0.8, -1, false});
    y = net8_grid(b, lb_global_average_pool(b, y.v, NULL), 0.3, 2);
    y.v = lb_flatten(b, y.v, NULL);
    y = net8_dense(b, y, 21, 6, (net8_end){0.1, 3, false});
    return net8_grid(b, lb_softmax(b, y.v, 1), 1.0 / 256, -128).v;
}

/* Pools with padding, concat of unlike grids, clip, pad, a flatten that must copy. */
static inline lb_value net8_build_mixed(lb_builder *b, lb_value x)
{
    const lb_window pool = net_uneven();
    net8 y = net8_grid(b, x, 1.0 / 64, -3);

    y = net8_same(b, y, 31, 6, 1, 1, (net8_end){0.03, -20, false});
    const net8 p = {lb_max_pool(b, y.v, &pool, NULL), y.scale, y.zero};
    const net8 q = net8_grid(b, lb_average_pool(b, y.v, &pool, false, NULL), 0.02, -30);
    const net8 r = net8_grid(b, lb_average_pool(b, y.v, &pool, true, NULL), 0.03, -20);
    const lb_value all[] = {p.v, q.v, r.v};
    y = net8_grid(b, lb_concat(b, all, 3, 1), 0.03, -10);
    y = net8_grid(b, lb_clip(b, y.v, -0.5, 0.75, NULL), 0.01, -15);
    y.v = lb_flatten(b, y.v, NULL);
    y.v = lb_relu(b, y.v, NULL);
    return net8_dense(b, y, 33, 5, (net8_end){0.3, 1, false}).v;
}

/* Depthwise (the second one halves the map) and pointwise layers (wider, narrower). */
static inline lb_value net8_build_separable(lb_builder *b, lb_value x)
{
    const lb_window half = {
        .n = 2, .kernel = {3, 3}, .stride = {2, 2}, .pad_end = {1, 1}, .group = 8};
    net8 y = net8_grid(b, x, 1.0 / 64, -3);

    y = net8_same(b, y, 51, 4, 3, 4, (net8_end){0.05, -128, true});
    y = net8_same(b, y, 53, 8, 1, 1, (net8_end){0.1, -128, true});
    y = net8_conv(b, y, 55, 8, &half, (net8_end){0.2, 9, false});
    return net8_same(b, y, 57, 3, 1, 1, (net8_end){0.3, 5, false}).v;
}

/* Two maps and a vector come in, on three grids: see net_build_inputs. */
static inline lb_value net8_build_inputs(lb_builder *b, lb_value x)
{
    const lb_shape map = lb_shape_of(4, LB_BATCH, 5, lb_dim(b, x, 2), lb_dim(b, x, 3));
    const lb_shape vector = lb_shape_of(2, LB_BATCH, 3);
    const net8 other = net8_grid(b, lb_input(b, "other", LB_F32, &map), 1.0 / 32, 9);
    const net8 state = net8_grid(b, lb_input(b, "state", LB_F32, &vector), 1.0 / 50, 0);
    net8 y = net8_grid(b, x, 1.0 / 64, -3);

    y = net8_same(b, y, 61, 5, 3, 1, (net8_end){0.05, 4, false});
    y = net8_finish(b, lb_add(b, y.v, other.v), (net8_end){0.06, -128, true});
    y = net8_same(b, y, 63, 6, 3, 1, (net8_end){0.1, -128, true});
    y = net8_grid(b, lb_global_average_pool(b, y.v, NULL), 0.1, -128);
    y.v = lb_flatten(b, y.v, NULL);
    const lb_value all[] = {y.v, state.v};
    y = net8_grid(b, lb_concat(b, all, 2, 1), 0.03, -2);
    return net8_dense(b, y, 65, 4, (net8_end){0.05, 3, false}).v;
}

/* 1-D: [N,4,30] with the time axis as the width. */
static inline lb_value net8_build_sequence(lb_builder *b, lb_value x)
{
    const lb_shape flat = lb_shape_of(3, LB_BATCH, 4, 30);
    const lb_window window = {
        .n = 1, .kernel = {5}, .stride = {2}, .pad_begin = {1}, .pad_end = {2}};
    net8 y = net8_grid(b, x, 1.0 / 64, -3);

    y.v = lb_reshape(b, y.v, &flat);
    y = net8_conv(b, y, 41, 6, &window, (net8_end){0.05, -128, true});
    return net8_grid(b, lb_reduce_mean(b, y.v, (int[]){2}, 1, false), 0.04, -128).v;
}

#endif
