/* calibrate_nets.c: the networks that costs are fitted to: MLPerf Tiny's in int8, some of
 * the built-in architectures, and stacks of one kind of layer with odd shapes. */
#include "calibrate.h"

#include "base/rng.h"
#include "compress/quantize.h"
#include "models/parts.h"
#include "ops/ops.h"
#include "tflite/tflite.h"

#include <stdio.h>
#include <stdlib.h>

static lb_value conv(lb_builder *b, lb_value x, int channels, int k, int stride,
                     int group)
{
    lb_maker m = {b, 1, b->graph->n_values};
    lb_window window = {.n = 2, .kernel = {k, k}, .stride = {stride, stride}};
    char name[32];

    lb_window_same(&window, lb_dim(b, x, 2), lb_dim(b, x, 3));
    window.group = group;
    snprintf(name, sizeof name, "conv%d", b->graph->n_nodes);
    return lb_make_conv(&m, x, channels, &window, true, name);
}

static lb_value convs(lb_builder *b, lb_value x)
{
    static const int layer[][3] = {{8, 3, 1},  {16, 3, 2}, {12, 5, 1}, {30, 3, 1},
                                   {24, 1, 2}, {21, 3, 2}, {64, 3, 1}};

    for (size_t i = 0; i < sizeof layer / sizeof *layer; i++)
        x = lb_relu(b, conv(b, x, layer[i][0], layer[i][1], layer[i][2], 1), NULL);
    return x;
}

static lb_value pointwises(lb_builder *b, lb_value x)
{
    static const int channels[] = {8, 16, 20, 33, 64, 48, 5, 128};

    for (size_t i = 0; i < sizeof channels / sizeof *channels; i++)
        x = lb_relu(b, conv(b, x, channels[i], 1, 1, 1), NULL);
    return x;
}

static lb_value depthwises(lb_builder *b, lb_value x)
{
    static const int layer[][2] = {{3, 1}, {3, 1}, {5, 1}, {3, 2},
                                   {7, 1}, {3, 1}, {3, 2}};
    const int c = lb_dim(b, x, 1);

    for (size_t i = 0; i < sizeof layer / sizeof *layer; i++)
        x = lb_relu(b, conv(b, x, c, layer[i][0], layer[i][1], c), NULL);
    return x;
}

static lb_value dense(lb_builder *b, lb_value x, int outputs)
{
    const lb_shape w = lb_shape_of(2, outputs, lb_dim(b, x, 1));
    const lb_shape by_output = lb_shape_of(1, outputs);
    lb_tensor *const weight = lb_build_tensor(b, LB_F32, &w);
    lb_tensor *const bias = lb_build_tensor(b, LB_F32, &by_output);
    lb_rng rng = lb_rng_make(2, LB_RNG_TEST, 0, (uint64_t)b->graph->n_values);

    for (size_t i = 0; weight && i < weight->n; i++)
        lb_tensor_put(weight, i, 0.2 * lb_rng_normal(&rng));
    return lb_gemm(b, x, lb_param(b, NULL, weight), lb_param(b, NULL, bias), false, true,
                   NULL);
}

/* So little work that what each step costs once can be seen. */
static lb_value tiny(lb_builder *b, lb_value x)
{
    x = lb_relu(b, conv(b, x, 4, 3, 1, 1), NULL);
    return dense(b, lb_flatten(b, lb_global_average_pool(b, x, NULL), NULL), 3);
}

static lb_value one_conv(lb_builder *b, lb_value x)
{
    return lb_relu(b, conv(b, x, 4, 3, 1, 1), NULL);
}

static lb_value denses(lb_builder *b, lb_value x)
{
    static const int outputs[] = {64, 100, 8, 30, 10};

    x = lb_flatten(b, x, NULL);
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++)
        x = lb_relu(b, dense(b, x, outputs[i]), NULL);
    return x;
}

static lb_window pool_of(int k, int stride)
{
    return (lb_window){.n = 2, .kernel = {k, k}, .stride = {stride, stride}};
}

static lb_value max_pools(lb_builder *b, lb_value x)
{
    const lb_window small = pool_of(2, 2), large = pool_of(3, 2), dense_ = pool_of(3, 1);

    x = lb_max_pool(b, x, &dense_, NULL);
    x = lb_max_pool(b, x, &small, NULL);
    return lb_max_pool(b, x, &large, NULL);
}

