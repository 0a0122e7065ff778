/* test_gather.c: the whole batch as an array within a plan: every group sees all rows,
 * gradients go back through it, and neither threads nor kernels change the result. */
#include "engine/plan.h"

#include "base/rng.h"
#include "ops/build.h"

#include "check.h"

enum { K = 7, M = 5, BATCH = 24, STEPS = 3 };

typedef struct net {
    lb_graph *graph;
    lb_value x, lr, w, rows, gram, loss;
} net;

static lb_value weights(lb_builder *b, double deviation)
{
    const lb_shape shape = lb_shape_of(2, K, M);
    lb_rng rng = lb_rng_make(3, LB_RNG_TEST, 0, 0);
    lb_tensor *t = NULL;
    lb_error err = {0};

    CHECK_OK(lb_tensor_new(b->graph->arena, LB_F32, &shape, &t, &err), &err);
    for (size_t i = 0; i < t->n; i++)
        lb_tensor_put(t, i, deviation * lb_rng_normal(&rng));
    return lb_param(b, NULL, t);
}

/* e = tanh(x w); rows: the squared distances of each sample to all, by a batched node
 * that reads the gathered rows straight away; gram: the Gram matrix, by an unbatched
 * product; a loss of both that has every sample meet every other. */
static net make_net(int batch)
{
    const lb_shape in = lb_shape_of(2, LB_BATCH, K), scalar = {0};
    const lb_shape one_row = lb_shape_of(3, LB_BATCH, 1, M);
    const int turned[] = {1, 0}, columns[] = {1}, features[] = {2};
    net n = {0};
    lb_value dw;
    lb_builder b;
    lb_error err = {0};

    CHECK_OK(lb_graph_new(&n.graph, &err), &err);
    lb_builder_init(&b, n.graph);
    n.x = lb_input(&b, "x", LB_F32, &in);
    n.lr = lb_input(&b, "lr", LB_F32, &scalar);
    n.w = weights(&b, 0.5);
    const lb_value product = lb_matmul(&b, n.x, n.w);
    const lb_value e = lb_tanh(&b, product);
    const lb_value all = lb_batch_gather(&b, e, batch);
    const lb_value other = lb_transpose(&b, all, turned, 2);
    n.gram = lb_matmul(&b, all, other);
    const lb_value each = lb_reshape(&b, e, &one_row);
    const lb_value apart = lb_sub(&b, each, all);
    const lb_value squares = lb_mul(&b, apart, apart);
    n.rows = lb_reduce_sum(&b, squares, features, 1, false);
    const lb_value most = lb_reduce_max(&b, n.gram, columns, 1, true);
    const lb_value spread = lb_div(&b, n.gram, most);
    const lb_value again = lb_batch_rows(&b, spread);
    const lb_value d = lb_sub(&b, n.rows, again);
    const lb_value square = lb_pow(&b, d, 2);
    n.loss = lb_mean_all(&b, square);
    lb_autodiff(&b, &lb_op_verbs, n.loss, &n.w, 1, &dw);
    lb_output(&b, n.loss);
    lb_output(&b, n.rows);
    lb_output(&b, n.gram);
    const lb_value step = lb_mul(&b, dw, n.lr);
    lb_output(&b, step);
    const lb_value velocity = weights(&b, 0);
    lb_sgd_update(&b, n.w, dw, velocity, &(lb_sgd_rule){.lr = n.lr, .momentum = 0.9});
    CHECK_OK(lb_builder_finish(&b, &err), &err);
    CHECK_OK(lb_graph_check(n.graph, &err), &err);
    return n;
}

static void fill(lb_plan *plan, const net *n, int step)
{
    for (int i = 0; i < BATCH; i++) {
        lb_rng rng = lb_rng_make(5, LB_RNG_TEST, (uint64_t)step, (uint64_t)i);
        float *const x = lb_plan_input(plan, n->x, i);
        for (int k = 0; k < K; k++)
            x[k] = (float)lb_rng_normal(&rng);
    }
    *(float *)lb_plan_input(plan, n->lr, 0) = 0.1f;
}

/* Distances are what the Gram matrix says: |a|^2 + |b|^2 - 2 ab. */
static void check_rows(lb_plan *plan, const net *n)
{
    const float *const gram = lb_plan_output(plan, n->gram, 0);

    for (int i = 0; i < BATCH; i++) {
        const float *const row = lb_plan_output(plan, n->rows, i);
        CHECK(row[i] == 0);
        for (int j = 0; j < BATCH; j++) {
            const double a = (double)gram[i * BATCH + i], b = (double)gram[j * BATCH + j];
            const double ab = (double)gram[i * BATCH + j];
            CHECK_NEAR((double)row[j], a + b - 2 * ab, 1e-5);
        }
    }
}

