/* plan.h: a graph compiled to run: buffers placed once, kernels chosen once.
 *
 * The batch is split into a fixed number of sample groups (at most 16, never the number
 * of threads). Groups run on their own between barriers; everything that looks across
 * samples adds their shares in group order. So the result is the same, bit for bit, with
 * any number of threads. Nothing is allocated inside lb_plan_run.
 *
 * Params are not copied: a plan reads and updates the tensors of its graph's params, so
 * several plans share one set of weights. A plan that only reads them must be told with
 * lb_plan_refresh when they have changed (packed weights are made anew). */
#ifndef LB_ENGINE_PLAN_H
#define LB_ENGINE_PLAN_H

#include "base/pool.h"
#include "graph/graph.h"

typedef struct lb_plan lb_plan;

typedef enum lb_kernels {
    LB_KERNELS_BEST,
    LB_KERNELS_NATIVE,
    LB_KERNELS_ONEDNN,
    LB_KERNELS_REFERENCE
} lb_kernels;

typedef struct lb_plan_options {
    int batch;
    int group_samples;  /* samples a group; 0: ceil(batch / 16) */
    lb_kernels kernels; /* forces a table; the reference always fills the gaps */
    bool conv_direct;   /* no Winograd */
    bool keep_all;      /* every value stays readable after a run (tests, feature taps) */
} lb_plan_options;

/* graph and pool are borrowed and must outlive the plan. */
lb_code lb_plan_compile(const lb_graph *graph, lb_pool *pool,
                        const lb_plan_options *options, lb_plan **out,
                        lb_error *err) LB_MUST_USE;
void lb_plan_free(lb_plan *plan); /* takes NULL */

/* Where sample i (0..batch-1) of a batched input lies: plain, contiguous, to be written
 * before a run. For an input that is not batched, i is 0. */
void *lb_plan_input(const lb_plan *plan, lb_value input, int i);

/* Where sample i of a graph output lies after a run: plain, contiguous. */
const void *lb_plan_output(const lb_plan *plan, lb_value output, int i);

/* Runs the whole batch once. Never fails; NaN is looked for by lb_plan_find_nan. */
void lb_plan_run(lb_plan *plan);

/* Runs the whole batch once on the calling thread alone, and adds the processor time of
 * step i to seconds[i], for i below n_steps of lb_plan_describe. */
void lb_plan_profile(lb_plan *plan, double *seconds);

/* What step i has to do for the whole batch: floating-point operations as its node's cost
 * says (0 where the operator has none), and the bytes of all that it reads and writes. */
typedef struct lb_work {
    double flops, bytes;
} lb_work;
lb_work lb_plan_work(const lb_plan *plan, int i);

/* Packs params and constants again after another plan or a loader changed them. */
void lb_plan_refresh(lb_plan *plan);

/* A copy of any value that is still in memory after the run (inputs, outputs, params; all
 * values with keep_all), plain. The tensor has the bound shape. */
lb_code lb_plan_read(const lb_plan *plan, lb_value v, lb_arena *arena, lb_tensor **out,
                     lb_error *err) LB_MUST_USE;

/* After a run with a bad loss: runs again, step by step, and returns the first node one
 * of whose outputs holds NaN or infinity; NULL if there is none. Updates do not run. */
const lb_node *lb_plan_find_nan(lb_plan *plan);

/* What was planned: for --dry-run, bench and tests. */
typedef struct lb_plan_stats {
    size_t work_bytes;   /* of the pool's memory, which its plans share */
    size_t kept_bytes;   /* inputs, results, sums, packed weights: its own */
    size_t tensor_bytes; /* params and constants, which are the graph's */
    int n_groups, n_steps, n_segments, n_reorders;
} lb_plan_stats;
lb_plan_stats lb_plan_describe(const lb_plan *plan);

/* Step i's kernel ("onednn Conv") and node; false past the end. */
bool lb_plan_step(const lb_plan *plan, int i, const char **kernel, const lb_node **node);

/* Stable text, one step a line: golden files. NULL without memory. */
const char *lb_plan_dump(const lb_plan *plan, lb_arena *arena);

#endif
