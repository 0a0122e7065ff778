/* bench.c: measures a network, or the training step of a recipe. */
#include "run/bench.h"

#include "base/clock.h"
#include "base/rng.h"
#include "run/run_int.h"

#include <math.h>
#include <string.h>

enum { GLANCE_STEPS = 5 }; /* that lb_train_measure takes at least */

/* Plans work in the same memory, one after the other: the largest counts. */
static void hold(lb_bench *b, const lb_plan_stats *plan, size_t tensor_bytes)
{
    b->memory_bytes += plan->kept_bytes + tensor_bytes;
    if (plan->work_bytes > b->work_bytes)
        b->work_bytes = plan->work_bytes;
}

/* Sums over the parts, and what follows from them. */
static void sum_up(lb_bench *b)
{
    double flops = 0;

    for (int i = 0; i < b->n_parts; i++) {
        const lb_timing *const t = &b->part[i].timing;
        flops += t->work.flops;
        b->cpu_seconds += t->seconds;
        hold(b, &t->plan, t->plan.tensor_bytes);
    }
    b->memory_bytes += b->work_bytes;
    b->images_per_second = b->step_seconds > 0 ? b->batch / b->step_seconds : NAN;
    b->flops = b->step_seconds > 0 ? flops / b->step_seconds : NAN;
    b->peak_share = b->machine.flops > 0 ? b->flops / b->machine.flops : NAN;
}

double lb_bench_other_share(const lb_bench *b)
{
    const double all = b->step_seconds * b->machine.threads;

    return all > 0 ? fmax(0, 1 - b->cpu_seconds / all) : NAN;
}

/* Any numbers will do, but zeros and denormals would be no fair input. */
static void fill_inputs(lb_plan *plan, const lb_graph *graph, int batch)
{
    lb_rng rng = lb_rng_make(1, LB_RNG_TEST, 0, 0);

    for (int k = 0; k < graph->n_inputs; k++) {
        const lb_type *const type = &lb_info(graph, graph->inputs[k])->type;
        const bool batched = lb_type_batched(type);
        const lb_shape one = lb_shape_bind(&type->shape, 1);
        size_t n = 0;
        if (type->dtype != LB_F32 || !lb_shape_count(&one, &n))
            continue;
        for (int i = 0; i < (batched ? batch : 1); i++) {
            float *const to = lb_plan_input(plan, graph->inputs[k], i);
            for (size_t e = 0; to && e < n; e++)
                to[e] = (float)lb_rng_uniform(&rng);
        }
    }
}

static lb_code infer(const lb_bench_network *network, double seconds, lb_pool *pool,
                     lb_arena *arena, lb_bench *b, lb_error *err)
{
    lb_plan *plan = NULL;

    LB_TRY(lb_machine_measure(pool, &b->machine, err));
    LB_TRY(lb_plan_compile(network->graph, pool, &network->plan, &plan, err));
    fill_inputs(plan, network->graph, network->plan.batch);
    b->step_seconds = lb_plan_wall(plan, seconds / 2);
    b->part[b->n_parts].name = "network";
    const lb_code code =
        lb_plan_time(plan, seconds / 2, arena, &b->part[b->n_parts++].timing, err);
    lb_plan_free(plan);
    return code;
}

lb_code lb_bench_infer(const lb_bench_network *network, double seconds, lb_arena *arena,
                       lb_bench *out, lb_error *err)
{
    lb_bench b = {.batch = network->plan.batch, .idle_share = NAN};
    lb_pool *pool = NULL;

    LB_TRY(lb_pool_new(network->threads, &pool, err));
    const lb_code code = infer(network, seconds, pool, arena, &b, err);
    lb_pool_free(pool);
    if (code != LB_OK)
        return code;
    sum_up(&b);
    *out = b;
    return LB_OK;
}