static lb_value average_pools(lb_builder *b, lb_value x)
{
    const lb_window small = pool_of(2, 2), large = pool_of(3, 1);

    x = lb_average_pool(b, x, &large, false, NULL);
    x = lb_average_pool(b, x, &small, false, NULL);
    return lb_global_average_pool(b, x, NULL);
}

/* Sums of pools, which no convolution can take in. */
static lb_value adds(lb_builder *b, lb_value x)
{
    const lb_window window = pool_of(3, 1), one = pool_of(3, 2);
    const lb_value p = lb_max_pool(b, x, &window, NULL);
    const lb_value q = lb_average_pool(b, x, &window, false, NULL);

    x = lb_add(b, p, q);
    const lb_value r = lb_max_pool(b, x, &one, NULL);
    return lb_add(b, r, lb_average_pool(b, x, &one, false, NULL));
}

static lb_value activations(lb_builder *b, lb_value x)
{
    const lb_window window = pool_of(2, 2);

    x = lb_clip(b, x, 0.1, 0.8, NULL);
    x = lb_max_pool(b, x, &window, NULL);
    return lb_clip(b, x, 0.2, 0.7, NULL);
}

/* A norm that nothing can take in. */
static lb_value affines(lb_builder *b, lb_value x)
{
    lb_maker m = {b, 1, 0};
    const lb_window window = pool_of(2, 2);

    x = lb_make_norm(&m, lb_relu(b, x, NULL), "norm");
    x = lb_max_pool(b, x, &window, NULL);
    return lb_make_norm(&m, x, "norm2");
}

static lb_value softmaxes(lb_builder *b, lb_value x)
{
    x = lb_softmax(b, lb_flatten(b, x, NULL), 1);
    return lb_softmax(b, dense(b, x, 10), 1);
}

static lb_value pad(lb_builder *b, lb_value x, int rows, int columns)
{
    const lb_shape eight = lb_shape_of(1, 8);
    lb_tensor *const pads = lb_build_tensor(b, LB_I64, &eight);

    if (pads) {
        lb_tensor_put(pads, 2, rows);
        lb_tensor_put(pads, 7, columns);
    }
    const lb_value in[] = {x, lb_constant(b, NULL, pads)};
    return lb_add_node(b, lb_op_find("Pad"), NULL, in, 2, NULL, 0);
}

/* Pad, concat, and a flatten that must copy. */
static lb_value moves(lb_builder *b, lb_value x)
{
    const lb_window window = pool_of(2, 2);

    x = pad(b, x, 1, 2);
    const lb_value p = lb_max_pool(b, x, &window, NULL);
    const lb_value q = lb_average_pool(b, x, &window, false, NULL);
    const lb_value both[] = {p, q};
    x = pad(b, lb_concat(b, both, 2, 1), 2, 1);
    const lb_value all[] = {x, x};
    return lb_flatten(b, lb_concat(b, all, 2, 1), NULL);
}

#define WHOLE(label, model_, c, h, w, classes_, depth_, width_) \
    {.name = label " fp32", \
     .whole = true, \
     .model = model_, \
     .input = {c, h, w}, \
     .classes = classes_, \
     .depth = depth_, \
     .width = width_}, \
    { \
        .name = label " int8", .int8 = true, .whole = true, .model = model_, \
        .input = {c, h, w}, .classes = classes_, .depth = depth_, .width = width_ \
    }
