/* weigh.c: makes the student, and holds it against the device before the first step. */
#include "run/run_int.h"

#include "base/rng.h"
#include "onnx/onnx.h"
#include "run/network_load.h"

#include <string.h>

static lb_model_options model_options(const lb_run *run)
{
    const lb_recipe *const r = run->recipe;

    return (lb_model_options){.input = run->data->content.shape,
                              .classes = run->data->content.n_classes,
                              .width = r->student.width,
                              .depth = r->student.depth,
                              .tail = run->tail.graph ? &run->tail : NULL};
}

/* As it will be deployed: about what pruning leaves of it, in int8 if it becomes that. */
static lb_code lower(const void *arg, const lb_graph *graph, lb_arena *arena,
                     lb_low **out, lb_error *err)
{
    const lb_run *const run = arg;
    lb_graph *small = NULL;
    lb_error why = {0};

    if (!(run->recipe->prune.amount > 0))
        return lb_run_lower(run, graph, arena, out, err);
    lb_code code = lb_run_sketch(run, graph, &small, &why);
    if (code == LB_ERR_INPUT) /* too narrow to lose so much: others are tried, too */
        return lb_run_lower(run, graph, arena, out, err);
    if (code != LB_OK) {
        *err = why;
        return code;
    }
    code = lb_run_lower(run, small, arena, out, err);
    lb_graph_free(small);
    return code;
}

static lb_code find_width(const lb_run *run, const lb_model *model,
                          const lb_model_options *options, double *width, lb_error *err)
{
    const lb_lowerer lowerer = {lower, run};

    return lb_device_fit(model, options, run->device, &run->recipe->device, &lowerer,
                         width, err);
}

static lb_code build_student(lb_run *run, lb_error *err)
{
    const lb_recipe *const r = run->recipe;
    const lb_model *const model = lb_model_find(r->student.model);
    lb_model_options options = model_options(run);

    if (!model)
        return lb_raise(err, LB_ERR_INPUT, "no model is called '%s'", r->student.model);
    if (options.width <= 0 && run->device)
        LB_TRY(find_width(run, model, &options, &options.width, err));
    if (options.width <= 0)
        return lb_raise(err, LB_ERR_INPUT,
                        "'width: fit' needs a device to fit; name one under 'device', or "
                        "give the width as a number");
    run->width = options.width;
    return lb_model_build(model, &options, r->seed, &run->student, err);
}

/* New weights for the stages that begin with them: of the run's seed and the stage. */
static lb_code build_fresh(lb_run *run, lb_error *err)
{
    const lb_recipe *const r = run->recipe;
    const lb_model *const model = lb_model_find(r->student.model);
    lb_model_options options = model_options(run);

    options.width = run->width;
    for (int k = 1; k < r->n_stages; k++) {
        lb_rng rng = lb_rng_make(r->seed, LB_RNG_INIT, 0, (uint64_t)k);
        if (r->stage[k].fresh)
            LB_TRY(
                lb_model_build(model, &options, lb_rng_next(&rng), &run->fresh[k], err));
    }
    return LB_OK;
}

/* What of the teacher the student ends in. */
static lb_code find_tail(lb_run *run, lb_error *err)
{
    const lb_student_options *const s = &run->recipe->student;
    const lb_graph *const teacher = run->member[0].file;
    const char *why = NULL;
    lb_tap last[LB_MAX_PAIRS];

    if (s->head != LB_HEAD_TEACHER)
        return LB_OK;
    if (run->n_members == 0)
        return lb_raise(err, LB_ERR_INPUT,
                        "the student ends in the teacher's classifier, and '%s' has not "
                        "been trained yet; run it first",
                        run->recipe->teacher[0].recipe);
    if (lb_taps_pair(LB_AUTO_LAST, teacher, teacher, run->arena, last, &why) == 0)
        return lb_raise(err, LB_ERR_INPUT, "head: teacher: %s", why);
    run->tail = (lb_model_tail){teacher, last[0].teacher, s->reduction};
    return LB_OK;
}

lb_code lb_run_open_student(lb_run *run, lb_error *err)
{
    lb_student_options *const s = &run->recipe->student;
    const char *const profile = run->recipe->device.profile;

    lb_run_phase(run, "student");
    if (profile && !(run->device = lb_device_find(profile)))
        return lb_raise(err, LB_ERR_INPUT, "no device is called '%s'", profile);
    LB_TRY(find_tail(run, err));
    if (s->onnx)
        LB_TRY(lb_network_load(s->onnx, &run->student, &run->student_digest, err));
    else
        LB_TRY(build_student(run, err));
    if (!s->onnx)
        LB_TRY(build_fresh(run, err));
    if (s->init)
        LB_TRY(lb_onnx_load_weights(s->init, run->student, err));
    if (lb_input_match(run->student, &run->data->content.shape, &s->input, err) != LB_OK)
        return lb_within(err, "student");
    return LB_OK;
}

/* Adds to a refusal what would fit. */
static lb_code with_advice(const lb_run *run, lb_error *err)
{
    const lb_recipe *const r = run->recipe;
    const lb_model *const model =
        r->student.onnx ? NULL : lb_model_find(r->student.model);
    const lb_model_options options = model_options(run);
    char was[sizeof err->text];
    lb_error ignored = {0};
    double width;

    if (!model || find_width(run, model, &options, &width, &ignored) != LB_OK)
        return LB_ERR_BUDGET;
    memcpy(was, err->text, sizeof was);
    return lb_raise(err, LB_ERR_BUDGET,
                    "%s; the widest '%s' that fits has width %g (student.width: fit "
                    "finds it)",
                    was, model->name, width);
}

lb_code lb_run_weigh(lb_run *run, lb_error *err)
{
    const lb_recipe *const r = run->recipe;

    if (!run->device && !(r->exports & LB_EXPORT_C))
        return LB_OK;
    if (lower(run, run->student, run->arena, &run->low, err) != LB_OK)
        return lb_within(err, "the student cannot run on a device");
    if (!run->device)
        return LB_OK;
    lb_device_estimate(run->low, run->device, &run->estimate);
    const lb_code code =
        lb_device_check(run->low, run->device, &r->device, &run->estimate, err);
    return code == LB_ERR_BUDGET ? with_advice(run, err) : code;
}
