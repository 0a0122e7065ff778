/* sweep_tell.c: what a sweep found: JSON, page, row, and a table. */
#include "run/sweep_int.h"

#include "base/file.h"
#include "run/go_on.h"
#include "run/run_int.h"

#include <math.h>
#include <string.h>

enum { MOST_COSTS = 4 };

typedef struct findings {
    bool *on_front;       /* [n_runs] */
    const lb_swept *best; /* NULL: no run ended */
    const char *command;  /* the line that runs the best again */
} findings;

/* What accuracy is traded for: what the device holds, or without one the size. */
static void costs_of(const lb_run_figures *f, double out[MOST_COSTS])
{
    const bool weighed = !isnan(f->flash_bytes);

    out[0] = f->validation_accuracy;
    out[1] = weighed ? f->flash_bytes : f->parameters;
    out[2] = weighed ? f->sram_bytes : f->macs;
    out[3] = weighed ? f->latency_ms.mid : NAN;
}

/* Among the runs that ended. */
static bool find_front(const lb_sweep *s, bool *on_front)
{
    const double **const point = LB_TAKE_ARRAY(s->arena, s->n_runs, const double *);
    double(*const value)[MOST_COSTS] =
        lb_arena_take_array(s->arena, (size_t)s->n_runs, sizeof(double[MOST_COSTS]));
    bool *const of_done = LB_TAKE_ARRAY(s->arena, s->n_runs, bool);
    int n = 0;

    if (!point || !value || !of_done)
        return false;
    for (int i = 0; i < s->n_runs; i++) {
        if (!s->run[i].done)
            continue;
        costs_of(&s->run[i].figures, value[n]);
        point[n] = value[n];
        n++;
    }
    lb_pareto_front(point, n, MOST_COSTS, of_done);
    for (int i = 0, k = 0; i < s->n_runs; i++)
        on_front[i] = s->run[i].done && of_done[k++];
    return true;
}

static const lb_swept *find_best(const lb_sweep *s)
{
    const lb_run_figures *done[LB_SWEEP_MOST_RUNS];

    for (int i = 0; i < s->n_runs; i++)
        done[i] = s->run[i].done ? &s->run[i].figures : NULL;
    const int best = lb_figures_best(done, s->n_runs);
    return best < 0 ? NULL : &s->run[best];
}

/* All of the run's sets but its name. */
static const char *command_of(const lb_sweep *s, const lb_swept *run)
{
    lb_text t;

    lb_text_init(&t, s->arena);
    lb_text_add(&t, "limbeck distill %s", s->options->run.recipe);
    lb_go_on_add(&t, "set", run->sets, run->n_sets - 1);
    lb_go_on_add_common(&t, &s->options->run);
    return t.failed ? NULL : t.chars;
}

static lb_code find(const lb_sweep *s, findings *f, lb_error *err)
{
    f->on_front = LB_TAKE_ARRAY(s->arena, s->n_runs, bool);
    if (!f->on_front || !find_front(s, f->on_front))
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the trade-offs");
    f->best = find_best(s);
    f->command = f->best ? command_of(s, f->best) : "";
    if (!f->command)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the best run");
    return LB_OK;
}

static const char *status_of(const lb_swept *run)
{
    if (run->code != LB_OK)
        return run->code == LB_ERR_BUDGET ? "does not fit" : "failed";
    return run->done ? "done" : "stopped early";
}

static void add_files(lb_json *j, const lb_sweep *s, const lb_swept *run)
{
    static const char *const names[] = {"student.onnx", "firmware",    "report.html",
                                        "recipe.yaml",  "record.json", "result.json"};

    lb_json_open(j, "files", '{');
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *const path = lb_path_join(s->arena, run->folder, names[i]);
        if (path && lb_file_exists(path))
            lb_json_text(j, names[i], path);
    }
    lb_json_close(j, '}');
}

static void add_run(lb_json *j, const lb_sweep *s, const lb_swept *run)
{
    const lb_run_figures *const f = &run->figures;
    const bool known = run->code == LB_OK; /* else the figures were never found out */

    lb_json_open(j, NULL, '{');
    lb_json_text(j, "name", run->name);
    lb_json_open(j, "settings", '{');
    for (int i = 0; i < s->n_axes; i++)
        lb_json_text(j, s->axis[i].key, run->value[i]);
    lb_json_close(j, '}');
    lb_json_text(j, "status", status_of(run));
    lb_json_text(j, "reason", known ? NULL : run->reason);
    lb_json_int(j, "epochs", known ? f->epochs : 0);
    lb_json_number(j, "validation_accuracy", known ? f->validation_accuracy : NAN);
    lb_json_number(j, "test_accuracy", run->done ? f->accuracy : NAN);
    lb_json_number(j, "parameters", known ? f->parameters : NAN);
    lb_json_number(j, "macs", known ? f->macs : NAN);
    lb_json_number(j, "flash_bytes", known ? f->flash_bytes : NAN);
    lb_json_number(j, "sram_bytes", known ? f->sram_bytes : NAN);
    if (known && !isnan(f->latency_ms.mid))
        lb_json_range(j, "latency_ms", f->latency_ms.low, f->latency_ms.mid,
                      f->latency_ms.high);
    else
        lb_json_null(j, "latency_ms");
    add_files(j, s, run);
    lb_json_close(j, '}');
}

