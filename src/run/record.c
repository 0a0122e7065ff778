/* record.c: record.json: all that the report page shows. docs/record.md lists the keys.
 */
#include "run/run_int.h"

#include <math.h>
#include <string.h>

enum { SAMPLES = 12 };

/* "kd (temperature 4, weight 0.9)" */
static void add_loss(lb_json *j, const lb_run *run, const lb_term *term)
{
    char weight[LB_WEIGHT_TEXT];
    lb_text t;

    lb_text_init(&t, run->arena);
    lb_text_add(&t, "%s (", term->loss->name);
    for (int k = 0; lb_loss_knob(term->loss, k); k++) {
        const lb_knob *const knob = lb_loss_knob(term->loss, k);
        const double value = term->knobs[k];
        if (knob->words && value != knob->usual)
            lb_text_add(&t, "%s %s, ", knob->name, knob->words[(int)value]);
        else if (!knob->words && (value != knob->usual || knob->usual != 0))
            lb_text_add(&t, "%s %g, ", knob->name, value);
    }
    lb_text_add(&t, "%s)", lb_run_weight_text(term, weight));
    lb_json_text(j, NULL, t.failed ? term->loss->name : t.chars);
}

/* Of the first loss that has one. */
static double temperature_of(const lb_run *run)
{
    for (int s = 0; s < lb_run_stages(run); s++) {
        const lb_run_stage stage = lb_run_stage_of(run, s);
        for (int i = 0; i < stage.n_terms; i++)
            for (int k = 0; lb_loss_knob(stage.term[i].loss, k); k++)
                if (strcmp(lb_loss_knob(stage.term[i].loss, k)->name, "temperature") == 0)
                    return stage.term[i].knobs[k];
    }
    return NAN;
}

static void add_asked(lb_json *j, const lb_run *run)
{
    const lb_recipe *const r = run->recipe;
    const lb_device_options *const limits = &r->device;
    const lb_device *const d = run->device;

    lb_json_open(j, "asked", '{');
    lb_json_text(j, "model", r->student.onnx ? r->student.onnx : r->student.model);
    if (r->student.width > 0)
        lb_json_number(j, "width", r->student.width);
    else if (!r->student.onnx)
        lb_json_text(j, "width", "fit");
    lb_json_number(j, "width_found", run->width > 0 ? run->width : NAN);
    if (r->student.depth > 0)
        lb_json_int(j, "depth", r->student.depth);
    else if (r->student.depth == LB_DEPTH_FIT)
        lb_json_text(j, "depth", "fit");
    lb_json_number(j, "depth_found",
                   run->model_depth > 0 ? (double)run->model_depth : (double)NAN);
    lb_json_text(j, "device", d ? d->name : NULL);
    lb_json_text(j, "core", d ? d->core : NULL);
    lb_json_number(j, "clock_hz", d ? d->clock_hz : NAN);
    lb_json_open(j, "budget", '{');
    lb_json_number(j, "flash_bytes",
                   limits->flash > 0 ? limits->flash
                   : d               ? d->flash_bytes
                                     : NAN);
    lb_json_number(j, "sram_bytes",
                   limits->sram > 0 ? limits->sram
                   : d              ? d->sram_bytes
                                    : NAN);
    lb_json_number(j, "latency_ms", limits->latency > 0 ? 1e3 * limits->latency : NAN);
    lb_json_number(j, "energy_uj", limits->energy > 0 ? 1e6 * limits->energy : NAN);
    lb_json_close(j, '}');
    lb_json_open(j, "losses", '[');
    for (int s = 0; s < lb_run_stages(run); s++) {
        const lb_run_stage stage = lb_run_stage_of(run, s);
        for (int i = 0; i < stage.n_terms; i++)
            add_loss(j, run, &stage.term[i]);
    }
    lb_json_close(j, ']');
    lb_json_number(j, "temperature", temperature_of(run));
    lb_json_int(j, "epochs", lb_recipe_epochs(r));
    lb_json_int(j, "batch", r->train.batch);
    lb_json_int(j, "seed", (int64_t)r->seed);
    lb_json_close(j, '}');
}

static void add_data(lb_json *j, const lb_run *run)
{
    const lb_data *const d = run->data;
    const char *const *const names = d->content.class_names;

    lb_json_open(j, "data", '{');
    lb_json_text(j, "source",
                 lb_arena_text(run->arena, "%s:%s", d->options.source, d->options.path));
    lb_json_int(j, "classes", d->content.n_classes);
    if (names) {
        lb_json_open(j, "class_names", '[');
        for (int i = 0; i < d->content.n_classes; i++)
            lb_json_text(j, NULL, names[i]);
        lb_json_close(j, ']');
    } else {
        lb_json_null(j, "class_names");
    }
    lb_run_add_counts(j, run);
    lb_json_ints(j, "shape", d->content.shape.dim, d->content.shape.rank);
    lb_json_close(j, '}');
}

