/* test_rewrites.c: folded and fused graphs give what they gave before, and want of memory
 * leaves an error and no more. */
#include "ops/rewrite.h"

#include "ops/build.h"

#include "eval.h"
#include "nodes.h"

enum { BATCH = 2 };

static lb_value random_param(lb_builder *b, const char *name, const lb_shape *shape,
                             double low, double high)
{
    lb_rng rng = lb_rng_make(3, LB_RNG_TEST, (uint64_t)b->graph->n_values, 1);
    lb_tensor *t = NULL;

    CHECK_OK(lb_tensor_new(b->graph->arena, LB_F64, shape, &t, &b->error), &b->error);
    for (size_t i = 0; t && i < t->n; i++)
        lb_tensor_put(t, i, low + (high - low) * lb_rng_uniform(&rng));
    return t ? lb_param(b, name, t) : (lb_value){0};
}

static lb_value norm(lb_builder *b, lb_value x, const char *name)
{
    const lb_shape shape = lb_shape_of(1, lb_dim(b, x, 1));
    const lb_value scale = random_param(b, "scale", &shape, -2, 2);
    const lb_value bias = random_param(b, "bias", &shape, -1, 1);
    const lb_value mean = random_param(b, "mean", &shape, -1, 1);
    const lb_value var = random_param(b, "var", &shape, 0.2, 3);

    return lb_batch_norm(b, x, scale, bias, mean, var, 1e-3, 0.9, name);
}

static lb_value conv(lb_builder *b, lb_value x, int m, int k, int group, bool biased)
{
    const lb_window window = {.n = 2,
                              .kernel = {k, k},
                              .pad_begin = {k / 2, k / 2},
                              .pad_end = {k / 2, k / 2},
                              .group = group};
    const lb_shape shape = lb_shape_of(4, m, lb_dim(b, x, 1) / group, k, k);
    const lb_shape row = lb_shape_of(1, m);
    const lb_value w = random_param(b, "w", &shape, -1, 1);
    const lb_value bias = biased ? random_param(b, "b", &row, -1, 1) : (lb_value){0};

    return lb_conv(b, x, w, bias, &window, NULL);
}

/* Two blocks with a shortcut each, one of them through a convolution, and a dense layer
 * with a norm. */
static lb_graph *network(void)
{
    const lb_shape shape = lb_shape_of(4, LB_BATCH, 3, 4, 4);
    const lb_shape dense = lb_shape_of(2, 4, 6);
    lb_graph *g = NULL;
    lb_error err = {0};
    lb_builder b;

    CHECK_OK(lb_graph_new(&g, &err), &err);
    lb_builder_init(&b, g);
    const lb_value x = lb_input(&b, "x", LB_F64, &shape);
    lb_value y = conv(&b, x, 4, 3, 1, true);
    y = norm(&b, y, "n1");
    const lb_value first = lb_relu(&b, y, "first");
    y = conv(&b, first, 4, 3, 2, false);
    y = norm(&b, y, "n2");
    y = lb_clip(&b, y, -0.5, 0.75, "clipped");
    y = conv(&b, y, 4, 3, 1, false);
    y = norm(&b, y, "n3");
    y = lb_add(&b, first, y);
    const lb_value second = lb_relu(&b, y, "second");
    y = conv(&b, second, 4, 3, 1, false);
    const lb_value left = norm(&b, y, "n4");
    y = conv(&b, second, 4, 1, 1, false);
    const lb_value right = norm(&b, y, "n5");
    const lb_value sum = lb_add(&b, left, right);
    y = lb_clip(&b, sum, 0, 6, "third");
    y = lb_global_average_pool(&b, y, NULL);
    y = lb_flatten(&b, y, NULL);
    const lb_value w = random_param(&b, "dense", &dense, -1, 1);
    y = lb_gemm(&b, y, w, (lb_value){0}, false, false, NULL);
    y = norm(&b, y, "logits");
    lb_output(&b, y);
    lb_output(&b, second);
    CHECK_OK(lb_builder_finish(&b, &err), &err);
    return g;
}

