/* test_plan.c: what a plan promises apart from its kernels: inputs and outputs by sample,
 * shared parameters, refresh, updates in place, no allocation in a run, the first layer
 * with a NaN, and the same bits with any number of threads. */
#include "engine/plan.h"

#include "base/rng.h"
#include "ops/build.h"

#include "check.h"

enum { K = 5, M = 3 };

typedef struct net {
    lb_graph *graph;
    lb_value x, target, w, velocity, lr, y, loss;
} net;

static lb_tensor *random_tensor(lb_graph *g, lb_dtype dtype, const lb_shape *shape,
                                uint64_t seed)
{
    lb_rng rng = lb_rng_make(seed, LB_RNG_TEST, 0, 0);
    lb_tensor *t = NULL;
    lb_error err = {0};

    CHECK_OK(lb_tensor_new(g->arena, dtype, shape, &t, &err), &err);
    for (size_t i = 0; i < t->n; i++)
        lb_tensor_put(t, i, lb_rng_normal(&rng));
    return t;
}

/* y = relu(x w^T); loss = mean (y - target)^2; w follows by SGD. */
static net make_net(lb_dtype dtype, bool trains)
{
    net n = {0};
    lb_builder b;
    lb_error err = {0};
    const lb_shape in = lb_shape_of(2, LB_BATCH, K), out = lb_shape_of(2, LB_BATCH, M);
    const lb_shape weight = lb_shape_of(2, M, K), scalar = {0};
    lb_tensor *zero = NULL;

    CHECK_OK(lb_graph_new(&n.graph, &err), &err);
    lb_builder_init(&b, n.graph);
    n.x = lb_input(&b, "x", dtype, &in);
    n.target = lb_input(&b, "target", dtype, &out);
    n.lr = lb_input(&b, "lr", dtype, &scalar);
    n.w = lb_param(&b, "w", random_tensor(n.graph, dtype, &weight, 1));
    const lb_value h = lb_gemm(&b, n.x, n.w, (lb_value){0}, false, true, "dense");
    n.y = lb_relu(&b, h, "y");
    const lb_value d = lb_sub(&b, n.y, n.target);
    const lb_value square = lb_mul(&b, d, d);
    n.loss = lb_mean_all(&b, square);
    lb_output(&b, n.y);
    lb_output(&b, n.loss);
    if (trains) {
        lb_value dw;
        CHECK_OK(lb_tensor_new(n.graph->arena, dtype, &weight, &zero, &err), &err);
        n.velocity = lb_param(&b, "velocity", zero);
        lb_autodiff(&b, &lb_op_verbs, n.loss, &n.w, 1, &dw);
        lb_sgd_update(
            &b, n.w, dw, n.velocity,
            &(lb_sgd_rule){
                .lr = n.lr, .momentum = 0.9, .weight_decay = 1e-3, .nesterov = true});
    }
    CHECK_OK(lb_builder_finish(&b, &err), &err);
    CHECK_OK(lb_graph_check(n.graph, &err), &err);
    return n;
}

static lb_plan *compile(const net *n, lb_pool *pool, int batch, lb_kernels kernels)
{
    const lb_plan_options options = {.batch = batch, .kernels = kernels};
    lb_plan *plan = NULL;
    lb_error err = {0};

    CHECK_OK(lb_plan_compile(n->graph, pool, &options, &plan, &err), &err);
    return plan;
}

static void fill(lb_plan *plan, const net *n, int batch, uint64_t seed)
{
    for (int i = 0; i < batch; i++) {
        lb_rng rng = lb_rng_make(seed, LB_RNG_TEST, 1, (uint64_t)i);
        float *const x = lb_plan_input(plan, n->x, i);
        float *const t = lb_plan_input(plan, n->target, i);
        for (int k = 0; k < K; k++)
            x[k] = (float)lb_rng_normal(&rng);
        for (int k = 0; k < M; k++)
            t[k] = (float)lb_rng_normal(&rng);
    }
    *(float *)lb_plan_input(plan, n->lr, 0) = 0.05f;
}