static const char *teacher_word(const lb_run *run, int stage)
{
    const lb_recipe *const r = run->recipe;
    bool cached = true;

    if (lb_run_stage_of(run, stage).previous)
        return "live";
    if (!r->has_teacher)
        return "none";
    for (int k = 0; k < r->ensemble.n; k++)
        cached = cached && lb_run_cached_in(run, stage, k);
    return cached ? "cached" : "live";
}

lb_code lb_run_measure(const lb_run *run, int stage, double seconds, lb_bench *out,
                       lb_error *err)
{
    const lb_train_setup all = lb_run_train_setup(run);
    lb_train_setup setup = lb_train_stage(&all, stage);
    lb_bench b = {.what = run->options->recipe,
                  .stage = lb_run_stage_of(run, stage).name,
                  .teacher = teacher_word(run, stage),
                  .batch = setup.options->batch};
    lb_train_profile p;

    setup.teacher = run->teacher[stage]; /* also where it is the student before */

    LB_TRY(lb_machine_measure(run->pool, &b.machine, err));
    LB_TRY(lb_train_measure(&setup, seconds, run->arena, &p, err));
    b.step_seconds = p.step_seconds;
    b.idle_share = p.idle_share;
    b.part[b.n_parts++] = (lb_bench_part){.name = "student", .timing = p.student};
    for (int k = 0; k < p.n_teachers; k++)
        b.part[b.n_parts++] = (lb_bench_part){.name = "teacher", .timing = p.teacher[k]};
    hold(&b, &p.probe, 0); /* its params are the student's */
    sum_up(&b);
    *out = b;
    return LB_OK;
}

/* Not for steps that are so slow that the glance would be felt. What fails here is a
 * warning: the run has its results. */
void lb_run_glance(lb_run *run)
{
    const lb_train_result *const t = &run->trained;
    const double speed = t->images_per_second;
    const double step = speed > 0 ? run->recipe->train.batch / speed : 0;
    const double guess = step * (GLANCE_STEPS + 2 * lb_pool_threads(run->pool));
    lb_error err = {0};

    if (!(run->recipe->exports & LB_EXPORT_REPORT) || step <= 0 ||
        run->recipe->train.precision == LB_PRECISION_FLOAT64 ||
        guess > fmax(1, 0.02 * t->seconds))
        return;
    lb_run_phase(run, "where the time goes");
    if (lb_run_measure(run, lb_run_stages(run) - 1, 0.3, &run->profile, &err) == LB_OK)
        run->has_profile = true;
    else
        lb_log_tell(&run->options->log, LB_LOG_WARN,
                    "where the time goes is not in the report: %s", err.text);
}

/* By its name; without one the last. */
static lb_code find_stage(const lb_run *run, const char *name, int *out, lb_error *err)
{
    const char *names[LB_MAX_STAGES];
    const lb_recipe *const r = run->recipe;

    *out = lb_run_stages(run) - 1;
    if (!name)
        return LB_OK;
    for (int k = 0; k < r->n_stages; k++) {
        names[k] = r->stage[k].name;
        if (strcmp(name, names[k]) == 0) {
            *out = k;
            return LB_OK;
        }
    }
    const char *const near = lb_nearest(name, names, r->n_stages);
    if (r->n_stages == 0)
        return lb_raise(err, LB_ERR_INPUT, "'%s' has no stages", r->path);
    return lb_raise(err, LB_ERR_INPUT, "no stage of '%s' is called '%.60s'%s%.60s%s",
                    r->path, name, near ? "; did you mean '" : "", near ? near : "",
                    near ? "'?" : "");
}

static lb_code prepare(lb_run *run, const char *name, int *stage, lb_error *err)
{
    LB_TRY(lb_run_prepare(run, err));
    LB_TRY(find_stage(run, name, stage, err));
    if (run->recipe->train.precision == LB_PRECISION_FLOAT64)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "bench measures training in float32, not in float64; --set "
                        "train.precision=float32");
    /* a cache is not filled for this: its answers cost no more than blank ones */
    if (strcmp(teacher_word(run, *stage), "live") != 0)
        return LB_OK;
    if (run->n_members == 0 && !lb_run_stage_of(run, *stage).previous)
        return lb_raise(err, LB_ERR_INPUT,
                        "the teacher of '%s' is not there yet; `limbeck distill` trains "
                        "it first",
                        run->options->recipe);
    return lb_run_open_live(run, *stage, err);
}