static void check_same(const lb_graph *a, const lb_graph *b)
{
    eval x, y;

    CHECK(a->n_outputs == b->n_outputs);
    eval_begin(&x, a, BATCH, BATCH);
    eval_begin(&y, b, BATCH, 1);
    eval_random(&x, a->inputs[0], 5, -1, 1);
    eval_random(&y, b->inputs[0], 5, -1, 1);
    eval_run(&x);
    eval_run(&y);
    for (int k = 0; k < a->n_outputs; k++) {
        const lb_value u = a->outputs[k], v = b->outputs[k];
        CHECK(strcmp(lb_info(a, u)->name, lb_info(b, v)->name) == 0);
        for (size_t i = 0; i < eval_count(&x, u); i++)
            CHECK_NEAR(x.value[u.id][i], y.value[v.id][i], 1e-10);
    }
    eval_end(&x);
    eval_end(&y);
}

static void norms_fold_and_convolutions_fuse(void)
{
    lb_graph *const g = network();
    lb_graph *folded = NULL;
    lb_error err = {0};

    CHECK_OK(lb_graph_clone(g, &folded, &err), &err);
    CHECK_OK(lb_fold_batch_norm(folded, &err), &err);
    CHECK_OK(lb_graph_check(folded, &err), &err);
    CHECK(count_nodes(folded, "BatchNormalization") == 0);
    CHECK(count_nodes(folded, "Conv") == 5);
    check_same(g, folded);
    CHECK_OK(lb_fuse_convolutions(folded, &err), &err);
    CHECK_OK(lb_graph_check(folded, &err), &err);
    CHECK(count_nodes(folded, "FusedConv") == 4);
    CHECK(count_nodes(folded, "Conv") == 1); /* the shortcut that is a residual */
    CHECK(count_nodes(folded, "Add") == 0);
    CHECK(count_nodes(folded, "Relu") == 0 && count_nodes(folded, "Clip") == 0);
    check_same(g, folded);
    lb_graph_free(folded);
    lb_graph_free(g);
}

/* What others still need is not fused away. */
static void values_with_other_uses_stay(void)
{
    const lb_shape shape = lb_shape_of(4, LB_BATCH, 2, 3, 3);
    const lb_shape tall = lb_shape_of(3, 2, 1, 1);
    lb_graph *g = NULL, *fused = NULL;
    lb_error err = {0};
    lb_builder b;

    CHECK_OK(lb_graph_new(&g, &err), &err);
    lb_builder_init(&b, g);
    const lb_value x = lb_input(&b, "x", LB_F64, &shape);
    const lb_value seen = conv(&b, x, 2, 3, 1, false);
    const lb_value relu = lb_relu(&b, seen, NULL);
    const lb_value twice = conv(&b, relu, 2, 3, 1, false);
    const lb_value doubled = lb_add(&b, twice, twice);
    const lb_value other = conv(&b, doubled, 2, 3, 1, false);
    const lb_value offset = random_param(&b, "offset", &tall, -1, 1);
    const lb_value moved = lb_add(&b, other, offset); /* a smaller shape */
    const lb_value normed = norm(&b, moved, "n");
    lb_output(&b, seen);
    lb_output(&b, normed);
    CHECK_OK(lb_builder_finish(&b, &err), &err);
    CHECK_OK(lb_graph_clone(g, &fused, &err), &err);
    CHECK_OK(lb_fold_batch_norm(fused, &err), &err);
    CHECK_OK(lb_fuse_convolutions(fused, &err), &err);
    CHECK_OK(lb_graph_check(fused, &err), &err);
    CHECK(count_nodes(fused, "Conv") == 3);
    CHECK(count_nodes(fused, "Add") == 2);
    CHECK(count_nodes(fused, "BatchNormalization") == 1);
    check_same(g, fused);
    lb_graph_free(fused);
    lb_graph_free(g);
}

static lb_code fold_and_fuse(lb_graph *g, lb_error *err)
{
    LB_TRY(lb_fold_batch_norm(g, err));
    return lb_fuse_convolutions(g, err);
}

