/* result.c: a run's figures as one JSON object, and as a few lines for people. */
#include "run/run_int.h"

#include "base/clock.h"

#include <math.h>

double lb_run_seconds(const lb_run *run)
{
    /* earlier sittings of a run that was resumed are known by their training time */
    const double before = run->trained.seconds - run->train_wall;

    return lb_clock_wall() - run->began + (before > 0 ? before : 0);
}

static void add_range(lb_json *j, const char *key, const lb_range *range, bool known)
{
    if (known)
        lb_json_range(j, key, range->low, range->mid, range->high);
    else
        lb_json_null(j, key);
}

static void add_size(lb_json *j, const lb_metrics *test, size_t parameters, double macs)
{
    lb_json_number(j, "accuracy", test->n > 0 ? test->accuracy : NAN);
    lb_json_number(j, "ece", test->n > 0 ? test->ece : NAN);
    lb_json_int(j, "parameters", (int64_t)parameters);
    lb_json_number(j, "macs", macs);
}

static void add_network(lb_json *j, const lb_graph *graph, const lb_metrics *test)
{
    add_size(j, test, lb_graph_parameters(graph), lb_graph_macs(graph));
}

/* Several teachers: what they say together, then each by itself. */
static void add_teacher(lb_json *j, const lb_run *run)
{
    const lb_recipe *const r = run->recipe;

    if (run->n_members == 0) {
        lb_json_null(j, "teacher");
        return;
    }
    lb_json_open(j, "teacher", '{');
    add_size(j, &run->teacher_test, lb_run_teacher_parameters(run),
             lb_run_teacher_macs(run));
    if (run->n_members == 1)
        lb_run_add_audit(j, run, 0);
    if (run->n_members > 1) {
        lb_json_open(j, "members", '[');
        for (int k = 0; k < run->n_members; k++) {
            lb_json_open(j, NULL, '{');
            lb_json_text(j, "onnx", r->teacher[k].onnx);
            lb_json_number(j, "weight", r->ensemble.weight[k]);
            add_network(j, run->member[k].file, &run->member[k].test);
            lb_run_add_audit(j, run, k);
            lb_json_close(j, '}');
        }
        lb_json_close(j, ']');
    }
    lb_json_close(j, '}');
}

/* Of the epoch that the student was taken from. */
static void add_validation(lb_json *j, const lb_run *run)
{
    const lb_train_result *const t = &run->trained;
    const lb_epoch_report *const best =
        t->epochs_done > 0 ? &t->epoch[t->best_epoch] : NULL;

    lb_json_number(j, "validation_accuracy", best ? best->validation_accuracy : NAN);
    lb_json_number(j, "validation_loss", best ? best->validation_loss : NAN);
    lb_json_number(j, "last_accuracy",
                   run->student_test.n > 0 ? run->last_accuracy : NAN);
}

static void add_student(lb_json *j, const lb_run *run)
{
    const bool known = run->device != NULL;
    const lb_estimate *const e = &run->estimate;

    lb_json_open(j, "student", '{');
    add_network(j, run->student, &run->student_test);
    add_validation(j, run);
    lb_json_number(j, "flash_bytes", known ? (double)e->flash_bytes : NAN);
    lb_json_number(j, "sram_bytes", known ? (double)e->sram_bytes : NAN);
    add_range(j, "latency_ms", &e->latency_ms, known);
    add_range(j, "energy_uj", &e->energy_uj, known);
    lb_json_close(j, '}');
}

static void add_files(lb_json *j, const lb_run *run)
{
    const bool ended = run->student_test.n > 0;

    lb_json_open(j, "files", '{');
    if (ended) {
        lb_json_text(j, "student.onnx", lb_run_path(run, "student.onnx"));
        if (run->int8.graph)
            lb_json_text(j, "student-int8.onnx", lb_run_path(run, "student-int8.onnx"));
        if (run->recipe->exports & LB_EXPORT_TFLITE)
            lb_json_text(j, "student-int8.tflite",
                         lb_run_path(run, "student-int8.tflite"));
        if (run->has_firmware)
            lb_json_text(j, "firmware", lb_run_path(run, "firmware"));
        if (run->recipe->exports & LB_EXPORT_REPORT)
            lb_json_text(j, "report.html", lb_run_path(run, "report.html"));
        lb_json_text(j, "recipe.yaml", lb_run_path(run, "recipe.yaml"));
        lb_json_text(j, "record.json", lb_run_path(run, "record.json"));
        lb_json_text(j, "result.json", lb_run_path(run, "result.json"));
    }
    lb_json_close(j, '}');
}

