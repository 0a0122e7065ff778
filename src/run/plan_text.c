/* plan_text.c: what a dry run tells: everything that is known before the first step. */
#include "run/run_int.h"

#include <math.h>

/* Who of the training samples has a label, and where the others are from. */
static void add_labels(lb_text *t, const lb_run *run)
{
    const lb_data *const d = run->data;
    const lb_unlabelled *const u = &d->options.unlabelled;
    const int labelled = lb_data_labelled(d);

    if (d->n_unlabelled > 0)
        lb_text_add(t, "          %d of those to train with are from '%s', %s\n",
                    d->n_unlabelled, u->path,
                    d->unlabelled.n > 0 ? "without labels"
                                        : "what was left of it, without labels");
    if (labelled < d->n[LB_TRAIN])
        lb_text_add(t, "          %d of those to train with have a label, %d have none\n",
                    labelled, d->n[LB_TRAIN] - labelled);
    lb_run_add_classes(t, d, d->hidden, "          without labels: ");
    lb_run_add_classes(t, d, d->omitted, "          without a sample: ");
}

static void add_data(lb_text *t, const lb_run *run)
{
    const lb_data *const d = run->data;
    char shape[LB_SHAPE_TEXT];

    lb_text_add(t, "data      %s: samples %s, %d classes\n", d->options.path,
                lb_shape_text(&d->content.shape, shape), d->content.n_classes);
    lb_text_add(t, "          %d to train with, %d to validate, %d to test\n",
                d->n[LB_TRAIN], d->n[LB_VALIDATION], d->n[LB_TEST]);
    add_labels(t, run);
}

