/* test_onnx_export.c: what is written reads back as the same graph with the same bits,
 * in float32 and float64; weights are found by name; onnxruntime reads it too. */
#include "onnx/onnx.h"

#include "base/file.h"
#include "graph/passes.h"
#include "ops/build.h"
#include "ops/ops.h"

#include "onnxruntime.h"

static lb_tensor *ramp(lb_graph *g, lb_shape shape, double from, double step)
{
    lb_tensor *t = NULL;
    lb_error err = {0};

    CHECK_OK(lb_tensor_new(g->arena, LB_F32, &shape, &t, &err), &err);
    for (size_t i = 0; t && i < t->n; i++)
        lb_tensor_put(t, i, from + step * (double)((i * 7919) % 101));
    return t;
}

static lb_value channels(lb_builder *b, const char *name, int n, double from,
                         bool trained)
{
    const lb_value v = lb_param(b, name, ramp(b->graph, lb_shape_of(1, n), from, 0.01));

    b->graph->values[v.id].trained = trained;
    b->graph->values[v.id].no_decay = true;
    return v;
}

/* A convolution, a norm, a residual, a clip, a pool and a dense layer. */
static lb_graph *small_network(void)
{
    const lb_shape shape = lb_shape_of(4, (int)LB_BATCH, 2, 6, 5);
    const lb_window window = {.n = 2,
                              .kernel = {3, 3},
                              .stride = {2, 1},
                              .dilation = {1, 1},
                              .pad_begin = {1, 0},
                              .pad_end = {1, 2},
                              .group = 1};
    const lb_shape flat = lb_shape_of(2, (int)LB_BATCH, 4);
    lb_graph *g = NULL;
    lb_error err = {0};
    lb_builder b;

    CHECK_OK(lb_graph_new(&g, &err), &err);
    lb_builder_init(&b, g);
    const lb_value x = lb_input(&b, "x", LB_F32, &shape);
    const lb_value w =
        lb_param(&b, "conv/w", ramp(g, lb_shape_of(4, 4, 2, 3, 3), -0.5, 0.01));
    const lb_value c = lb_conv(&b, x, w, (lb_value){0}, &window, "conv");
    const lb_value scale = channels(&b, "norm/scale", 4, 1, true);
    const lb_value shift = channels(&b, "norm/bias", 4, 0, true);
    const lb_value mean = channels(&b, "norm/mean", 4, 0.2, false);
    const lb_value var = channels(&b, "norm/var", 4, 0.7, false);
    const lb_value n = lb_batch_norm(&b, c, scale, shift, mean, var, 1e-5, 0.9, "norm");
    const lb_value half = lb_scale(&b, c, 0.5);
    const lb_value sum = lb_add(&b, n, half);
    const lb_value r = lb_clip(&b, sum, 0, 6, "relu6");
    const lb_value p = lb_global_average_pool(&b, r, "pool");
    const lb_value f = lb_reshape(&b, p, &flat);
    const lb_value dw = lb_param(&b, "dense/w", ramp(g, lb_shape_of(2, 3, 4), -1, 0.02));
    const lb_value db = channels(&b, "dense/b", 3, 0.1, true);
    const lb_value y = lb_gemm(&b, f, dw, db, false, true, "dense");
    lb_rename(&b, y, "logits");
    lb_output(&b, y);
    CHECK_OK(lb_builder_finish(&b, &err), &err);
    return g;
}