static net train(int threads, lb_kernels kernels, double loss[STEPS])
{
    const lb_plan_options options = {.batch = BATCH, .kernels = kernels};
    lb_pool *pool = NULL;
    lb_plan *plan = NULL;
    lb_error err = {0};
    net n = make_net(BATCH);

    CHECK_OK(lb_pool_new(threads, &pool, &err), &err);
    CHECK_OK(lb_plan_compile(n.graph, pool, &options, &plan, &err), &err);
    for (int step = 0; plan && step < STEPS; step++) {
        fill(plan, &n, step);
        lb_plan_run(plan);
        loss[step] = (double)*(const float *)lb_plan_output(plan, n.loss, 0);
        check_rows(plan, &n);
    }
    lb_plan_free(plan);
    lb_pool_free(pool);
    return n;
}

static void threads_do_not_change_a_bit(void)
{
    const int threads[] = {2, 3, 8};
    double want[STEPS] = {0};
    const net one = train(1, LB_KERNELS_BEST, want);

    for (int t = 0; t < 3; t++) {
        double loss[STEPS] = {0};
        const net many = train(threads[t], LB_KERNELS_BEST, loss);
        for (int step = 0; step < STEPS; step++)
            CHECK(loss[step] == want[step] && isfinite(loss[step]));
        CHECK(memcmp(lb_info(one.graph, one.w)->tensor->data,
                     lb_info(many.graph, many.w)->tensor->data,
                     K * M * sizeof(float)) == 0);
        lb_graph_free(many.graph);
    }
    lb_graph_free(one.graph);
}

/* The reference makes shares of zeros and its own rows; the sum is the same. */
static void the_reference_agrees(void)
{
    double fast[STEPS] = {0}, slow[STEPS] = {0};
    const net a = train(2, LB_KERNELS_BEST, fast);
    const net b = train(2, LB_KERNELS_REFERENCE, slow);
    const lb_tensor *const p = lb_info(a.graph, a.w)->tensor;
    const lb_tensor *const q = lb_info(b.graph, b.w)->tensor;

    for (int step = 0; step < STEPS; step++)
        CHECK_NEAR(fast[step], slow[step], 1e-5);
    for (size_t i = 0; i < p->n; i++)
        CHECK_NEAR(lb_tensor_get(p, i), lb_tensor_get(q, i), 1e-5);
    lb_graph_free(a.graph);
    lb_graph_free(b.graph);
}

static void all_kernels_are_fast_ones(void)
{
    const lb_plan_options options = {.batch = BATCH};
    const net n = make_net(BATCH);
    const lb_node *node = NULL;
    const char *kernel = NULL;
    lb_pool *pool = NULL;
    lb_plan *plan = NULL;
    lb_error err = {0};
    int steps = 0;

    CHECK_OK(lb_pool_new(1, &pool, &err), &err);
    CHECK_OK(lb_plan_compile(n.graph, pool, &options, &plan, &err), &err);
    for (; plan && lb_plan_step(plan, steps, &kernel, &node); steps++) {
        if (strcmp(kernel, "reference") == 0)
            printf("# %s\n", node->op->name);
        CHECK(strcmp(kernel, "reference") != 0);
    }
    CHECK(steps > 10);
    lb_plan_free(plan);
    lb_pool_free(pool);
    lb_graph_free(n.graph);
}

static void another_batch_is_refused(void)
{
    const lb_plan_options options = {.batch = BATCH};
    const net n = make_net(BATCH + 1);
    lb_pool *pool = NULL;
    lb_plan *plan = NULL;
    lb_error err = {0};

    CHECK_OK(lb_pool_new(1, &pool, &err), &err);
    CHECK(lb_plan_compile(n.graph, pool, &options, &plan, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "it is for batches of 25 samples, not of 24");
    CHECK(plan == NULL);
    lb_pool_free(pool);
    lb_graph_free(n.graph);
}

/* A NaN in one sample is blamed on the node that made it, not on the gathered rows. */
static void the_first_bad_node_is_named(void)
{
    const lb_plan_options options = {.batch = BATCH};
    const net n = make_net(BATCH);
    lb_pool *pool = NULL;
    lb_plan *plan = NULL;
    lb_error err = {0};

    CHECK_OK(lb_pool_new(1, &pool, &err), &err);
    CHECK_OK(lb_plan_compile(n.graph, pool, &options, &plan, &err), &err);
    fill(plan, &n, 0);
    CHECK(lb_plan_find_nan(plan) == NULL);
    *(float *)lb_plan_input(plan, n.x, BATCH - 1) = NAN;
    const lb_node *const bad = lb_plan_find_nan(plan);
    CHECK(bad && strcmp(bad->op->name, "MatMul") == 0);
    lb_plan_free(plan);
    lb_pool_free(pool);
    lb_graph_free(n.graph);
}

int main(void)
{
    RUN(threads_do_not_change_a_bit);
    RUN(the_reference_agrees);
    RUN(all_kernels_are_fast_ones);
    RUN(another_batch_is_refused);
    RUN(the_first_bad_node_is_named);
    return DONE();
}