static void add_manner(lb_text *t, const lb_run *run, const lb_teacher_options *o)
{
    const int k = (int)(o - run->recipe->teacher);

    if (o->views > 0 && o->store != LB_CACHE_NONE && !lb_run_cached(run, k))
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
    const char *const input = lb_run_input_text(run->arena, &o->input);
    if (!input) {
        t->failed = true;
        return;
    }
    lb_text_add(t, "          is given %s; %s\n", input,
                lb_logits_text(run->member[k].had_softmax ? LB_LOGITS_STRIPPED
                                                          : LB_LOGITS_PLAIN));
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
    lb_text_add(t, "together  the mean of their %s, with ",
                e->combine == LB_COMBINE_LOGITS ? "logits" : "probabilities");
    if (e->weighing == LB_WEIGHTS_VALIDATION)
        lb_text_add(t, "shares found on the validation split");
    for (int k = 0; e->weighing == LB_WEIGHTS_GIVEN && k < e->n; k++)
        lb_text_add(t, "%s%.3g", k > 0 ? ", " : "the shares ", e->weight[k]);
    lb_text_add_char(t, '\n');
    if (e->correct_only)
        lb_text_add(t, "          of a sample with a label those that are wrong are left "
                       "out\n");
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
        lb_text_add(t, ", width %g, depth %d", run->width, run->model_depth);
    if (run->tail.graph)
        lb_text_add(t, ", with a projector and the teacher's part behind '%s'",
                    lb_info(run->tail.graph, run->tail.from)->name);
    lb_text_add(t, ": %zu parameters, %.3g million multiply-adds\n",
                lb_graph_parameters(run->student), 1e-6 * lb_graph_macs(run->student));
    if (!run->device)
        return;
    lb_text_add(t, "device    %s (%s): it %s\n", run->device->name, run->device->core,
                run->pruning ? "should fit once it is pruned (an estimate; it is "
                               "weighed again then)"
                             : "fits");
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
static double teacher_seconds(const lb_run *run, const double *step_seconds)
{
    const double student = 3 * lb_graph_macs(run->student);
    const int n = run->data->n[LB_TRAIN];
    double seconds = 0;

    for (int m = 0; student > 0 && m < run->n_members; m++) {
        const double share = lb_graph_macs(run->member[m].file) / student;
        bool cached = lb_run_cached(run, m);
        for (int k = 0; k < lb_run_stages(run); k++) {
            const lb_run_stage stage = lb_run_stage_of(run, k);
            const int batch = stage.train->batch;
            const bool live = !lb_run_cached_in(run, k, m);
            const int whole = n / batch * batch; /* of an epoch */
            double samples = (double)whole * stage.train->epochs;
            if (live ? !lb_run_asked_in(run, k, m) : !cached)
                continue;
            if (!live) { /* once for all stages */
                samples = (double)run->recipe->teacher[m].views * n;
                cached = false;
            }
            seconds += share * step_seconds[k] / batch * samples;
        }
    }
    return seconds;
}

static void add_term(lb_text *t, const lb_term *term)
{
    char weight[LB_WEIGHT_TEXT];

    lb_text_add(t, "%s, %s", term->loss->name, lb_run_weight_text(term, weight));
    for (int k = 0; lb_loss_knob(term->loss, k); k++) {
        const lb_knob *const knob = lb_loss_knob(term->loss, k);
        const double value = term->knobs[k];
        lb_text_add(t, ", %s ", knob->name);
        if (knob->words)
            lb_text_add(t, "%s", knob->words[(int)value]);
        else
            lb_text_add(t, "%g", value);
    }
    lb_text_add_char(t, '\n');
}

static void add_names(lb_text *t, const lb_stage *stage, const lb_prune_options *prune)
{
    for (int i = 0; i < stage->freeze.n; i++)
        lb_text_add(t, "%s%s", i ? ", " : "          frozen: ", stage->freeze.pattern[i]);
    if (stage->freeze.n > 0)
        lb_text_add_char(t, '\n');
    if (stage->until)
        lb_text_add(t, "          the student runs until %s\n", stage->until);
    if (stage->previous)
        lb_text_add(t, "          the student of the stage before is the teacher\n");
    if (stage->cut > 0)
        lb_text_add(t, "          the student is cut: %.3g %% are gone\n",
                    100 * lb_prune_amount(prune, stage->cut));
    if (stage->fresh)
        lb_text_add(t, "          the student begins with new weights\n");
}

static void add_stage(lb_text *t, const lb_run *run, int k)
{
    const lb_run_stage stage = lb_run_stage_of(run, k);

    if (stage.name) {
        lb_text_add(t, "stage %-3d %s\n", k + 1, stage.name);
        add_names(t, &run->recipe->stage[k], &run->recipe->prune);
    }
    for (int i = 0; i < stage.n_terms; i++) {
        lb_text_add(t, i == 0 ? "losses    " : "          ");
        add_term(t, &stage.term[i]);
        lb_run_add_pairs(t, run, &stage, &stage.term[i], "            ");
    }
    lb_text_add(t, "training  %d epochs of %d steps, %d samples a step\n",
                stage.train->epochs, lb_train_batches(run->data, stage.train),
                stage.train->batch);
}

static void add_weights(lb_text *t, const lb_quantize_options *q)
{
    if (q->weights == LB_WEIGHTS_8)
        return;
    lb_text_add(t, ", weights of 4 bits");
    if (q->weights == LB_WEIGHTS_MIXED && q->flash > 0)
        lb_text_add(t, " where %.0f bytes of flash ask for it", q->flash);
    else if (q->weights == LB_WEIGHTS_MIXED)
        lb_text_add(t, " where they cost at most %g points", q->max_drop);
}

static void add_int8(lb_text *t, const lb_run *run)
{
    const lb_recipe *const r = run->recipe;

    if (!r->int8)
        return;
    lb_text_add(t, "int8      calibrated on %d samples",
                r->quantize.samples < run->data->n[LB_TRAIN] ? r->quantize.samples
                                                             : run->data->n[LB_TRAIN]);
    add_weights(t, &r->quantize);
    if (r->qat.mode == LB_INT8_QAT)
        lb_text_add(t, ", then trained on for %d epochs", r->qat.epochs);
    lb_text_add_char(t, '\n');
}

static void add_time(lb_text *t, const lb_run *run, const double *step_seconds)
{
    double seconds = 0, steps = 0;

    for (int k = 0; k < lb_run_stages(run); k++) {
        const lb_train_options *const o = lb_run_stage_of(run, k).train;
        const double n = (double)lb_train_steps(run->data, o);
        steps += n;
        seconds += n * step_seconds[k];
    }
    if (isnan(seconds)) {
        lb_text_add(t, "time      is known once the teacher is trained\n");
        return;
    }
    lb_text_add(t, "time      about %.0f s for the student (%.3g ms a step)",
                ceil(seconds), steps > 0 ? 1e3 * seconds / steps : 0);
    if (run->n_members > 0)
        lb_text_add(t, ", %.0f s for the teacher",
                    ceil(teacher_seconds(run, step_seconds)));
    lb_text_add_char(t, '\n');
}

const char *lb_run_plan_text(const lb_run *run, const double *step_seconds)
{
    lb_text t;

    lb_text_init(&t, run->arena);
    lb_text_add(&t, "run       %s, into '%s'\n", run->recipe->name, run->folder);
    add_data(&t, run);
    add_teacher(&t, run);
    add_student(&t, run);
    lb_run_plan_pruning(&t, run);
    for (int k = 0; k < lb_run_stages(run); k++)
        add_stage(&t, run, k);
    add_int8(&t, run);
    add_time(&t, run, step_seconds);
    return t.failed ? NULL : t.chars;
}
