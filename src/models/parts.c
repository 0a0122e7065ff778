/* parts.c: layers with their weights. */
#include "models/parts.h"

#include "base/rng.h"

#include <math.h>
#include <stdio.h>

enum { NAME_MAX_TEXT = 96 };

static lb_value add_param(lb_maker *m, lb_tensor *tensor, const char *name,
                          const char *part)
{
    char full[NAME_MAX_TEXT];

    if (!tensor)
        return (lb_value){0};
    snprintf(full, sizeof full, "%s/%s", name, part);
    m->n_params++;
    return lb_param(m->b, full, tensor);
}

static lb_rng next_stream(const lb_maker *m)
{
    return lb_rng_make(m->seed, LB_RNG_INIT, (uint64_t)m->n_params, 0);
}

static lb_value normal_param(lb_maker *m, lb_dtype dtype, const lb_shape *shape,
                             double deviation, const char *name)
{
    lb_tensor *const t = lb_build_tensor(m->b, dtype, shape);
    lb_rng rng = next_stream(m);

    for (size_t i = 0; t && i < t->n; i++)
        lb_tensor_put(t, i, deviation * lb_rng_normal(&rng));
    return add_param(m, t, name, "weight");
}

static lb_value uniform_param(lb_maker *m, lb_dtype dtype, const lb_shape *shape,
                              double bound, const char *name, const char *part)
{
    lb_tensor *const t = lb_build_tensor(m->b, dtype, shape);
    lb_rng rng = next_stream(m);

    for (size_t i = 0; t && i < t->n; i++)
        lb_tensor_put(t, i, bound * (2 * lb_rng_uniform(&rng) - 1));
    return add_param(m, t, name, part);
}

/* One value for each channel, spared by weight decay. */
static lb_value channel_param(lb_maker *m, lb_dtype dtype, int channels, double value,
                              bool trained, const char *name, const char *part)
{
    const lb_shape shape = lb_shape_of(1, channels);
    lb_tensor *const t = lb_build_tensor(m->b, dtype, &shape);

    for (size_t i = 0; t && i < t->n; i++)
        lb_tensor_put(t, i, value);
    const lb_value v = add_param(m, t, name, part);
    if (v.id) {
        m->b->graph->values[v.id].trained = trained;
        m->b->graph->values[v.id].no_decay = true;
    }
    return v;
}

lb_value lb_make_conv(lb_maker *m, lb_value x, int channels, const lb_window *window,
                      bool with_bias, const char *name)
{
    const lb_dtype dtype = lb_type_of(m->b, x).dtype;
    const int group = window->group ? window->group : 1;
    const int in = lb_dim(m->b, x, 1) / group;
    const lb_shape shape =
        lb_shape_of(4, channels, in, window->kernel[0], window->kernel[1]);
    const double fan_in = (double)in * window->kernel[0] * window->kernel[1];
    const lb_value w = normal_param(m, dtype, &shape, sqrt(2 / fan_in), name);
    lb_value bias = {0};

    if (with_bias)
        bias = channel_param(m, dtype, channels, 0, true, name, "bias");
    return lb_conv(m->b, x, w, bias, window, name);
}

lb_value lb_make_norm(lb_maker *m, lb_value x, const char *name)
{
    const lb_dtype dtype = lb_type_of(m->b, x).dtype;
    const int c = lb_dim(m->b, x, 1);
    const lb_value scale = channel_param(m, dtype, c, 1, true, name, "scale");
    const lb_value bias = channel_param(m, dtype, c, 0, true, name, "bias");
    const lb_value mean = channel_param(m, dtype, c, 0, false, name, "mean");
    const lb_value var = channel_param(m, dtype, c, 1, false, name, "var");

    return lb_batch_norm(m->b, x, scale, bias, mean, var, 1e-5, 0.9, name);
}

lb_value lb_make_dense(lb_maker *m, lb_value x, int classes)
{
    const lb_value pool = lb_global_average_pool(m->b, x, "pool");
    const lb_value flat = lb_flatten(m->b, pool, "flatten");
    const lb_dtype dtype = lb_type_of(m->b, flat).dtype;
    const int in = lb_dim(m->b, flat, 1);
    const lb_shape shape = lb_shape_of(2, classes, in), row = lb_shape_of(1, classes);
    const double bound = 1 / sqrt((double)in);
    const lb_value w = uniform_param(m, dtype, &shape, bound, "dense", "weight");
    const lb_value bias = uniform_param(m, dtype, &row, bound, "dense", "bias");

    if (bias.id)
        m->b->graph->values[bias.id].no_decay = true;
    const lb_value y = lb_gemm(m->b, flat, w, bias, false, true, "dense");
    lb_rename(m->b, y, "logits");
    return y;
}

lb_window lb_square_window(int k, int stride)
{
    return (lb_window){.n = 2,
                       .kernel = {k, k},
                       .stride = {stride, stride},
                       .dilation = {1, 1},
                       .pad_begin = {k / 2, k / 2},
                       .pad_end = {k / 2, k / 2},
                       .group = 1};
}

void lb_window_same(lb_window *window, int height, int width)
{
    const int size[2] = {height, width};

    for (int i = 0; i < 2; i++) {
        const int out = (size[i] + window->stride[i] - 1) / window->stride[i];
        const int needs = (out - 1) * window->stride[i] + window->kernel[i] - size[i];
        const int pad = needs > 0 ? needs : 0;
        window->pad_begin[i] = pad / 2;
        window->pad_end[i] = pad - pad / 2;
    }
}
