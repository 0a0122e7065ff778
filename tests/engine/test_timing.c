/* test_timing.c: what is told about a plan's work and about the machine: the counts, not
 * the times, which nobody can promise. */
#include "engine/machine.h"
#include "engine/simd/simd_table.h"
#include "engine/timing.h"

#include "base/rng.h"
#include "ops/build.h"

#include "check.h"

#include <string.h>

enum { BATCH = 6, C = 3, M = 4, SIDE = 8 };

static lb_arena *arena;

static lb_tensor *weights(lb_graph *g, const lb_shape *shape)
{
    lb_rng rng = lb_rng_make(5, LB_RNG_TEST, 0, 0);
    lb_tensor *t = NULL;
    lb_error err = {0};

    CHECK_OK(lb_tensor_new(g->arena, LB_F32, shape, &t, &err), &err);
    for (size_t i = 0; i < t->n; i++)
        lb_tensor_put(t, i, lb_rng_normal(&rng));
    return t;
}

/* loss = mean relu(x w1^T) w2^T; both weights follow by SGD. */
static lb_graph *make_net(bool trains)
{
    const lb_shape in = lb_shape_of(2, LB_BATCH, SIDE), scalar = {0};
    const lb_shape first = lb_shape_of(2, M, SIDE), second = lb_shape_of(2, C, M);
    lb_graph *g = NULL;
    lb_builder b;
    lb_error err = {0};
    lb_value param[2], grad[2];

    CHECK_OK(lb_graph_new(&g, &err), &err);
    lb_builder_init(&b, g);
    const lb_value x = lb_input(&b, "x", LB_F32, &in);
    const lb_value rate = lb_input(&b, "rate", LB_F32, &scalar);
    param[0] = lb_param(&b, "hidden/weight", weights(g, &first));
    param[1] = lb_param(&b, "last/weight", weights(g, &second));
    const lb_value h = lb_gemm(&b, x, param[0], (lb_value){0}, false, true, "hidden");
    const lb_value r = lb_relu(&b, h, "relu");
    const lb_value y = lb_gemm(&b, r, param[1], (lb_value){0}, false, true, "last");
    const lb_value loss = lb_mean_all(&b, y);
    lb_output(&b, trains ? loss : y);
    if (trains) {
        lb_autodiff(&b, &lb_op_verbs, loss, param, 2, grad);
        for (int i = 0; i < 2; i++) {
            const lb_shape *const shape = i ? &second : &first;
            lb_tensor *velocity = NULL;
            CHECK_OK(lb_tensor_new(g->arena, LB_F32, shape, &velocity, &err), &err);
            const lb_value v = lb_param(&b, "velocity", velocity);
            lb_sgd_update(&b, param[i], grad[i], v, &(lb_sgd_rule){.lr = rate});
        }
    }
    CHECK_OK(lb_builder_finish(&b, &err), &err);
    return g;
}

static lb_timing time_of(lb_graph *g, int threads)
{
    const lb_plan_options options = {.batch = BATCH, .kernels = LB_KERNELS_REFERENCE};
    lb_timing t = {.n = 0};
    lb_pool *pool = NULL;
    lb_plan *plan = NULL;
    lb_error err = {0};

    CHECK_OK(lb_pool_new(threads, &pool, &err), &err);
    CHECK_OK(lb_plan_compile(g, pool, &options, &plan, &err), &err);
    CHECK_OK(lb_plan_time(plan, 0.01, arena, &t, &err), &err);
    CHECK(t.n == lb_plan_describe(plan).n_steps);
    CHECK(lb_plan_wall(plan, 0.001) > 0);
    lb_plan_free(plan);
    lb_pool_free(pool);
    return t;
}

static const lb_timing_row *find(const lb_timing *t, const char *name, const char *op)
{
    for (int i = 0; i < t->n; i++)
        if (strcmp(t->row[i].name, name) == 0 && strcmp(t->row[i].op, op) == 0 &&
            strncmp(t->row[i].kernel, "reference ", 10) == 0)
            return &t->row[i];
    const bool there_is_such_a_row = false;
    CHECK(there_is_such_a_row);
    printf("# no row '%s' %s\n", name, op);
    return NULL;
}