static void add_range(lb_json *j, const char *key, const lb_range *range)
{
    lb_json_range(j, key, range->low, range->mid, range->high);
}

static void add_figures(lb_json *j, const char *name, const lb_metrics *test,
                        size_t parameters, double macs)
{
    lb_json_text(j, "name", name);
    lb_json_number(j, "accuracy", test->accuracy);
    lb_json_number(j, "top5", test->top5);
    lb_json_number(j, "loss", test->loss);
    lb_json_number(j, "ece", test->ece);
    lb_json_int(j, "parameters", (int64_t)parameters);
    lb_json_number(j, "macs", macs);
}

static void add_network(lb_json *j, const char *name, const lb_graph *graph,
                        const lb_metrics *test)
{
    add_figures(j, name, test, lb_graph_parameters(graph), lb_graph_macs(graph));
}

/* Several teachers: what they say together, then each by itself. */
static void add_teacher(lb_json *j, const lb_run *run)
{
    const lb_teacher_options *const teacher = run->recipe->teacher;
    const int n = run->n_members;

    if (n == 0) {
        lb_json_null(j, "teacher");
        return;
    }
    const char *const name =
        n == 1 ? teacher->onnx : lb_arena_text(run->arena, "%d teachers", n);
    lb_json_open(j, "teacher", '{');
    add_figures(j, name, &run->teacher_test, lb_run_teacher_parameters(run),
                lb_run_teacher_macs(run));
    if (n == 1)
        lb_run_add_audit(j, run, 0);
    if (n > 1) {
        lb_json_open(j, "members", '[');
        for (int k = 0; k < n; k++) {
            lb_json_open(j, NULL, '{');
            add_network(j, teacher[k].onnx, run->member[k].file, &run->member[k].test);
            lb_json_number(j, "weight", run->recipe->ensemble.weight[k]);
            lb_run_add_audit(j, run, k);
            lb_json_close(j, '}');
        }
        lb_json_close(j, ']');
    }
    lb_json_close(j, '}');
}

static void add_networks(lb_json *j, const lb_run *run)
{
    const lb_student_options *const s = &run->recipe->student;
    const lb_estimate *const e = &run->estimate;

    add_teacher(j, run);
    lb_json_open(j, "student", '{');
    add_network(j, s->onnx ? s->onnx : s->model, run->student, &run->student_test);
    if (run->device) {
        lb_json_int(j, "flash_bytes", (int64_t)e->flash_bytes);
        lb_json_int(j, "weight_bytes", (int64_t)e->weight_bytes);
        lb_json_int(j, "sram_bytes", (int64_t)e->sram_bytes);
        lb_json_int(j, "arena_bytes", (int64_t)e->arena_bytes);
        add_range(j, "latency_ms", &e->latency_ms);
        add_range(j, "energy_uj", &e->energy_uj);
    }
    lb_json_close(j, '}');
    lb_json_number(j, "agreement",
                   run->n_members > 0 ? run->student_test.agreement : NAN);
    lb_run_add_int8(j, run);
    lb_json_number(j, "kl", run->n_members > 0 ? run->kl : NAN);
}

static void add_epoch(lb_json *j, const lb_run *run, int i)
{
    const lb_epoch_report *const e = &run->trained.epoch[i];

    lb_json_open(j, NULL, '{');
    lb_json_int(j, "epoch", i);
    if (run->recipe->n_stages > 0)
        lb_json_int(j, "stage", e->stage);
    lb_json_number(j, "lr", e->lr);
    lb_json_number(j, "loss", e->loss);
    lb_run_add_each_term(j, "terms", run, e, e->term);
    lb_run_add_each_term(j, "weights", run, e, e->weight);
    lb_run_add_each_term(j, "shares", run, e, e->share);
    lb_json_number(j, "train_accuracy", e->train_accuracy);
    lb_json_number(j, "validation_accuracy", e->validation_accuracy);
    lb_json_number(j, "validation_loss", e->validation_loss);
    lb_json_number(j, "seconds", e->seconds);
    lb_json_number(j, "idle_share", e->idle_share);
    lb_json_close(j, '}');
}

