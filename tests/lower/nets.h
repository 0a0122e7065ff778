/* nets.h: small networks that tests of lower, device and emit share. */
#ifndef LB_TESTS_LOWER_NETS_H
#define LB_TESTS_LOWER_NETS_H

#include "base/rng.h"
#include "engine/plan.h"
#include "lower/lower.h"
#include "ops/build.h"
#include "ops/ops.h"

#include <stdio.h>

static inline lb_tensor *net_random(lb_builder *b, uint64_t seed, const lb_shape *shape,
                                    double scale)
{
    lb_rng rng = lb_rng_make(seed, LB_RNG_TEST, 0, 0);
    lb_tensor *t = NULL;
    lb_error err;

    if (lb_tensor_new(b->graph->arena, LB_F32, shape, &t, &err) != LB_OK)
        return NULL;
    for (size_t i = 0; i < t->n; i++)
        lb_tensor_put(t, i, (2 * lb_rng_uniform(&rng) - 1) * scale);
    return t;
}

static inline lb_value net_weights(lb_builder *b, uint64_t seed, int m, int c, int h,
                                   int w)
{
    const lb_shape shape = lb_shape_of(4, m, c, h, w);

    return lb_param(b, NULL, net_random(b, seed, &shape, 0.5));
}

static inline lb_value net_vector(lb_builder *b, uint64_t seed, int n)
{
    const lb_shape shape = lb_shape_of(1, n);

    return lb_param(b, NULL, net_random(b, seed, &shape, 0.5));
}

/* A convolution with bias; asymmetric pads when even. */
static inline lb_value net_conv(lb_builder *b, lb_value x, uint64_t seed, int m, int k,
                                int stride, int group)
{
    const lb_window window = {.n = 2,
                              .kernel = {k, k},
                              .stride = {stride, stride},
                              .dilation = {1, 1},
                              .pad_begin = {(k - 1) / 2, (k - 1) / 2},
                              .pad_end = {k / 2, k / 2},
                              .group = group};
    const lb_value weight = net_weights(b, seed, m, lb_dim(b, x, 1) / group, k, k);
    const lb_value bias = net_vector(b, seed + 1, m);

    return lb_conv(b, x, weight, bias, &window, NULL);
}

static inline lb_value net_norm(lb_builder *b, lb_value x, uint64_t seed)
{
    const int c = lb_dim(b, x, 1);
    const lb_value scale = net_vector(b, seed, c), bias = net_vector(b, seed + 1, c);
    const lb_value mean = net_vector(b, seed + 2, c);
    const lb_shape shape = lb_shape_of(1, c);
    lb_tensor *const t = net_random(b, seed + 3, &shape, 0.4);

    for (size_t i = 0; t && i < t->n; i++)
        lb_tensor_put(t, i, 1 + lb_tensor_get(t, i));
    const lb_value var = lb_param(b, NULL, t);
    return lb_batch_norm(b, x, scale, bias, mean, var, 1e-5, 0.9, NULL);
}

static inline lb_value net_dense(lb_builder *b, lb_value x, uint64_t seed, int m)
{
    const lb_shape shape = lb_shape_of(2, m, lb_dim(b, x, 1));
    const lb_value weight = lb_param(b, NULL, net_random(b, seed, &shape, 0.3));
    const lb_value bias = net_vector(b, seed + 1, m);

    return lb_gemm(b, x, weight, bias, false, true, NULL);
}

/* A window that hangs over every border, strided and dilated. */
static inline lb_window net_far(void)
{
    return (lb_window){.n = 2,
                       .kernel = {3, 3},
                       .stride = {2, 3},
                       .dilation = {3, 2},
                       .pad_begin = {4, 3},
                       .pad_end = {3, 4},
                       .group = 1};
}

/* A pool's, with padding on three sides. */
static inline lb_window net_uneven(void)
{
    return (lb_window){.n = 2,
                       .kernel = {3, 2},
                       .stride = {2, 1},
                       .pad_begin = {1, 0},
                       .pad_end = {1, 1}};
}

/* A row of 0.25 above x, and two columns behind it. */
static inline lb_value net_pad(lb_builder *b, lb_value x)
{
    const lb_shape eight = lb_shape_of(1, 8), one = lb_shape_of(0);
    lb_tensor *pads = NULL, *value = NULL;
    lb_error err;

    if (lb_tensor_new(b->graph->arena, LB_I64, &eight, &pads, &err) != LB_OK ||
        lb_tensor_new(b->graph->arena, LB_F32, &one, &value, &err) != LB_OK)
        return (lb_value){0};
    lb_tensor_put(pads, 2, 1);
    lb_tensor_put(pads, 7, 2);
    lb_tensor_put(value, 0, 0.25);
    const lb_value p = lb_constant(b, NULL, pads), v = lb_constant(b, NULL, value);
    const lb_value in[] = {x, p, v};
    return lb_add_node(b, lb_op_find("Pad"), NULL, in, 3, NULL, 0);
}