static void work_is_counted(void)
{
    lb_graph *const g = make_net(false);
    const lb_timing t = time_of(g, 2);
    const lb_timing_row *const hidden = find(&t, "hidden", "Gemm");
    const lb_timing_row *const relu = find(&t, "relu", "Relu");
    double flops = 0, bytes = 0, seconds = 0;

    if (hidden && relu) {
        CHECK(hidden->work.flops == 2.0 * BATCH * SIDE * M);
        CHECK(hidden->work.bytes == 4.0 * (BATCH * SIDE + SIDE * M + BATCH * M));
        CHECK(relu->work.flops == BATCH * M);
        CHECK(relu->work.bytes == 4.0 * 2 * BATCH * M);
        CHECK_TEXT(hidden->kernel, "reference Gemm");
    }
    for (int i = 0; i < t.n; i++) {
        flops += t.row[i].work.flops;
        bytes += t.row[i].work.bytes;
        seconds += t.row[i].seconds;
        CHECK(t.row[i].seconds >= 0);
    }
    CHECK(t.work.flops == flops && t.work.bytes == bytes && t.seconds == seconds);
    /* and the activation and the mean, an operation for each element */
    CHECK(t.work.flops == 2.0 * lb_graph_macs(g) * BATCH + BATCH * M + BATCH * C);
    lb_graph_free(g);
}

/* Gradients and updates, which nobody gave a name, are told by their layer. */
static void gradients_are_named(void)
{
    lb_graph *const g = make_net(true);
    const lb_timing t = time_of(g, 1);
    int updates = 0, sums = 0;

    find(&t, "relu", "ReluGrad");
    find(&t, "hidden", "SgdUpdate");
    find(&t, "last", "SgdUpdate");
    for (int i = 0; i < t.n; i++) {
        updates += strcmp(t.row[i].op, "SgdUpdate") == 0;
        sums += strcmp(t.row[i].kernel, "sum") == 0;
        if (strcmp(t.row[i].kernel, "sum") == 0)
            CHECK(t.row[i].work.flops == 0 && t.row[i].work.bytes > 0);
    }
    CHECK(updates == 2 && sums > 0);
    lb_graph_free(g);
}

static void the_machine_has_a_roof(void)
{
    lb_pool *pool = NULL;
    lb_machine m = {.threads = 0};
    lb_error err = {0};

    CHECK_OK(lb_pool_new(2, &pool, &err), &err);
    CHECK_OK(lb_machine_measure(pool, &m, &err), &err);
    CHECK(m.threads == 2);
    CHECK(m.thread_flops > 1e6 && m.flops > 1e6);
    for (int i = 0; i < LB_MACHINE_LEVELS; i++)
        CHECK(m.level[i].bytes_per_second > 1e6 && m.level[i].bytes > 1000);
    CHECK(m.level[0].bytes < m.level[1].bytes && m.level[1].bytes < m.level[2].bytes);
    lb_pool_free(pool);
}

/* The yardsticks do what they count. */
static void yardsticks_are_true(void)
{
    const lb_simd *const simd = lb_simd_best();
    float a[64], b[64], c[64];
    double one = 0, two = 0;

    for (int i = 0; i < 64; i++) {
        a[i] = -1;
        b[i] = (float)i;
        c[i] = (float)(2 * i);
    }
    simd->triad(48, 0.5F, b, c, a);
    for (int i = 0; i < 64; i++)
        CHECK(a[i] == (i < 48 ? 2 * b[i] : -1));
    /* the fixed point of x -> s x + 1 - s is 1: so every sum comes to 1 in the end */
    const float sum = simd->peak(100, 0.5F, &one);
    CHECK_NEAR(sum / (float)simd->block, one / (2.0 * 100 * 64 * simd->block), 1e-3);
    simd->peak(200, 0.5F, &two);
    CHECK(one > 0 && two == 2 * one);
}

static void medians(void)
{
    double odd[] = {3, 1, 2}, even[] = {4, 1, 3, 2}, one[] = {7};

    CHECK(lb_median(odd, 3) == 2);
    CHECK(lb_median(even, 4) == 2.5);
    CHECK(lb_median(one, 1) == 7);
}

int main(void)
{
    arena = lb_arena_new(0);
    RUN(work_is_counted);
    RUN(gradients_are_named);
    RUN(the_machine_has_a_roof);
    RUN(yardsticks_are_true);
    RUN(medians);
    lb_arena_free(arena);
    return DONE();
}