/* Of all epochs: the share of their seconds that waited for samples. */
static double idle_share(const lb_train_result *trained)
{
    double idle = 0, seconds = 0;

    for (int i = 0; i < trained->epochs_done; i++) {
        idle += trained->epoch[i].idle_share * trained->epoch[i].seconds;
        seconds += trained->epoch[i].seconds;
    }
    return seconds > 0 ? idle / seconds : NAN;
}

void lb_run_add_stages(lb_json *j, const lb_run *run)
{
    lb_json_open(j, "stages", '[');
    for (int k = 0; k < run->recipe->n_stages; k++) {
        int done = 0;
        for (int i = 0; i < run->trained.epochs_done; i++)
            done += run->trained.epoch[i].stage == k;
        lb_json_open(j, NULL, '{');
        lb_json_text(j, "name", run->recipe->stage[k].name);
        lb_json_int(j, "epochs", done);
        lb_json_close(j, '}');
    }
    lb_json_close(j, ']');
}

const char *lb_run_result_json(const lb_run *run)
{
    const bool compared = run->n_members > 0 && run->student_test.n > 0;
    lb_json j;

    lb_json_init(&j, run->arena);
    lb_json_open(&j, NULL, '{');
    lb_json_text(&j, "run", run->folder);
    add_teacher(&j, run);
    add_student(&j, run);
    lb_json_open(&j, "data", '{');
    lb_run_add_counts(&j, run);
    lb_json_close(&j, '}');
    lb_run_add_int8(&j, run);
    if (run->pruning)
        lb_run_add_pruning(&j, run);
    lb_json_number(&j, "agreement", compared ? run->student_test.agreement : NAN);
    lb_json_number(&j, "kl", compared ? run->kl : NAN);
    lb_run_add_class_figures(&j, run);
    lb_run_add_alignment(&j, run);
    lb_json_int(&j, "epochs", run->trained.epochs_done);
    lb_json_int(&j, "best_epoch", run->trained.best_epoch);
    if (run->recipe->n_stages > 0)
        lb_run_add_stages(&j, run);
    lb_run_add_terms(&j, run);
    lb_json_number(&j, "seconds", lb_run_seconds(run));
    lb_json_number(&j, "images_per_second",
                   run->trained.images_per_second > 0 ? run->trained.images_per_second
                                                      : NAN);
    lb_json_number(&j, "idle_share", idle_share(&run->trained));
    add_files(&j, run);
    lb_json_close(&j, '}');
    return j.text.failed ? NULL : j.text.chars;
}

const char *lb_run_summary(const lb_run *run)
{
    lb_text t;

    lb_text_init(&t, run->arena);
    if (run->n_members > 0)
        lb_text_add(&t, "teacher   %6.2f %% of the test samples, %zu parameters\n",
                    100 * run->teacher_test.accuracy, lb_run_teacher_parameters(run));
    for (int k = 0; run->n_members > 1 && k < run->n_members; k++)
        lb_text_add(&t, "          %6.2f %% of them by '%s' alone\n",
                    100 * run->member[k].test.accuracy, run->recipe->teacher[k].onnx);
    lb_text_add(&t, "student   %6.2f %%, %zu parameters",
                100 * run->student_test.accuracy, lb_graph_parameters(run->student));
    if (run->n_members > 0)
        lb_text_add(&t, ", answers as the teacher does on %.2f %%",
                    100 * run->student_test.agreement);
    lb_text_add_char(&t, '\n');
    if (run->int8.graph)
        lb_text_add(&t, "in int8   %6.2f %%, answers as in floats on %.2f %%\n",
                    100 * run->int8.test.accuracy, 100 * run->int8.test.agreement);
    lb_run_add_pull(&t, run);
    lb_run_tell_pruning(&t, run);
    if (run->device)
        lb_text_add(&t,
                    "on %s  %.1f KiB of flash, %.1f KiB of SRAM, %.3g ms, %.3g uJ "
                    "(estimates)\n",
                    run->device->name, (double)run->estimate.flash_bytes / 1024,
                    (double)run->estimate.sram_bytes / 1024, run->estimate.latency_ms.mid,
                    run->estimate.energy_uj.mid);
    if (run->has_proof)
        lb_text_add(&t,
                    "firmware  compiled, %d outputs agree (worst %.2g of the scale)\n",
                    run->proof.outputs_checked, run->proof.worst_error);
    else if (run->has_firmware)
        lb_text_add(&t, "firmware  written, not compiled: %s\n",
                    run->proof_note ? run->proof_note : "unknown");
    lb_text_add(&t, "files     '%s', after %.0f s", run->folder, lb_run_seconds(run));
    return t.failed ? NULL : t.chars;
}