/* Longer maps and functions of one number: optional inputs left out, lists of numbers. */
static lb_graph *longer_network(void)
{
    const lb_shape shape = lb_shape_of(4, (int)LB_BATCH, 2, 4, 5);
    const lb_window window = {
        .n = 2, .kernel = {3, 2}, .stride = {2, 2}, .pad_begin = {1, 0}, .group = 2};
    const int extra[] = {1, 0}, factor[] = {2, 3}, axes[] = {2, 3};
    lb_graph *g = NULL;
    lb_error err = {0};
    lb_builder b;

    CHECK_OK(lb_graph_new(&g, &err), &err);
    lb_builder_init(&b, g);
    const lb_value x = lb_input(&b, "x", LB_F32, &shape);
    const lb_value w =
        lb_param(&b, "up/w", ramp(g, lb_shape_of(4, 2, 3, 3, 2), -0.5, 0.03));
    const lb_value bias = channels(&b, "up/b", 6, 0.1, true);
    const lb_value up = lb_conv_transpose(&b, x, w, bias, &window, extra, "up");
    const lb_value leaky = lb_leaky_relu(&b, up, 0.2, "leaky");
    const lb_value large = lb_resize(&b, leaky, factor, "resize");
    const lb_value peak = lb_global_max_pool(&b, large, "peak");
    const lb_value most = lb_reduce_max(&b, large, axes, 2, true);
    const lb_value power = lb_pow(&b, peak, 2);
    const lb_value least = lb_min(&b, power, most);
    const lb_value y = lb_sigmoid(&b, least);
    lb_output(&b, y);
    CHECK_OK(lb_builder_finish(&b, &err), &err);
    return g;
}

static void check_same(const lb_graph *a, const lb_graph *b, lb_arena *arena)
{
    const char *const da = lb_graph_dump(a, arena), *const db = lb_graph_dump(b, arena);

    CHECK(strcmp(da, db) == 0);
    if (strcmp(da, db) != 0)
        printf("# --- written:\n%s# --- read:\n%s\n", da, db);
    for (int i = 1; i < a->n_values; i++) {
        const lb_value_info *const v = &a->values[i];
        if (v->kind != LB_VALUE_PARAM && v->kind != LB_VALUE_CONSTANT)
            continue;
        const lb_value_info *const w = lb_info(b, lb_graph_find(b, v->name));
        CHECK(w->kind == v->kind && w->trained == v->trained &&
              w->no_decay == v->no_decay);
        CHECK(w->tensor && lb_tensor_bytes(w->tensor) == lb_tensor_bytes(v->tensor) &&
              memcmp(w->tensor->data, v->tensor->data, lb_tensor_bytes(v->tensor)) == 0);
    }
}

static void check_round_trip(const lb_graph *graph)
{
    lb_arena *const arena = lb_arena_new(0);
    const char *const path = scratch_path(arena);
    lb_graph *back = NULL;
    lb_digest digest = {{0}}, none = {{0}};
    lb_error err = {0};

    CHECK_OK(lb_onnx_save(graph, path, &err), &err);
    CHECK_OK(lb_onnx_load(path, &back, &digest, &err), &err);
    CHECK(memcmp(&digest, &none, sizeof none) != 0);
    if (back)
        check_same(graph, back, arena);
    lb_graph_free(back);
    unlink(path);
    lb_arena_free(arena);
}

static void longer_maps_survive(void)
{
    lb_graph *const g = longer_network();

    check_round_trip(g);
    lb_graph_free(g);
}

static void a_graph_survives_in_float32(void)
{
    lb_graph *const g = small_network();

    check_round_trip(g);
    lb_graph_free(g);
}

static void a_graph_survives_in_float64(void)
{
    lb_graph *const g = small_network();
    lb_graph *wide = NULL;
    lb_error err = {0};

    CHECK_OK(lb_graph_with_precision(g, LB_F64, &wide, &err), &err);
    if (wide)
        check_round_trip(wide);
    lb_graph_free(wide);
    lb_graph_free(g);
}

static void teachers_survive(void)
{
    static const char *const names[] = {"cifar10-mlperf-resnet8", "cifar10-resnet20",
                                        "mnist-8-cntk"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        lb_arena *const arena = lb_arena_new(0);
        const char *const path = test_path(
            arena, true, lb_arena_text(arena, "data/teachers/%s.onnx", names[i]));
        lb_graph *graph = NULL;
        lb_error err = {0};
        if (!lb_file_exists(path)) {
            SKIP("the shared data with the teachers is not there");
        } else {
            CHECK_OK(lb_onnx_load(path, &graph, NULL, &err), &err);
            if (graph)
                check_round_trip(graph);
        }
        lb_graph_free(graph);
        lb_arena_free(arena);
    }
}

