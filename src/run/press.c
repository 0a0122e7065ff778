/* press.c: makes the trained student int8: calibrated on training samples and, with
 * `mode: qat`, trained on as it will be deployed, while the teacher keeps teaching. */
#include "run/run_int.h"

#include "base/file.h"
#include "run/integers.h"

#include <string.h>

/* ---------------------------------------------------------------------- training on */

/* The last stage teaches on: its losses over the answers, as they stand at its end.
 * Layers are not looked at: those of the int8 student are others. */
static int terms_of(const lb_run *run, lb_term out[LB_MAX_TERMS])
{
    const lb_run_stage stage = lb_run_stage_of(run, lb_run_stages(run) - 1);
    const int settled =
        lb_terms_settle(stage.term, stage.n_terms, stage.train->epochs, out);
    int n = 0;

    for (int i = 0; i < settled; i++) {
        const bool asks = (out[i].loss->needs & LB_NEEDS_TEACHER) != 0;
        if (!lb_taps_wanted(&out[i], 1) && !(asks && stage.previous))
            out[n++] = out[i];
    }
    return n;
}

lb_code lb_run_check_press(const lb_run *run, lb_error *err)
{
    lb_term terms[LB_MAX_TERMS];

    if (!run->recipe->int8 || run->recipe->qat.mode != LB_INT8_QAT ||
        terms_of(run, terms) > 0)
        return LB_OK;
    return lb_raise(
        err, LB_ERR_INPUT,
        "%s: compress: quantize: mode: qat trains on by the losses over the "
        "answers, and the last stage has none at its end; add one (kd, ce), or "
        "choose mode: ptq",
        run->recipe->path);
}

static lb_code set_up(const lb_run *run, lb_graph *form, const lb_term *terms,
                      int n_terms, lb_train_options *options, lb_train_setup *out,
                      lb_error *err)
{
    const lb_qat_options *const qat = &run->recipe->qat;
    const lb_train_setup all = lb_run_train_setup(run);
    const int last = lb_run_stages(run) - 1;
    const char *const folder = lb_run_path(run, "quantize");

    *out = lb_train_stage(&all, last);
    *options =
        lb_train_further(out->options, qat->epochs, out->options->sgd.lr * qat->lr);
    out->stages = out->stage = NULL;
    out->n_stages = out->number = 0;
    out->fresh = NULL;
    out->teachers = NULL;
    out->options = options;
    out->terms = terms;
    out->n_terms = n_terms;
    out->student = form;
    out->folder = folder;
    out->key = lb_arena_text(run->arena, "%.56s-qat", run->key);
    if (!folder || !out->key)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to train on");
    return lb_make_folder(folder, err);
}

static lb_code train_on(lb_run *run, lb_graph *form, lb_error *err)
{
    lb_term terms[LB_MAX_TERMS];
    const int n = terms_of(run, terms);
    lb_train_options options;
    lb_train_setup setup;
    lb_train_result trained;

    LB_TRY(set_up(run, form, terms, n, &options, &setup, err));
    lb_run_phase(run, "training in int8");
    LB_TRY(lb_train_run(&setup, run->arena, &trained, err));
    run->int8.epochs = trained.epochs_done;
    run->int8.seconds = trained.seconds;
    return LB_OK;
}

/* The calibrated network becomes one that has been trained on. */
static lb_code train_quantised(lb_run *run, const lb_graph *calibrated, lb_graph **out,
                               lb_error *err)
{
    lb_graph *form = NULL;

    LB_TRY(lb_qat_train_form(calibrated, &form, err));
    lb_code code = train_on(run, form, err);
    if (code == LB_OK)
        code = lb_qat_deploy(form, out, err);
    lb_graph_free(form);
    return code;
}

/* ------------------------------------------------------------------------ the whole */

static lb_code measure(lb_run *run, lb_error *err)
{
    lb_run_int8 *const q = &run->int8;

    lb_run_phase(run, "evaluating int8");
    LB_TRY(lb_lower_rounded(q->graph, lb_run_rounding(run), run->arena, &q->low, err));
    LB_TRY(lb_evaluate_integers(q->low, q->graph, &run->recipe->student.input, run->data,
                                LB_TEST, run->pool, run->student_test.answer, run->arena,
                                &q->test, err));
    return LB_OK;
}

/* The calibrated graph, or what training on makes of it. */
static lb_code settle(lb_run *run, lb_quantised *calibrated, lb_error *err)
{
    LB_TRY(lb_run_compare_int8(run, calibrated, err));
    if (run->recipe->qat.mode == LB_INT8_QAT)
        return train_quantised(run, calibrated->graph, &run->int8.graph, err);
    run->int8.graph = calibrated->graph;
    calibrated->graph = NULL;
    return LB_OK;
}

lb_code lb_run_press(lb_run *run, lb_error *err)
{
    const lb_recipe *const r = run->recipe;
    lb_tensor *samples = NULL;
    lb_quantised calibrated = {0};

    if (!r->int8)
        return LB_OK;
    lb_run_phase(run, "calibrating int8");
    LB_TRY(lb_samples_read(run->student, &r->student.input, run->data, LB_TRAIN,
                           r->quantize.samples, run->arena, &samples, err));
    LB_TRY(lb_run_calibrate(run, run->student, samples, run->arena, &calibrated, err));
    const lb_code code = settle(run, &calibrated, err);
    lb_quantised_free(&calibrated);
    return code == LB_OK ? measure(run, err) : code;
}
