/* folded.h: small graphs of constants, and what folding makes of them. */
#ifndef LB_TESTS_OPS_FOLDED_H
#define LB_TESTS_OPS_FOLDED_H

#include "graph/passes.h"
#include "ops/build.h"

#include "check.h"

static inline lb_graph *begin(lb_builder *b)
{
    lb_graph *g = NULL;
    lb_error err = {0};

    CHECK_OK(lb_graph_new(&g, &err), &err);
    lb_builder_init(b, g);
    return g;
}

/* A constant of these numbers. */
static inline lb_value tensor(lb_builder *b, lb_dtype dtype, const lb_shape *shape,
                              const double *x)
{
    lb_tensor *t = NULL;

    if (lb_tensor_new(b->graph->arena, dtype, shape, &t, &b->error) != LB_OK)
        return (lb_value){0};
    lb_narrow(dtype, x, t->n, t->data);
    return lb_constant(b, NULL, t);
}

static inline lb_value list(lb_builder *b, lb_dtype dtype, const double *x, int n)
{
    const lb_shape shape = lb_shape_of(1, n);

    return tensor(b, dtype, &shape, x);
}

/* The node's value is known, of that type, and holds these n numbers. */
static inline void check_folded(lb_builder *b, lb_value y, lb_dtype dtype,
                                const double *x, int n)
{
    lb_error err = {0};

    CHECK_OK(lb_builder_finish(b, &err), &err);
    CHECK_OK(lb_fold_constants(b->graph, 1 << 20, &err), &err);
    const lb_tensor *const t = lb_info(b->graph, y)->tensor;
    CHECK(t != NULL);
    CHECK(t && t->dtype == dtype && t->n == (size_t)n);
    for (int i = 0; t && i < n && (size_t)i < t->n; i++)
        CHECK_NEAR(lb_tensor_get(t, (size_t)i), x[i], 0);
}

#endif
