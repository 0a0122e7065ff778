/* evaluate.h: runs networks on arrays, for the tests of onnx/ and models/. */
#ifndef LB_TESTS_EVALUATE_H
#define LB_TESTS_EVALUATE_H

#include "engine/plan.h"
#include "tensor/npy.h"

#include "check.h"

#include <stdlib.h>

enum { MAX_OUTPUTS = 16 };

/* A path below the source tree, or below the shared data if `shared`. */
static inline const char *test_path(lb_arena *arena, bool shared, const char *rest)
{
    const char *const data = getenv("LB_SHARED"), *const source = getenv("LB_SOURCE");
    const char *const root = source ? source : ".";

    if (!shared)
        return lb_arena_text(arena, "%s/%s", root, rest);
    return data ? lb_arena_text(arena, "%s/%s", data, rest)
                : lb_arena_text(arena, "%s/../shared/%s", root, rest);
}

/* x: the network's first input, all samples. Fills out[] with every output. */
static inline lb_code evaluate(const lb_graph *graph, const lb_tensor *x,
                               lb_kernels kernels, lb_arena *arena,
                               lb_tensor *out[MAX_OUTPUTS], lb_error *err)
{
    const lb_plan_options options = {.batch = x->shape.dim[0], .kernels = kernels};
    const size_t sample_bytes = lb_tensor_bytes(x) / (size_t)x->shape.dim[0];
    lb_pool *pool = NULL;
    lb_plan *plan = NULL;

    LB_TRY(lb_pool_new(2, &pool, err));
    lb_code code = lb_plan_compile(graph, pool, &options, &plan, err);
    if (code == LB_OK) {
        for (int i = 0; i < options.batch; i++)
            memcpy(lb_plan_input(plan, graph->inputs[0], i),
                   (const char *)x->data + (size_t)i * sample_bytes, sample_bytes);
        lb_plan_run(plan);
    }
    for (int i = 0; code == LB_OK && i < graph->n_outputs && i < MAX_OUTPUTS; i++)
        code = lb_plan_read(plan, graph->outputs[i], arena, &out[i], err);
    lb_plan_free(plan);
    lb_pool_free(pool);
    return code;
}

/* The largest difference, as a share of the largest value expected; infinite if the
 * shapes differ. */
static inline double difference(const lb_tensor *is, const lb_tensor *should)
{
    double scale = 1e-30, worst = 0;

    if (!is || !should || !lb_shape_equal(&is->shape, &should->shape))
        return INFINITY;
    for (size_t i = 0; i < should->n; i++) {
        const double want = lb_tensor_get(should, i);
        const double off = fabs(lb_tensor_get(is, i) - want);
        scale = fmax(scale, fabs(want));
        worst = off <= worst ? worst : off; /* keeps a NaN */
    }
    return worst / scale;
}

#endif