static lb_pool *pool_of(int threads)
{
    lb_pool *pool = NULL;
    lb_error err = {0};

    CHECK_OK(lb_pool_new(threads, &pool, &err), &err);
    return pool;
}

static void outputs_are_what_they_should_be(void)
{
    const net n = make_net(LB_F32, false);
    lb_pool *const pool = pool_of(2);
    const float *const w = lb_info(n.graph, n.w)->tensor->data;

    for (int batch = 1; batch <= 40; batch += 13) {
        lb_plan *const plan = compile(&n, pool, batch, LB_KERNELS_BEST);
        double loss = 0;
        fill(plan, &n, batch, 3);
        lb_plan_run(plan);
        for (int i = 0; i < batch; i++) {
            const float *const x = lb_plan_input(plan, n.x, i);
            const float *const t = lb_plan_input(plan, n.target, i);
            const float *const y = lb_plan_output(plan, n.y, i);
            for (int m = 0; m < M; m++) {
                double sum = 0;
                for (int k = 0; k < K; k++)
                    sum += (double)x[k] * (double)w[m * K + k];
                CHECK_NEAR(y[m], sum > 0 ? sum : 0, 1e-5);
                loss += ((double)y[m] - (double)t[m]) * ((double)y[m] - (double)t[m]);
            }
        }
        CHECK_NEAR(*(const float *)lb_plan_output(plan, n.loss, 0), loss / (batch * M),
                   1e-5);
        lb_plan_free(plan);
    }
    lb_pool_free(pool);
    lb_graph_free(n.graph);
}

static void a_step_takes_no_memory(void)
{
    const net n = make_net(LB_F32, true);
    lb_pool *const pool = pool_of(1);
    lb_plan *const plan = compile(&n, pool, 32, LB_KERNELS_BEST);

    fill(plan, &n, 32, 3);
    lb_arena_fail_after(0); /* any take would fail, and be counted */
    for (int i = 0; i < 3; i++)
        lb_plan_run(plan);
    CHECK(lb_arena_takes() == 0);
    lb_arena_fail_after(-1);
    lb_plan_free(plan);
    lb_pool_free(pool);
    lb_graph_free(n.graph);
}

static void threads_do_not_change_a_bit(void)
{
    const lb_kernels tables[] = {LB_KERNELS_BEST, LB_KERNELS_REFERENCE};

    for (int table = 0; table < 2; table++) {
        float first[M * K];
        for (int threads = 1; threads <= 8; threads++) {
            const net n = make_net(LB_F32, true);
            lb_pool *const pool = pool_of(threads);
            lb_plan *const plan = compile(&n, pool, 48, tables[table]);
            const float *const w = lb_info(n.graph, n.w)->tensor->data;
            for (int step = 0; step < 10; step++) {
                fill(plan, &n, 48, (uint64_t)step);
                lb_plan_run(plan);
            }
            if (threads == 1)
                memcpy(first, w, sizeof first);
            CHECK(memcmp(first, w, sizeof first) == 0);
            lb_plan_free(plan);
            lb_pool_free(pool);
            lb_graph_free(n.graph);
        }
    }
}

static void training_lowers_the_loss(void)
{
    const net n = make_net(LB_F32, true);
    lb_pool *const pool = pool_of(2);
    lb_plan *const plan = compile(&n, pool, 16, LB_KERNELS_BEST);
    float first = 0, last = 0;

    fill(plan, &n, 16, 9);
    for (int step = 0; step < 200; step++) {
        lb_plan_run(plan);
        last = *(const float *)lb_plan_output(plan, n.loss, 0);
        if (step == 0)
            first = last;
    }
    CHECK(last < 0.9f * first);
    lb_plan_free(plan);
    lb_pool_free(pool);
    lb_graph_free(n.graph);
}