/* Flatten of a map of many positions, two dense layers. */
static inline lb_value net_build_flatten(lb_builder *b, lb_value x)
{
    x = net_conv(b, x, 10, 5, 3, 2, 1);
    x = lb_relu(b, x, NULL);
    x = lb_flatten(b, x, NULL);
    x = net_dense(b, x, 12, 9);
    x = lb_relu(b, x, NULL);
    return net_dense(b, x, 14, 4);
}

/* Residual blocks with norms, global pool, softmax. */
static inline lb_value net_build_residual(lb_builder *b, lb_value x)
{
    x = net_conv(b, x, 20, 8, 3, 1, 1);
    x = net_norm(b, x, 30);
    const lb_value stem = lb_relu(b, x, "stem");
    x = net_conv(b, stem, 40, 8, 3, 1, 1);
    x = net_norm(b, x, 50);
    x = lb_relu(b, x, NULL);
    x = net_conv(b, x, 60, 8, 3, 1, 1);
    x = lb_add(b, x, stem);
    x = lb_relu(b, x, NULL);
    x = lb_global_average_pool(b, x, NULL);
    x = lb_flatten(b, x, NULL);
    x = net_dense(b, x, 70, 6);
    return lb_softmax(b, x, 1);
}

/* Depthwise and pointwise, dilation, pools with padding, concat, clip, a norm that
 * cannot be folded, a flatten that must copy. */
static inline lb_value net_build_mixed(lb_builder *b, lb_value x)
{
    const lb_window pool = net_uneven();
    const lb_window wide = {.n = 2,
                            .kernel = {3, 3},
                            .stride = {1, 1},
                            .dilation = {2, 1},
                            .pad_begin = {2, 0},
                            .pad_end = {1, 2},
                            .group = 1};

    x = net_norm(b, x, 80);
    x = net_conv(b, x, 90, 6, 1, 1, 1);
    x = lb_clip(b, x, -0.5, 0.75, NULL);
    x = net_conv(b, x, 92, 6, 3, 1, 6);
    const lb_value weight = net_weights(b, 94, 6, 6, 3, 3);
    const lb_value p = lb_max_pool(b, x, &pool, NULL);
    const lb_value q = lb_average_pool(b, x, &pool, false, NULL);
    const lb_value r = lb_average_pool(b, x, &pool, true, NULL);
    const lb_value both[] = {p, q, r};
    const lb_value w = lb_conv(b, p, weight, (lb_value){0}, &wide, NULL);
    x = lb_concat(b, both, 3, 1);
    x = net_conv(b, x, 96, 6, 1, 1, 1);
    const lb_value t = lb_reduce_mean(b, w, (int[]){2, 3}, 2, false);
    x = lb_flatten(b, x, NULL);
    x = lb_relu(b, x, NULL);
    const lb_value u = net_dense(b, x, 98, 6);
    return lb_add(b, u, t);
}

typedef lb_value (*net_builder)(lb_builder *b, lb_value x);

/* Two maps and a vector come in; one map is added to what becomes of the other, and the
 * vector joins before the dense layer. */
static inline lb_value net_build_inputs(lb_builder *b, lb_value x)
{
    const lb_shape map = lb_shape_of(4, LB_BATCH, 5, lb_dim(b, x, 2), lb_dim(b, x, 3));
    const lb_shape vector = lb_shape_of(2, LB_BATCH, 3);
    const lb_value other = lb_input(b, "other", LB_F32, &map);
    const lb_value state = lb_input(b, "state", LB_F32, &vector);
    lb_value y = lb_add(b, net_conv(b, x, 81, 5, 3, 1, 1), other);

    y = lb_relu(b, net_conv(b, y, 83, 6, 3, 2, 1), NULL);
    y = lb_flatten(b, lb_global_average_pool(b, y, NULL), NULL);
    const lb_value all[] = {y, state};
    return net_dense(b, lb_concat(b, all, 2, 1), 85, 4);
}

static inline lb_graph *net_graph(net_builder build, int c, int h, int w)
{
    const lb_shape shape = lb_shape_of(4, LB_BATCH, c, h, w);
    lb_graph *g = NULL;
    lb_builder b;
    lb_error err;

    if (lb_graph_new(&g, &err) != LB_OK)
        return NULL;
    lb_builder_init(&b, g);
    const lb_value x = lb_input(&b, "input", LB_F32, &shape);
    const lb_value y = build(&b, x);
    lb_output(&b, y);
    if (lb_builder_finish(&b, &err) != LB_OK) {
        printf("# %s\n", err.text);
        lb_graph_free(g);
        return NULL;
    }
    return g;
}

#endif
