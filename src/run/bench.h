/* bench.h: where the time goes on this machine: of a network, or of a recipe's training
 * step. For `limbeck bench`, and for the report of a run. */
#ifndef LB_RUN_BENCH_H
#define LB_RUN_BENCH_H

#include "base/json.h"
#include "engine/machine.h"
#include "engine/timing.h"
#include "run/run.h"

/* A network at work. */
typedef struct lb_bench_part {
    const char *name; /* "network", "student", "teacher" */
    lb_timing timing;
} lb_bench_part;

typedef struct lb_bench {
    const char *what;    /* file or recipe */
    const char *stage;   /* that was measured; NULL: there are none */
    const char *teacher; /* "live", "cached", "none"; NULL: no training */
    int batch;
    lb_machine machine;
    lb_bench_part part[1 + LB_MAX_TEACHERS];
    int n_parts;
    double step_seconds; /* a whole step with all threads, waits included */
    double images_per_second;
    double idle_share; /* of a step, waiting for the loader; NaN: nothing loaded */
    /* sums over the parts */
    double cpu_seconds;  /* of one thread */
    double flops;        /* a second, with all threads */
    double peak_share;   /* of what all threads could do */
    size_t work_bytes;   /* of the plan that needs most to work in */
    size_t memory_bytes; /* with all that the plans keep: weights, results; of a training
                            with several losses also the one that tells what each pulls */
} lb_bench;

/* Inference; graph: in the form in which it is to run. Takes about so many seconds, and
 * the machine's own measurement. */
typedef struct lb_bench_network {
    const lb_graph *graph;
    lb_plan_options plan;
    int threads;
} lb_bench_network;
lb_code lb_bench_infer(const lb_bench_network *network, double seconds, lb_arena *arena,
                       lb_bench *out, lb_error *err) LB_MUST_USE;

/* A recipe's training step: student, teacher if it is asked live, loader. Nothing is
 * trained or written. stage: its name in a recipe with stages; NULL: the last one. */
lb_code lb_bench_recipe(const lb_run_options *options, const char *stage, double seconds,
                        lb_arena *arena, lb_bench *out, lb_error *err) LB_MUST_USE;

/* What the step waits for and what else is no work in a layer: the share of all threads'
 * time that no layer took. */
double lb_bench_other_share(const lb_bench *bench);

/* The members of one object: those of `limbeck bench --json`, and of `profile` in a run's
 * record. */
void lb_bench_json(lb_json *json, const lb_bench *bench);

#endif