/* Two plans see one set of weights; the one that only reads is told of a change. */
/* Plans of one pool share the memory that they work in, which moves when a larger plan
 * comes, and holds nothing from one run to the next. */
static void plans_of_a_pool_do_not_meet(void)
{
    const net n = make_net(LB_F32, false);
    lb_pool *const pool = pool_of(2);
    lb_plan *const small = compile(&n, pool, 6, LB_KERNELS_BEST);
    float first[6 * M];
    lb_error err = {0};

    fill(small, &n, 6, 9);
    lb_plan_run(small);
    memcpy(first, lb_plan_output(small, n.y, 0), sizeof first);
    lb_plan *const large = compile(&n, pool, 256, LB_KERNELS_REFERENCE);
    fill(large, &n, 256, 10);
    lb_plan_run(large);
    CHECK_OK(lb_pool_reserve(pool, (size_t)1 << 24, &err), &err);
    memset(lb_pool_memory(pool), 0xff, (size_t)1 << 24);
    CHECK(memcmp(first, lb_plan_output(small, n.y, 0), sizeof first) == 0);
    lb_plan_run(small);
    CHECK(memcmp(first, lb_plan_output(small, n.y, 0), sizeof first) == 0);
    lb_plan_free(large);
    lb_plan_free(small);
    lb_pool_free(pool);
    lb_graph_free(n.graph);
}

static void parameters_are_shared(void)
{
    const net n = make_net(LB_F32, false);
    lb_pool *const pool = pool_of(1);
    lb_plan *const plan = compile(&n, pool, 4, LB_KERNELS_BEST);
    lb_tensor *const w = lb_info(n.graph, n.w)->tensor;

    fill(plan, &n, 4, 2);
    memset(w->data, 0, lb_tensor_bytes(w));
    lb_plan_refresh(plan);
    lb_plan_run(plan);
    for (int i = 0; i < 4; i++)
        CHECK(((const float *)lb_plan_output(plan, n.y, i))[0] == 0.0f);
    lb_plan_free(plan);
    lb_pool_free(pool);
    lb_graph_free(n.graph);
}

static void the_first_bad_layer_is_named(void)
{
    const net n = make_net(LB_F32, true);
    lb_pool *const pool = pool_of(1);
    lb_plan *const plan = compile(&n, pool, 4, LB_KERNELS_REFERENCE);

    fill(plan, &n, 4, 2);
    lb_plan_run(plan);
    CHECK(lb_plan_find_nan(plan) == NULL);
    ((float *)lb_info(n.graph, n.w)->tensor->data)[2] = INFINITY;
    const lb_node *const node = lb_plan_find_nan(plan);
    CHECK(node && strcmp(node->name, "dense") == 0);
    lb_plan_free(plan);
    lb_pool_free(pool);
    lb_graph_free(n.graph);
}

/* Every value of a plan that keeps all can be read, and the plan's text is the same with
 * any number of threads. */
static void kept_values_are_read(void)
{
    const net n = make_net(LB_F32, false);
    lb_arena *const arena = lb_arena_new(0);
    const char *first = NULL;

    for (int threads = 1; threads <= 3; threads++) {
        const lb_plan_options options = {.batch = 6, .keep_all = true};
        lb_pool *const pool = pool_of(threads);
        lb_plan *plan = NULL;
        lb_tensor *h = NULL, *y = NULL;
        lb_error err = {0};
        CHECK_OK(lb_plan_compile(n.graph, pool, &options, &plan, &err), &err);
        fill(plan, &n, 6, 5);
        lb_plan_run(plan);
        CHECK_OK(lb_plan_read(plan, lb_graph_find(n.graph, "dense"), arena, &h, &err),
                 &err);
        CHECK_OK(lb_plan_read(plan, n.y, arena, &y, &err), &err);
        CHECK(h->shape.dim[0] == 6 && h->n == y->n);
        for (size_t i = 0; i < h->n; i++) {
            const double x = lb_tensor_get(h, i);
            CHECK(lb_tensor_get(y, i) == (x > 0 ? x : 0));
        }
        const char *const dump = lb_plan_dump(plan, arena);
        CHECK_TEXT(dump, "dense");
        if (threads == 1)
            first = dump;
        CHECK(first && dump && strcmp(first, dump) == 0);
        lb_plan_free(plan);
        lb_pool_free(pool);
    }
    lb_arena_free(arena);
    lb_graph_free(n.graph);
}

