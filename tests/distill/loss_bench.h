/* loss_bench.h: runs losses over logits, with their gradient, on the reference kernels.
 */
#ifndef LB_TESTS_DISTILL_LOSS_BENCH_H
#define LB_TESTS_DISTILL_LOSS_BENCH_H

#include "distill/loss.h"
#include "engine/plan.h"

#include "check.h"

/* A loss over B samples and C classes, compiled with its gradient. */
typedef struct bench {
    lb_graph *graph;
    lb_pool *pool;
    lb_plan *plan;
    lb_value student, teacher, labels, loss, grad;
    lb_dtype dtype;
    int b, c;
} bench;

static inline bench open_bench_as(lb_dtype dtype, const lb_term *terms, int n_terms,
                                  int b, int c)
{
    const lb_shape rows = lb_shape_of(2, (int)LB_BATCH, c);
    const lb_shape per_sample = lb_shape_of(1, (int)LB_BATCH);
    bench t = {.dtype = dtype, .b = b, .c = c};
    lb_value value[LB_MAX_TERMS];
    lb_error err = {0};
    lb_builder builder;

    CHECK_OK(lb_pool_new(2, &t.pool, &err), &err);
    CHECK_OK(lb_graph_new(&t.graph, &err), &err);
    lb_builder_init(&builder, t.graph);
    t.student = lb_input(&builder, "student", dtype, &rows);
    t.teacher = lb_input(&builder, "teacher", dtype, &rows);
    t.labels = lb_input(&builder, "labels", LB_I32, &per_sample);
    /* rows are layers, too */
    const lb_pair pair = {t.student, t.teacher};
    const lb_loss_in in = {
        .logits = pair, .hints = &pair, .n_hints = 1, .labels = t.labels, .batch = b};
    t.loss = lb_terms_build(&builder, terms, n_terms, &in, value);
    lb_autodiff(&builder, &lb_op_verbs, t.loss, &t.student, 1, &t.grad);
    lb_output(&builder, t.loss);
    lb_output(&builder, t.grad);
    CHECK_OK(lb_builder_finish(&builder, &err), &err);
    CHECK_OK(lb_graph_check(t.graph, &err), &err);
    const lb_plan_options options = {.batch = b, .kernels = LB_KERNELS_REFERENCE};
    CHECK_OK(lb_plan_compile(t.graph, t.pool, &options, &t.plan, &err), &err);
    return t;
}

static inline bench open_bench(const lb_term *terms, int n_terms, int b, int c)
{
    return open_bench_as(LB_F64, terms, n_terms, b, c);
}

static inline void close_bench(bench *t)
{
    lb_plan_free(t->plan);
    lb_graph_free(t->graph);
    lb_pool_free(t->pool);
}

static inline double run(const bench *t, const double *zs, const double *zt,
                         const int32_t *y, double *grad)
{
    const size_t c = (size_t)t->c;
    double value;

    if (!t->plan)
        return NAN;
    for (int i = 0; i < t->b; i++) {
        lb_narrow(t->dtype, zs + (size_t)i * c, c, lb_plan_input(t->plan, t->student, i));
        lb_narrow(t->dtype, zt + (size_t)i * c, c, lb_plan_input(t->plan, t->teacher, i));
        *(int32_t *)lb_plan_input(t->plan, t->labels, i) = y[i];
    }
    lb_plan_run(t->plan);
    for (int i = 0; grad && i < t->b; i++)
        lb_widen(t->dtype, lb_plan_output(t->plan, t->grad, i), c, grad + (size_t)i * c);
    lb_widen(t->dtype, lb_plan_output(t->plan, t->loss, 0), 1, &value);
    return value;
}

#endif
