/* plan_text.c: what a dry run tells: everything that is known before the first step. */
#include "run/run_int.h"

#include <math.h>

static void add_data(lb_text *t, const lb_run *run)
{
    const lb_data *const d = run->data;
    char shape[LB_SHAPE_TEXT];

    lb_text_add(t, "data      %s: samples %s, %d classes\n", d->options.path,
                lb_shape_text(&d->content.shape, shape), d->content.n_classes);
    lb_text_add(t, "          %d to train with, %d to validate, %d to test\n",
                d->n[LB_TRAIN], d->n[LB_VALIDATION], d->n[LB_TEST]);
}

static void add_manner(lb_text *t, const lb_run *run, const lb_teacher_options *o)
{
    if (o->views > 0 && lb_run_looks_inside(run))
        lb_text_add(t,
                    "          asked live over %d fixed views a sample: losses look at "
                    "its layers\n",
                    o->views);
    else if (o->views > 0)
        lb_text_add(t, "          %s over %d fixed views a sample\n",
                    o->store == LB_CACHE_NONE   ? "asked live"
                    : o->store == LB_CACHE_FP16 ? "its answers are cached as fp16"
                                                : "its answers are cached",
                    o->views);
    else
        lb_text_add(t, "          asked live, for a new view each epoch\n");
}

static void add_member(lb_text *t, const lb_run *run, int k)
{
    const lb_teacher_options *const o = &run->recipe->teacher[k];
    const lb_graph *const file = run->member[k].file;

    lb_text_add(t, "teacher   ");
    if (!file) {
        lb_text_add(t, "is trained first, by '%s'\n", o->recipe);
        return;
    }
    lb_text_add(t, "%s: %zu parameters, %.3g million multiply-adds\n", o->onnx,
                lb_graph_parameters(file), 1e-6 * lb_graph_macs(file));
    add_manner(t, run, o);
}

static void add_teacher(lb_text *t, const lb_run *run)
{
    const lb_ensemble *const e = &run->recipe->ensemble;

    if (!run->recipe->has_teacher) {
        lb_text_add(t, "teacher   none: plain training\n");
        return;
    }
    for (int k = 0; k < e->n; k++)
        add_member(t, run, k);
    if (e->n == 1)
        return;
    lb_text_add(t, "together  the mean of their %s, with the shares",
                e->combine == LB_COMBINE_LOGITS ? "logits" : "probabilities");
    for (int k = 0; k < e->n; k++)
        lb_text_add(t, "%s%.3g", k > 0 ? ", " : " ", e->weight[k]);
    lb_text_add_char(t, '\n');
}

static void add_limit(lb_text *t, const char *what, double needs, double limit,
                      const char *unit)
{
    lb_text_add(t, "          %-8s %10.4g %s", what, needs, unit);
    if (limit > 0)
        lb_text_add(t, " of %.4g", limit);
    lb_text_add_char(t, '\n');
}

static void add_student(lb_text *t, const lb_run *run)
{
    const lb_student_options *const s = &run->recipe->student;
    const lb_device_options *const limits = &run->recipe->device;
    const lb_estimate *const e = &run->estimate;

    lb_text_add(t, "student   %s", s->onnx ? s->onnx : s->model);
    if (run->width > 0)
        lb_text_add(t, ", width %g", run->width);
    lb_text_add(t, ": %zu parameters, %.3g million multiply-adds\n",
                lb_graph_parameters(run->student), 1e-6 * lb_graph_macs(run->student));
    if (!run->device)
        return;
    lb_text_add(t, "device    %s (%s): it fits\n", run->device->name, run->device->core);
    add_limit(t, "flash", (double)e->flash_bytes / 1024,
              (limits->flash > 0 ? limits->flash : run->device->flash_bytes) / 1024,
              "KiB");
    add_limit(t, "sram", (double)e->sram_bytes / 1024,
              (limits->sram > 0 ? limits->sram : run->device->sram_bytes) / 1024, "KiB");
    add_limit(t, "latency", e->latency_ms.high, 1e3 * limits->latency, "ms at most");
    add_limit(t, "energy", e->energy_uj.high, 1e6 * limits->energy, "uJ at most");
}

/* The teacher's share is told from its multiply-adds at the student's measured speed; a
 * training step takes about three times a network's forward pass. */
static double teacher_seconds(const lb_run *run, double step_seconds, double steps)
{
    const lb_recipe *const r = run->recipe;
    const double student = 3 * lb_graph_macs(run->student);
    double seconds = 0;

    for (int k = 0; student > 0 && k < run->n_members; k++) {
        const double image =
            step_seconds / r->train.batch * lb_graph_macs(run->member[k].file) / student;
        seconds += image * (lb_run_cached(run, k)
                                ? (double)r->teacher[k].views * run->data->n[LB_TRAIN]
                                : steps * r->train.batch);
    }
    return seconds;
}

const char *lb_run_plan_text(const lb_run *run, double step_seconds)
{
    const lb_recipe *const r = run->recipe;
    const int batches = run->data->n[LB_TRAIN] / r->train.batch;
    const double steps = (double)batches * r->train.epochs;
    lb_text t;

    lb_text_init(&t, run->arena);
    lb_text_add(&t, "run       %s, into '%s'\n", r->name, run->folder);
    add_data(&t, run);
    add_teacher(&t, run);
    add_student(&t, run);
    for (int i = 0; i < r->n_terms; i++) {
        lb_text_add(&t, "%s%s, weight %g", i == 0 ? "losses    " : "          ",
                    r->term[i].loss->name, r->term[i].weight);
        for (int k = 0; lb_loss_knob(r->term[i].loss, k); k++) {
            const lb_knob *const knob = lb_loss_knob(r->term[i].loss, k);
            const double value = r->term[i].knobs[k];
            lb_text_add(&t, ", %s ", knob->name);
            if (knob->words)
                lb_text_add(&t, "%s", knob->words[(int)value]);
            else
                lb_text_add(&t, "%g", value);
        }
        lb_text_add_char(&t, '\n');
        lb_run_add_pairs(&t, run, &r->term[i], "            ");
    }
    lb_text_add(&t, "training  %d epochs of %d steps, %d samples a step\n",
                r->train.epochs, batches, r->train.batch);
    if (isnan(step_seconds)) {
        lb_text_add(&t, "time      is known once the teacher is trained\n");
        return t.failed ? NULL : t.chars;
    }
    lb_text_add(&t, "time      about %.0f s for the student (%.3g ms a step)",
                ceil(steps * step_seconds), 1e3 * step_seconds);
    if (run->n_members > 0)
        lb_text_add(&t, ", %.0f s for the teacher",
                    ceil(teacher_seconds(run, step_seconds, steps)));
    lb_text_add_char(&t, '\n');
    return t.failed ? NULL : t.chars;
}