/* Weights that are computed in the step are packed in the step. */
static void computed_weights_are_packed_anew(void)
{
    const lb_shape in = lb_shape_of(4, LB_BATCH, 8, 8, 8);
    const lb_shape weight = lb_shape_of(4, 16, 8, 3, 3), dense = lb_shape_of(2, 4, 16);
    const lb_window window = {
        .n = 2, .kernel = {3, 3}, .pad_begin = {1, 1}, .pad_end = {1, 1}};
    const lb_kernels kernels[] = {LB_KERNELS_BEST, LB_KERNELS_REFERENCE};
    lb_pool *const pool = pool_of(2);
    double first[2][2];

    for (int k = 0; k < 2; k++) {
        const lb_plan_options options = {.batch = 6, .kernels = kernels[k]};
        lb_graph *g = NULL;
        lb_plan *plan = NULL;
        lb_builder b;
        lb_error err = {0};
        CHECK_OK(lb_graph_new(&g, &err), &err);
        lb_builder_init(&b, g);
        const lb_value x = lb_input(&b, "x", LB_F32, &in);
        const lb_value factor = lb_input(&b, "factor", LB_F32, &(lb_shape){0});
        const lb_value w = lb_param(&b, "w", random_tensor(g, LB_F32, &weight, 1));
        const lb_value v = lb_param(&b, "v", random_tensor(g, LB_F32, &dense, 2));
        const lb_value scaled = lb_mul(&b, w, factor), also = lb_mul(&b, v, factor);
        const lb_value y = lb_conv(&b, x, scaled, (lb_value){0}, &window, NULL);
        const lb_value p = lb_global_average_pool(&b, y, NULL);
        const lb_value f = lb_flatten(&b, p, NULL);
        const lb_value z = lb_gemm(&b, f, also, (lb_value){0}, false, true, NULL);
        lb_output(&b, z);
        CHECK_OK(lb_builder_finish(&b, &err), &err);
        CHECK_OK(lb_plan_compile(g, pool, &options, &plan, &err), &err);
        for (int i = 0; i < 6; i++)
            for (int e = 0; e < 512; e++)
                ((float *)lb_plan_input(plan, x, i))[e] = (float)cos(e + i);
        for (int run = 0; run < 2; run++) {
            *(float *)lb_plan_input(plan, factor, 0) = (float)(run + 1);
            lb_plan_run(plan);
            first[k][run] = (double)*(const float *)lb_plan_output(plan, z, 5);
        }
        lb_plan_free(plan);
        lb_graph_free(g);
    }
    for (int run = 0; run < 2; run++)
        CHECK_NEAR(first[0][run], first[1][run], 1e-4 * fabs(first[1][run]));
    CHECK_NEAR(first[0][1], 4 * first[0][0], 1e-4 * fabs(first[0][1]));
    lb_pool_free(pool);
}

int main(void)
{
    RUN(kept_values_are_read);
    RUN(computed_weights_are_packed_anew);
    RUN(outputs_are_what_they_should_be);
    RUN(a_step_takes_no_memory);
    RUN(threads_do_not_change_a_bit);
    RUN(training_lowers_the_loss);
    RUN(plans_of_a_pool_do_not_meet);
    RUN(parameters_are_shared);
    RUN(the_first_bad_layer_is_named);
    return DONE();
}