#define STACK(label, c, h, w) \
    {.name = #label " fp32", .build = label, .input = {c, h, w}}, \
    { \
        .name = #label " int8", .int8 = true, .build = label, .input = { c, h, w } \
    }

const calibration_net calibration_nets[] = {
    {.name = "ResNet-8", .int8 = true, .whole = true, .tflite = "pretrainedResnet_quant"},
    {.name = "DS-CNN", .int8 = true, .whole = true, .tflite = "kws_ref_model"},
    {.name = "MobileNetV1", .int8 = true, .whole = true, .tflite = "vww_96_int8"},
    {.name = "autoencoder", .int8 = true, .whole = true, .tflite = "ad01_int8"},
    {.name = "wake word", .int8 = true, .whole = true, .tflite = "str_ww_ref_model"},
    WHOLE("resnet 8", "resnet", 3, 32, 32, 10, 1, 1.0),
    WHOLE("resnet 14 thin", "resnet", 1, 28, 28, 10, 2, 0.4),
    WHOLE("ds-cnn", "ds-cnn", 1, 49, 10, 12, 0, 1.0),
    WHOLE("ds-cnn thin", "ds-cnn", 1, 28, 28, 10, 2, 0.3),
    STACK(convs, 3, 20, 20),
    STACK(tiny, 3, 6, 6),
    STACK(one_conv, 3, 4, 4),
    STACK(pointwises, 3, 14, 13),
    STACK(depthwises, 12, 20, 18),
    STACK(denses, 1, 16, 16),
    STACK(max_pools, 10, 20, 20),
    STACK(max_pools, 32, 10, 11),
    STACK(average_pools, 10, 16, 16),
    STACK(average_pools, 32, 9, 10),
    STACK(adds, 10, 18, 18),
    STACK(adds, 64, 9, 8),
    STACK(activations, 10, 18, 18),
    STACK(affines, 10, 18, 18),
    STACK(affines, 33, 8, 7),
    STACK(softmaxes, 1, 5, 20),
    STACK(moves, 6, 11, 12),
    STACK(moves, 25, 8, 6),
    {0},
};

/* ------------------------------------------------------------------------- lowering */

static lb_code load(const char *file, lb_graph **out, lb_error *err)
{
    const char *const shared = getenv("LB_SHARED");
    char path[500];

    snprintf(path, sizeof path, "%s/data/mlperf-tiny/%s.tflite",
             shared ? shared : "../shared", file);
    return lb_tflite_load(path, out, NULL, err);
}

static lb_code build_stack(const calibration_net *net, lb_graph **out, lb_error *err)
{
    const lb_shape shape =
        lb_shape_of(4, LB_BATCH, net->input[0], net->input[1], net->input[2]);
    lb_builder b;

    LB_TRY(lb_graph_new(out, err));
    lb_builder_init(&b, *out);
    const lb_value x = lb_input(&b, "input", LB_F32, &shape);
    lb_output(&b, net->build(&b, x));
    return lb_builder_finish(&b, err);
}

static lb_code build(const calibration_net *net, lb_graph **out, lb_error *err)
{
    const lb_model_options options = {
        .input = lb_shape_of(3, net->input[0], net->input[1], net->input[2]),
        .classes = net->classes,
        .depth = net->depth,
        .width = net->width};

    *out = NULL;
    if (net->tflite)
        return load(net->tflite, out, err);
    if (net->model)
        return lb_model_build(lb_model_find(net->model), &options, 1, out, err);
    return build_stack(net, out, err);
}

static lb_code quantize(const lb_graph *graph, lb_arena *arena, lb_low **out,
                        lb_error *err)
{
    const lb_shape shape =
        lb_shape_bind(&lb_info(graph, graph->inputs[0])->type.shape, 2);
    lb_tensor *noise = NULL;
    lb_pool *pool = NULL;
    lb_quantised made = {0};
    lb_rng rng = lb_rng_make(1, LB_RNG_TEST, 0, 0);

    LB_TRY(lb_tensor_new(arena, LB_F32, &shape, &noise, err));
    for (size_t i = 0; i < noise->n; i++)
        lb_tensor_put(noise, i, lb_rng_uniform(&rng));
    LB_TRY(lb_pool_new(1, &pool, err));
    const lb_quantize_setup setup = {
        .graph = graph, .samples = noise, .options = {.samples = 2}, .pool = pool};
    lb_code code = lb_network_quantize(&setup, arena, &made, err);
    if (code == LB_OK)
        code = lb_lower(made.graph, arena, out, err);
    lb_quantised_free(&made);
    lb_pool_free(pool);
    return code;
}

lb_code calibration_lower(const calibration_net *net, lb_arena *arena, lb_low **out,
                          lb_error *err)
{
    lb_graph *graph = NULL;
    lb_code code = build(net, &graph, err);

    if (code == LB_OK)
        code = net->int8 && !net->tflite ? quantize(graph, arena, out, err)
                                         : lb_lower(graph, arena, out, err);
    lb_graph_free(graph);
    return code;
}