/* The gradient of each param becomes an output. */
static lb_code differentiate(lb_graph *g, lb_error *err)
{
    lb_value wrt[64], dx[64];
    lb_builder b;
    int n = 0;

    for (int i = 1; i < g->n_values && n < 64; i++)
        if (g->values[i].kind == LB_VALUE_PARAM)
            wrt[n++] = (lb_value){i};
    lb_builder_init(&b, g);
    const lb_value square = lb_mul(&b, g->outputs[0], g->outputs[0]);
    const lb_value sum = lb_sum_all(&b, square);
    lb_autodiff(&b, &lb_op_verbs, sum, wrt, n, dx);
    for (int i = 0; i < n && b.error.code == LB_OK; i++)
        if (dx[i].id)
            lb_output(&b, dx[i]);
    return lb_builder_finish(&b, err);
}

static lb_code train_form(lb_graph *g, lb_error *err)
{
    LB_TRY(lb_train_norms(g, err));
    LB_TRY(differentiate(g, err));
    return lb_remove_dead(g, err);
}

static lb_code train_and_fuse(lb_graph *g, lb_error *err)
{
    LB_TRY(train_form(g, err));
    return lb_fuse_norms(g, err);
}

/* The activations and additions go, forwards and backwards, and every gradient stays. */
static void norms_take_in_what_is_around_them(void)
{
    lb_graph *const g = network();
    lb_graph *fused = NULL;
    lb_error err = {0};

    CHECK_OK(train_form(g, &err), &err);
    CHECK(count_nodes(g, "Relu") == 2 && count_nodes(g, "ReluGrad") == 2);
    CHECK(count_nodes(g, "Clip") == 2 && count_nodes(g, "ClipGrad") == 2);
    CHECK(g->n_outputs > 20);
    CHECK_OK(lb_graph_clone(g, &fused, &err), &err);
    CHECK_OK(lb_fuse_norms(fused, &err), &err);
    CHECK_OK(lb_graph_check(fused, &err), &err);
    CHECK(count_nodes(fused, "Relu") == 0 && count_nodes(fused, "ReluGrad") == 0);
    CHECK(count_nodes(fused, "Clip") == 0 && count_nodes(fused, "ClipGrad") == 0);
    CHECK(count_nodes(fused, "Add") == 0);
    CHECK(count_nodes(fused, "FusedBatchNorm") == 4);
    CHECK(count_nodes(fused, "BatchNormGradJoin") == 4); /* n1, n3, n4 or n5, logits */
    CHECK(count_nodes(fused, "BatchNormGradStats") +
              count_nodes(fused, "BatchNormGradJoin") ==
          count_nodes(g, "BatchNormGradStats"));
    check_same(g, fused);
    lb_graph_free(fused);
    lb_graph_free(g);
}

/* The n-th take of memory fails, for n = 0, 1, 2 ... until none does. */
static void want_of_memory_is_reported(lb_code (*work)(lb_graph *g, lb_error *err))
{
    lb_graph *const g = network();
    lb_code code = LB_ERR_MEMORY;
    long n = 0;

    for (; code != LB_OK && n < 100000; n++) {
        lb_graph *copy = NULL;
        lb_error err = {0};
        CHECK_OK(lb_graph_clone(g, &copy, &err), &err);
        lb_arena_fail_after(n);
        code = work(copy, &err);
        lb_arena_fail_after(-1);
        CHECK(code == LB_OK || code == LB_ERR_MEMORY);
        lb_graph_free(copy);
        if (code != LB_OK && code != LB_ERR_MEMORY)
            break;
    }
    CHECK(code == LB_OK && n > 10);
    lb_graph_free(g);
}

static void rewrites_survive_want_of_memory(void)
{
    want_of_memory_is_reported(fold_and_fuse);
    want_of_memory_is_reported(lb_train_norms);
    want_of_memory_is_reported(train_and_fuse);
}

static void gradients_survive_want_of_memory(void)
{
    want_of_memory_is_reported(differentiate);
}

int main(void)
{
    RUN(norms_fold_and_convolutions_fuse);
    RUN(values_with_other_uses_stay);
    RUN(norms_take_in_what_is_around_them);
    RUN(rewrites_survive_want_of_memory);
    RUN(gradients_survive_want_of_memory);
    return DONE();
}