static void add_epochs(lb_json *j, const lb_run *run)
{
    lb_run_add_stages(j, run);
    lb_json_open(j, "term_names", '[');
    for (int s = 0; s < lb_run_stages(run); s++)
        for (int k = 0; k < lb_run_stage_of(run, s).n_terms; k++)
            lb_json_text(j, NULL, lb_run_stage_of(run, s).term[k].loss->name);
    lb_json_close(j, ']');
    lb_json_open(j, "epochs", '[');
    for (int i = 0; i < run->trained.epochs_done; i++)
        add_epoch(j, run, i);
    lb_json_close(j, ']');
    lb_json_int(j, "best_epoch", run->trained.best_epoch);
}

/* A network may tell more classes apart than the data has; those are left out. */
static void add_logits(lb_json *j, const char *key, const lb_metrics *m, int sample,
                       int classes)
{
    const float *const row = m->logits + (size_t)sample * (size_t)m->classes;

    lb_json_open(j, key, '[');
    for (int c = 0; c < classes; c++)
        lb_json_number(j, NULL, (double)row[c]);
    lb_json_close(j, ']');
}

static void add_samples(lb_json *j, const lb_run *run)
{
    const lb_data *const d = run->data;
    const int classes = d->content.n_classes;
    const int n = d->n[LB_TEST] < SAMPLES ? d->n[LB_TEST] : SAMPLES;

    lb_json_open(j, "samples", '[');
    for (int i = 0; lb_run_has_pictures(run) && i < n; i++) {
        lb_json_open(j, NULL, '{');
        lb_run_add_picture(j, run, i);
        if (run->n_members > 0)
            add_logits(j, "teacher_logits", &run->teacher_test, i, classes);
        else
            lb_json_null(j, "teacher_logits");
        add_logits(j, "student_logits", &run->student_test, i, classes);
        lb_json_close(j, '}');
    }
    lb_json_close(j, ']');
}

static void add_matrix(lb_json *j, const char *key, const lb_metrics *m, int n)
{
    lb_json_open(j, key, '[');
    for (int row = 0; row < n; row++) {
        lb_json_open(j, NULL, '[');
        for (int column = 0; column < n; column++)
            lb_json_int(j, NULL,
                        m->confusion[(size_t)row * (size_t)m->classes + (size_t)column]);
        lb_json_close(j, ']');
    }
    lb_json_close(j, ']');
}

static void add_confusion(lb_json *j, const lb_run *run)
{
    const int classes = run->data->content.n_classes;

    if (classes > 100) {
        lb_json_null(j, "confusion");
        return;
    }
    lb_json_open(j, "confusion", '{');
    add_matrix(j, "student", &run->student_test, classes);
    if (run->n_members > 0)
        add_matrix(j, "teacher", &run->teacher_test, classes);
    else
        lb_json_null(j, "teacher");
    lb_json_close(j, '}');
}

static void add_profile(lb_json *j, const lb_run *run)
{
    if (!run->has_profile) {
        lb_json_null(j, "profile");
        return;
    }
    lb_json_open(j, "profile", '{');
    lb_bench_json(j, &run->profile);
    lb_json_close(j, '}');
}

static void add_files(lb_json *j, const lb_run *run)
{
    lb_json_open(j, "files", '{');
    lb_json_text(j, "student.onnx", "student.onnx");
    if (run->has_firmware)
        lb_json_text(j, "firmware", "firmware");
    lb_json_text(j, "recipe.yaml", "recipe.yaml");
    lb_json_text(j, "result.json", "result.json");
    lb_json_close(j, '}');
}

const char *lb_run_record_json(const lb_run *run)
{
    lb_json j;

    lb_json_init(&j, run->arena);
    lb_json_open(&j, NULL, '{');
    lb_json_text(&j, "name", run->recipe->name);
    lb_json_text(&j, "started", run->started);
    lb_json_number(&j, "seconds", lb_run_seconds(run));
    lb_json_text(&j, "version", LB_VERSION);
    lb_json_text(&j, "status", "done");
    lb_json_text(&j, "recipe_text", run->recipe_text);
    add_asked(&j, run);
    add_data(&j, run);
    add_networks(&j, run);
    lb_run_add_pruning(&j, run);
    add_epochs(&j, run);
    lb_run_record_inside(&j, run);
    lb_run_record_attention(&j, run);
    lb_run_record_memory(&j, run);
    add_samples(&j, run);
    add_confusion(&j, run);
    lb_run_add_class_figures(&j, run);
    lb_run_record_firmware(&j, run);
    add_profile(&j, run);
    add_files(&j, run);
    lb_json_close(&j, '}');
    return j.text.failed ? NULL : j.text.chars;
}
