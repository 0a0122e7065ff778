/* test_onnx_qdq.c: a quantised network goes out as QuantizeLinear and DequantizeLinear
 * around int8 and int32 initialisers, comes back as it was, and answers alike in every
 * table of kernels, folded or not, and in onnxruntime. */
#include "onnx/onnx.h"

#include "base/file.h"
#include "graph/passes.h"
#include "ops/build.h"
#include "ops/rewrite.h"

#include "onnxruntime.h"

static const lb_value none;

static lb_value whole(lb_builder *b, const char *name, lb_dtype dtype, lb_shape shape,
                      int most)
{
    lb_tensor *t = NULL;

    if (lb_tensor_new(b->graph->arena, dtype, &shape, &t, &b->error) != LB_OK)
        return none;
    for (size_t i = 0; i < t->n; i++)
        lb_tensor_put(t, i, (double)((i * 7919) % (size_t)(2 * most + 1)) - most);
    return lb_constant(b, name, t);
}

/* Scales of n channels, each a bit larger than the one before. */
static lb_value scales(lb_builder *b, int n, double first)
{
    const lb_shape shape = lb_shape_of(1, n);
    lb_tensor *t = NULL;

    if (lb_tensor_new(b->graph->arena, LB_F32, &shape, &t, &b->error) != LB_OK)
        return none;
    for (int i = 0; i < n; i++)
        lb_tensor_put(t, (size_t)i, first * (1 + 0.1 * i));
    return lb_constant(b, NULL, t);
}

static lb_value fake(lb_builder *b, lb_value x, double scale, int zero)
{
    const lb_value s = lb_scalar(b, LB_F32, scale);
    const lb_value z = lb_scalar(b, LB_I8, zero);
    const lb_value q = lb_quantize(b, x, s, z, 0, NULL);

    return lb_dequantize(b, q, s, z, 0, NULL);
}

static lb_value weights(lb_builder *b, const char *name, lb_shape shape, double scale)
{
    const lb_value w = whole(b, name, LB_I8, shape, 127);
    const lb_value s = scales(b, shape.dim[0], scale);

    return lb_dequantize(b, w, s, none, 0, NULL);
}

static lb_value sums(lb_builder *b, const char *name, int n, double scale)
{
    const lb_value w = whole(b, name, LB_I32, lb_shape_of(1, n), 500);
    const lb_value s = scales(b, n, scale);

    return lb_dequantize(b, w, s, none, 0, NULL);
}

static lb_graph *quantised_network(void)
{
    const lb_shape shape = lb_shape_of(4, (int)LB_BATCH, 2, 6, 5);
    const lb_shape flat = lb_shape_of(2, (int)LB_BATCH, 8);
    const lb_window three = {
        .n = 2, .kernel = {3, 3}, .pad_begin = {1, 1}, .pad_end = {1, 1}, .group = 1};
    lb_window own = three;
    lb_graph *g = NULL;
    lb_error err = {0};
    lb_builder b;

    own.group = 8;
    CHECK_OK(lb_graph_new(&g, &err), &err);
    lb_builder_init(&b, g);
    const lb_value x = lb_input(&b, "x", LB_F32, &shape);
    const lb_value in = fake(&b, x, 0.01, -20);
    const lb_value w1 = weights(&b, "conv/w", lb_shape_of(4, 8, 2, 3, 3), 0.003);
    const lb_value b1 = sums(&b, "conv/b", 8, 0.00003);
    const lb_value c = lb_conv(&b, in, w1, b1, &three, "conv");
    const lb_value r = lb_relu(&b, c, "relu");
    const lb_value f1 = fake(&b, r, 0.02, -128);
    const lb_value w2 = weights(&b, "depthwise/w", lb_shape_of(4, 8, 1, 3, 3), 0.002);
    const lb_value d = lb_conv(&b, f1, w2, none, &own, "depthwise");
    const lb_value f2 = fake(&b, d, 0.015, 3);
    const lb_value sum = lb_add(&b, f1, f2);
    const lb_value f3 = fake(&b, sum, 0.03, -60);
    const lb_value p = lb_global_average_pool(&b, f3, "pool");
    const lb_value f4 = fake(&b, p, 0.01, -30);
    const lb_value v = lb_reshape(&b, f4, &flat);
    const lb_value w3 = weights(&b, "dense/w", lb_shape_of(2, 3, 8), 0.01);
    const lb_value b3 = sums(&b, "dense/b", 3, 0.0001);
    const lb_value y = lb_gemm(&b, v, w3, b3, false, true, "dense");
    const lb_value out = fake(&b, y, 0.05, 7);
    lb_rename(&b, out, "logits");
    lb_output(&b, out);
    CHECK_OK(lb_builder_finish(&b, &err), &err);
    return g;
}

