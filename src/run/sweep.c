/* sweep.c: runs the grid, several at a time, whole or by halves. */
#include "run/sweep_int.h"

#include "base/file.h"
#include "base/pool.h"
#include "run/go_on.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What a run meets that is its own matter; everything else ends the sweep. */
static bool is_of_run(lb_code code)
{
    return code == LB_ERR_BUDGET || code == LB_ERR_FAILED || code == LB_ERR_INPUT ||
           code == LB_ERR_UNSUPPORTED;
}

static bool stop_any(void *arg)
{
    lb_sweep *const s = arg;

    return atomic_load(&s->broken) || lb_many_stopped(&s->options->run);
}

static bool stop_filling(void *arg, int done, int total)
{
    (void)done;
    (void)total;
    return !stop_any(arg);
}

/* One line at a time, whichever run it comes from. */
static void hear(void *arg, lb_log_level level, const char *text)
{
    lb_sweep *const s = arg;

    pthread_mutex_lock(&s->lock);
    lb_log_tell(&s->options->run.log, level, "%s", text);
    pthread_mutex_unlock(&s->lock);
}

static int pause_of(const lb_sweep *s, const lb_swept *run)
{
    const int epochs = (run->epochs + s->part - 1) / s->part;

    return epochs < run->epochs ? epochs : 0;
}

static void tell_end(lb_sweep *s, const lb_swept *run)
{
    char validation[32] = "none";

    s->ended++;
    if (!isnan(run->figures.validation_accuracy))
        snprintf(validation, sizeof validation, "%.2f %%",
                 100 * run->figures.validation_accuracy);
    if (run->code != LB_OK)
        lb_many_tell(&s->options->run, "%s: %s", run->name, run->reason);
    else if (!s->prepare)
        lb_many_tell(&s->options->run, "%s: validation %s after %d epochs (%d)",
                     run->name, validation, run->figures.epochs, s->ended);
}

/* Under the lock. */
static void take_end(lb_sweep *s, int number, lb_code code, const lb_error *err)
{
    lb_swept *const run = &s->run[number];

    if (code != LB_OK && !is_of_run(code)) {
        /* the first speaks: the others stop because of it */
        if (!atomic_load(&s->broken))
            s->trouble = *err;
        atomic_store(&s->broken, true);
        return;
    }
    run->code = code;
    run->done = code == LB_OK && !s->prepare && pause_of(s, run) == 0;
    run->alive = code == LB_OK;
    if (code != LB_OK)
        snprintf(run->reason, sizeof run->reason, "%s", err->text);
    tell_end(s, run);
}

static void go(lb_sweep *s, int number)
{
    const bool alone = s->jobs == 1;
    lb_swept *const run = &s->run[number];
    lb_run_options options = s->options->run;
    lb_error err = {0};

    options.sets = run->sets;
    options.n_sets = run->n_sets;
    options.out = run->folder;
    options.beside = s->beside;
    options.go_on = s->go_on;
    options.phase = NULL;
    options.threads = s->threads;
    options.prepare_only = s->prepare;
    options.pause = s->prepare ? 0 : pause_of(s, run);
    if (!alone) {
        options.watch = (lb_watch){.arg = s, .stop = stop_any};
        options.cache_progress = stop_filling;
        options.log = (lb_log){.hook = hear, .arg = s};
    } else if (!s->prepare) {
        lb_many_tell(&s->options->run, "%s: run %d of %d", run->name, number + 1,
                     s->n_runs);
    }
    run->figures = (lb_run_figures){.validation_accuracy = NAN};
    const lb_code code = lb_many_run(&options, NULL, &run->figures, NULL, &err);
    pthread_mutex_lock(&s->lock);
    take_end(s, number, code, &err);
    pthread_mutex_unlock(&s->lock);
}

static void work(void *arg, int thread)
{
    lb_sweep *const s = arg;

    (void)thread;
    for (;;) {
        const int number = atomic_fetch_add(&s->next, 1);
        if (number >= s->n_runs || stop_any(s))
            return;
        if (s->run[number].alive)
            go(s, number);
    }
}

static lb_code count_threads(const lb_sweep *s, int *n, lb_error *err)
{
    lb_pool *pool = NULL;

    LB_TRY(lb_pool_new(s->options->run.threads, &pool, err));
    *n = lb_pool_threads(pool);
    lb_pool_free(pool);
    return LB_OK;
}