static const char *how(const lb_sweep *s)
{
    return s->options->halving
               ? "By halves: all trained 1/4 of their epochs, the better half 1/2, the "
                 "better half of these all of them; a run that was kept went on where it "
                 "had stopped, on the schedule of all its epochs."
               : "Every run trained all of its epochs.";
}

/* The result, or with a little more the record of the page. NULL without memory. */
static const char *write_json(const lb_sweep *s, const findings *f, bool record)
{
    lb_json j;

    lb_json_init(&j, s->arena);
    lb_json_open(&j, NULL, '{');
    if (record) {
        lb_json_text(&j, "kind", "sweep");
        lb_json_text(&j, "name", s->recipe->name);
        lb_json_text(&j, "version", LB_VERSION);
        lb_json_text(&j, "recipe_text", lb_recipe_text(s->recipe, s->arena));
    }
    lb_json_text(&j, "folder", s->folder);
    lb_json_text(&j, "how", how(s));
    lb_json_open(&j, "runs", '[');
    for (int i = 0; i < s->n_runs; i++)
        add_run(&j, s, &s->run[i]);
    lb_json_close(&j, ']');
    lb_json_open(&j, "pareto", '[');
    for (int i = 0; i < s->n_runs; i++)
        if (f->on_front[i])
            lb_json_text(&j, NULL, s->run[i].name);
    lb_json_close(&j, ']');
    lb_json_text(&j, "best", f->best ? f->best->name : NULL);
    lb_json_text(&j, "command", f->best ? f->command : NULL);
    lb_json_close(&j, '}');
    return j.text.failed ? NULL : j.text.chars;
}

static void add_share(lb_text *t, double value)
{
    if (isnan(value))
        lb_text_add(t, " %10s", "-");
    else
        lb_text_add(t, " %10.2f", 100 * value);
}

static const char *summary(const lb_sweep *s, const findings *f)
{
    lb_text t;

    lb_text_init(&t, s->arena);
    lb_text_add(&t, "%-44s %10s %10s %7s\n", "run", "validation", "test", "epochs");
    for (int i = 0; i < s->n_runs; i++) {
        const lb_swept *const run = &s->run[i];
        lb_text_add(&t, "%-44s", run->name);
        add_share(&t, run->code == LB_OK ? run->figures.validation_accuracy : NAN);
        add_share(&t, run->done ? run->figures.accuracy : NAN);
        lb_text_add(&t, " %7d  %s\n", run->code == LB_OK ? run->figures.epochs : 0,
                    f->on_front[i] ? "on the front"
                    : run->done    ? ""
                                   : status_of(run));
    }
    if (f->best)
        lb_text_add(&t, "the best by validation is %s:\n  %s\n", f->best->name,
                    f->command);
    lb_text_add(&t, "files     '%s'", s->folder);
    return t.failed ? NULL : t.chars;
}

lb_code lb_sweep_tell(const lb_sweep *s, lb_sweep_result *out, lb_error *err)
{
    findings f = {0};

    LB_TRY(find(s, &f, err));
    out->json = write_json(s, &f, false);
    out->summary = summary(s, &f);
    const char *const record = write_json(s, &f, true);
    const lb_run_figures none = {.validation_accuracy = NAN,
                                 .accuracy = NAN,
                                 .teacher_accuracy = NAN,
                                 .parameters = NAN,
                                 .macs = NAN,
                                 .flash_bytes = NAN,
                                 .sram_bytes = NAN,
                                 .latency_ms = {NAN, NAN, NAN}};
    const lb_run_figures *const best = f.best ? &f.best->figures : &none;
    const lb_run_row row = {.name = lb_arena_text(s->arena, "%s-sweep", s->recipe->name),
                            .folder = s->folder,
                            .started = lb_run_time_text(s->arena),
                            .status = f.best ? "done" : status_of(&s->run[0]),
                            .teacher_accuracy = best->teacher_accuracy,
                            .student_accuracy = best->accuracy,
                            .agreement = NAN,
                            .parameters = best->parameters,
                            .macs = best->macs,
                            .flash_bytes = best->flash_bytes,
                            .sram_bytes = best->sram_bytes,
                            .latency_ms = best->latency_ms.mid,
                            .energy_uj = NAN,
                            .seconds = NAN,
                            .result = out->json};
    if (!out->json || !out->summary || !record || !row.name || !row.started)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the sweep's results");
    return lb_many_leave(&s->options->run, &row, record, s->arena, err);
}