static lb_tensor *samples(lb_arena *arena)
{
    const lb_shape shape = lb_shape_of(4, 5, 2, 6, 5);
    lb_tensor *t = NULL;
    lb_error err = {0};

    CHECK_OK(lb_tensor_new(arena, LB_F32, &shape, &t, &err), &err);
    for (size_t i = 0; t && i < t->n; i++)
        lb_tensor_put(t, i, -1.2 + 0.027 * (double)((i * 7919) % 101));
    return t;
}

static void it_comes_back_as_it_was(void)
{
    lb_arena *const arena = lb_arena_new(0);
    const char *const path = scratch_path(arena);
    lb_graph *const g = quantised_network();
    lb_graph *back = NULL;
    lb_error err = {0};

    CHECK_OK(lb_onnx_save(g, path, &err), &err);
    CHECK_OK(lb_onnx_load(path, &back, NULL, &err), &err);
    if (back) {
        const char *const is_now = lb_graph_dump(back, arena);
        const char *const was = lb_graph_dump(g, arena);
        CHECK(strcmp(was, is_now) == 0);
        if (strcmp(was, is_now) != 0)
            printf("# --- written:\n%s# --- read:\n%s\n", was, is_now);
        const lb_value w = lb_graph_find(g, "conv/w"), v = lb_graph_find(back, "conv/w");
        const lb_tensor *const is = lb_info(back, v)->tensor;
        CHECK(is && is->dtype == LB_I8 && lb_info(back, v)->kind == LB_VALUE_CONSTANT);
        CHECK(is && memcmp(is->data, lb_info(g, w)->tensor->data, is->n) == 0);
    }
    unlink(path);
    lb_graph_free(back);
    lb_graph_free(g);
    lb_arena_free(arena);
}

/* Floats are summed in other orders, so a value near a tie may go to the other side; not
 * in this network. */
static void every_table_of_kernels_answers_alike(void)
{
    static const lb_kernels tables[] = {LB_KERNELS_BEST, LB_KERNELS_NATIVE,
                                        LB_KERNELS_ONEDNN};
    lb_arena *const arena = lb_arena_new(0);
    lb_graph *const g = quantised_network();
    lb_graph *ready = NULL;
    lb_tensor *wanted[MAX_OUTPUTS] = {NULL}, *out[MAX_OUTPUTS] = {NULL};
    lb_error err = {0};

    CHECK_OK(lb_graph_clone(g, &ready, &err), &err);
    CHECK_OK(lb_fold_batch_norm(ready, &err), &err);
    CHECK_OK(lb_fold_constants(ready, 1 << 20, &err), &err);
    CHECK_OK(lb_fuse_convolutions(ready, &err), &err);
    CHECK_OK(lb_remove_dead(ready, &err), &err);
    CHECK(ready->n_nodes < g->n_nodes - 5); /* of five tensors, and what was fused */
    const lb_tensor *const x = samples(arena);
    CHECK_OK(evaluate(g, x, LB_KERNELS_REFERENCE, arena, wanted, &err), &err);
    CHECK_OK(evaluate(ready, x, LB_KERNELS_REFERENCE, arena, out, &err), &err);
    CHECK(difference(out[0], wanted[0]) == 0);
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        CHECK_OK(evaluate(g, x, tables[i], arena, out, &err), &err);
        CHECK(difference(out[0], wanted[0]) < 1e-6);
        CHECK_OK(evaluate(ready, x, tables[i], arena, out, &err), &err);
        CHECK(difference(out[0], wanted[0]) < 1e-6);
    }
    for (size_t i = 0; wanted[0] && i < wanted[0]->n; i++) {
        const double step = lb_tensor_get(wanted[0], i) / (double)0.05F;
        CHECK_NEAR(step, rint(step), 1e-4);
    }
    lb_graph_free(ready);
    lb_graph_free(g);
    lb_arena_free(arena);
}

static void onnxruntime_agrees(void)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_graph *const g = quantised_network();
    lb_tensor *out[MAX_OUTPUTS] = {NULL};
    lb_error err = {0};

    const lb_tensor *const x = samples(arena);
    const lb_tensor *const y = onnxruntime_answer(g, x, "ORT_DISABLE_ALL", arena);
    if (y) {
        CHECK_OK(evaluate(g, x, LB_KERNELS_REFERENCE, arena, out, &err), &err);
        CHECK(difference(out[0], y) < 1e-6);
    }
    lb_graph_free(g);
    lb_arena_free(arena);
}

int main(void)
{
    RUN(it_comes_back_as_it_was);
    RUN(every_table_of_kernels_answers_alike);
    RUN(onnxruntime_agrees);
    return DONE();
}