/* Every run that is alive, `jobs` at a time. */
static lb_code run_alive(lb_sweep *s, int jobs, lb_error *err)
{
    lb_pool *pool = NULL;
    int threads = 1;

    LB_TRY(count_threads(s, &threads, err));
    s->jobs = jobs < s->n_runs ? jobs : s->n_runs;
    s->threads = threads > s->jobs ? threads / s->jobs : 1;
    s->ended = 0;
    atomic_store(&s->next, 0);
    LB_TRY(lb_pool_new(s->jobs, &pool, err));
    lb_pool_run(pool, work, s);
    lb_pool_free(pool);
    if (atomic_load(&s->broken)) {
        *err = s->trouble;
        return s->trouble.code;
    }
    if (lb_many_stopped(&s->options->run))
        return lb_raise(err, LB_ERR_STOPPED, "stopped between runs; to go on: %s",
                        s->go_on);
    return LB_OK;
}

/* Leaves the worse half of the runs behind; one of three goes, and two of five. */
static void halve(lb_sweep *s)
{
    const lb_run_figures *alive[LB_SWEEP_MOST_RUNS];
    int n = 0;

    for (int i = 0; i < s->n_runs; i++) {
        n += s->run[i].alive;
        alive[i] = s->run[i].alive ? &s->run[i].figures : NULL;
    }
    for (int left = n / 2; left > 0; left--) {
        const int worst = lb_figures_worst(alive, s->n_runs);
        if (worst < 0)
            return;
        alive[worst] = NULL;
        s->run[worst].alive = false;
    }
}

static lb_code race(lb_sweep *s, lb_error *err)
{
    const int jobs = s->options->jobs;

    if (jobs > 1) {
        /* the teacher is trained once, each cache is filled once */
        s->prepare = true;
        LB_TRY(run_alive(s, 1, err));
        s->prepare = false;
    }
    for (s->part = s->options->halving ? 4 : 1; s->part > 1; s->part /= 2) {
        lb_many_tell(&s->options->run, "1/%d of the epochs", s->part);
        LB_TRY(run_alive(s, jobs, err));
        halve(s);
    }
    return run_alive(s, jobs, err);
}

static const char *go_on_line(const lb_sweep *s)
{
    const lb_sweep_options *const o = s->options;
    lb_text t;

    lb_text_init(&t, s->arena);
    lb_text_add(&t, "limbeck sweep %s", o->run.recipe);
    lb_go_on_add(&t, "over", o->over, o->n_over);
    lb_go_on_add(&t, "set", o->run.sets, o->run.n_sets);
    if (o->jobs > 1)
        lb_text_add(&t, " --jobs %d", o->jobs);
    if (o->halving)
        lb_text_add(&t, " --halving");
    if (o->run.out)
        lb_go_on_add(&t, "out", &o->run.out, 1);
    lb_go_on_add_common(&t, &o->run);
    lb_text_add(&t, " --resume");
    return t.failed ? NULL : t.chars;
}

static lb_code open_sweep(lb_sweep *s, lb_error *err)
{
    const lb_run_options *const run = &s->options->run;
    lb_recipe *recipe = NULL;

    if (s->options->jobs < 1 || s->options->jobs > LB_SWEEP_MOST_JOBS)
        return lb_raise(err, LB_ERR_INPUT, "--jobs must be between 1 and %d, not %d",
                        LB_SWEEP_MOST_JOBS, s->options->jobs);
    LB_TRY(lb_recipe_load(run->recipe, run->sets, run->n_sets, s->arena, &recipe, err));
    s->recipe = recipe;
    s->folder =
        run->out ? run->out : lb_arena_text(s->arena, "runs/%s-sweep", recipe->name);
    s->beside = s->folder ? lb_path_folder(s->arena, s->folder) : NULL;
    s->go_on = go_on_line(s);
    if (!s->beside || !s->go_on)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the sweep");
    return lb_sweep_grid(s, err);
}

static lb_code sweep(lb_sweep *s, lb_sweep_result *out, lb_error *err)
{
    LB_TRY(open_sweep(s, err));
    LB_TRY(race(s, err));
    LB_TRY(lb_sweep_tell(s, out, err));
    for (int i = 0; i < s->n_runs; i++)
        if (s->run[i].done)
            return LB_OK;
    for (int i = 0; i < s->n_runs; i++)
        if (s->run[i].code != LB_OK)
            return lb_raise(err, s->run[i].code, "no run of %d ended; %s: %s", s->n_runs,
                            s->run[i].name, s->run[i].reason);
    return lb_bug(err, "a sweep without runs");
}

lb_code lb_run_sweep(const lb_sweep_options *options, lb_arena *arena,
                     lb_sweep_result *out, lb_error *err)
{
    lb_sweep s = {.options = options, .arena = arena, .part = 1};

    if (pthread_mutex_init(&s.lock, NULL) != 0)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the sweep");
    const lb_code code = sweep(&s, out, err);
    pthread_mutex_destroy(&s.lock);
    return code;
}