lb_code lb_bench_recipe(const lb_run_options *options, const char *stage, double seconds,
                        lb_arena *arena, lb_bench *out, lb_error *err)
{
    lb_run_options wanted = *options;
    lb_run run = {.options = &wanted, .arena = arena, .began = lb_clock_wall()};

    wanted.dry_run = true; /* no teacher is trained, no folder made */
    int number = 0;

    lb_code code = prepare(&run, stage, &number, err);
    if (code == LB_OK) {
        lb_run_phase(&run, "measuring");
        code = lb_run_measure(&run, number, seconds, out, err);
    }
    lb_run_close(&run);
    return code;
}

static void add_machine(lb_json *j, const lb_machine *m)
{
    lb_json_open(j, "machine", '{');
    lb_json_int(j, "threads", m->threads);
    lb_json_number(j, "peak_gflops", 1e-9 * m->flops);
    lb_json_number(j, "thread_peak_gflops", 1e-9 * m->thread_flops);
    lb_json_open(j, "memory", '[');
    for (int i = 0; i < LB_MACHINE_LEVELS; i++) {
        lb_json_open(j, NULL, '{');
        lb_json_text(j, "name", m->level[i].name);
        lb_json_int(j, "bytes", (int64_t)m->level[i].bytes);
        lb_json_number(j, "thread_gbytes_per_second",
                       1e-9 * m->level[i].bytes_per_second);
        lb_json_close(j, '}');
    }
    lb_json_close(j, ']');
    lb_json_close(j, '}');
}

static void add_layer(lb_json *j, const lb_bench *b, const char *part,
                      const lb_timing_row *row)
{
    const double rate = row->seconds > 0 ? row->work.flops / row->seconds : NAN;

    lb_json_open(j, NULL, '{');
    lb_json_text(j, "part", part);
    lb_json_text(j, "name", row->name);
    lb_json_text(j, "op", row->op);
    lb_json_text(j, "kernel", row->kernel);
    lb_json_number(j, "milliseconds", 1e3 * row->seconds);
    lb_json_number(j, "share", row->seconds / b->cpu_seconds);
    lb_json_number(j, "flops", row->work.flops);
    lb_json_number(j, "bytes", row->work.bytes);
    lb_json_number(j, "gflops", 1e-9 * rate);
    lb_json_number(j, "peak_share", rate / b->machine.thread_flops);
    lb_json_close(j, '}');
}

void lb_bench_json(lb_json *j, const lb_bench *b)
{
    lb_json_text(j, "what", b->what);
    lb_json_text(j, "stage", b->stage);
    lb_json_text(j, "teacher", b->teacher);
    lb_json_int(j, "batch", b->batch);
    lb_json_number(j, "images_per_second", b->images_per_second);
    lb_json_number(j, "gflops", 1e-9 * b->flops);
    lb_json_number(j, "peak_share", b->peak_share);
    lb_json_number(j, "idle_share", b->idle_share);
    lb_json_number(j, "other_share", lb_bench_other_share(b));
    lb_json_number(j, "step_milliseconds", 1e3 * b->step_seconds);
    lb_json_int(j, "memory_bytes", (int64_t)b->memory_bytes);
    add_machine(j, &b->machine);
    lb_json_open(j, "layers", '[');
    for (int p = 0; p < b->n_parts; p++)
        for (int i = 0; i < b->part[p].timing.n; i++)
            add_layer(j, b, b->part[p].name, &b->part[p].timing.row[i]);
    lb_json_close(j, ']');
}