static void operators_of_limbeck_alone_are_a_bug(void)
{
    const lb_op *own = NULL;
    lb_graph *const g = small_network();
    lb_error err = {0};

    for (const lb_op *const *op = lb_ops; *op; op++)
        if (!((*op)->flags & LB_OP_ONNX))
            own = *op;
    CHECK(own != NULL);
    if (own) {
        g->nodes[0].op = own;
        CHECK(lb_onnx_save(g, "/nonexistent/x.onnx", &err) == LB_ERR_BUG);
        CHECK_TEXT(err.text, own->name);
    }
    lb_graph_free(g);
}

static void weights_are_found_by_name(void)
{
    lb_arena *const arena = lb_arena_new(0);
    const char *const path = scratch_path(arena);
    lb_graph *const g = small_network(), *const to = small_network();
    lb_graph *wide = NULL;
    lb_error err = {0};

    CHECK_OK(lb_onnx_save(g, path, &err), &err);
    for (int i = 1; i < to->n_values; i++)
        if (to->values[i].kind == LB_VALUE_PARAM)
            memset(to->values[i].tensor->data, 0, lb_tensor_bytes(to->values[i].tensor));
    CHECK_OK(lb_onnx_load_weights(path, to, &err), &err);
    check_same(g, to, arena);
    CHECK_OK(lb_graph_with_precision(to, LB_F64, &wide, &err), &err);
    CHECK_OK(lb_onnx_load_weights(path, wide, &err), &err);
    const lb_value w = lb_graph_find(wide, "dense/w"), v = lb_graph_find(g, "dense/w");
    CHECK(lb_tensor_get(lb_info(wide, w)->tensor, 5) ==
          lb_tensor_get(lb_info(g, v)->tensor, 5));
    lb_graph_free(wide);
    unlink(path);
    lb_graph_free(to);
    lb_graph_free(g);
    lb_arena_free(arena);
}

static void weights_that_do_not_fit_are_all_listed(void)
{
    lb_arena *const arena = lb_arena_new(0);
    const char *const path = scratch_path(arena);
    lb_graph *const g = small_network(), *const to = small_network();
    lb_error err = {0};
    lb_builder b;

    CHECK_OK(lb_onnx_save(g, path, &err), &err);
    lb_builder_init(&b, to);
    lb_rename(&b, lb_graph_find(to, "dense/b"), "dense/bias");
    const lb_value w = lb_graph_find(to, "conv/w");
    to->values[w.id].tensor = ramp(to, lb_shape_of(4, 4, 2, 3, 2), 5, 0);
    to->values[w.id].type.shape = to->values[w.id].tensor->shape;
    const lb_value dense = lb_graph_find(to, "dense/w");
    lb_tensor_put(to->values[dense.id].tensor, 0, 77);
    CHECK(lb_onnx_load_weights(path, to, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "param 'dense/bias' [3] is missing");
    CHECK_TEXT(err.text, "param 'conv/w' is float32 [4,2,3,3], not float32 [4,2,3,2]");
    CHECK(lb_tensor_get(to->values[dense.id].tensor, 0) == 77); /* nothing changed */
    unlink(path);
    lb_graph_free(to);
    lb_graph_free(g);
    lb_arena_free(arena);
}

/* Where python3 has onnxruntime, it must answer as the engine does. */
static void onnxruntime_agrees(void)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_graph *const g = small_network();
    lb_tensor *out[MAX_OUTPUTS] = {NULL};
    lb_error err = {0};

    const lb_tensor *const x = ramp(g, lb_shape_of(4, 3, 2, 6, 5), -0.4, 0.01);
    const lb_tensor *const y = onnxruntime_answer(g, x, "ORT_ENABLE_ALL", arena);
    if (y) {
        CHECK_OK(evaluate(g, x, LB_KERNELS_REFERENCE, arena, out, &err), &err);
        CHECK(difference(out[0], y) < 1e-6);
    }
    lb_graph_free(g);
    lb_arena_free(arena);
}

int main(void)
{
    RUN(longer_maps_survive);
    RUN(a_graph_survives_in_float32);
    RUN(a_graph_survives_in_float64);
    RUN(teachers_survive);
    RUN(operators_of_limbeck_alone_are_a_bug);
    RUN(weights_are_found_by_name);
    RUN(weights_that_do_not_fit_are_all_listed);
    RUN(onnxruntime_agrees);
    return DONE();
}
