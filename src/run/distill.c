/* distill.c: conducts one run: read, open, shape, weigh, teach, bottle, tell. */
#include "run/run_int.h"

#include "base/clock.h"
#include "base/file.h"
#include "run/go_on.h"

#include <math.h>
#include <string.h>

enum { MAX_DEPTH = 4 };

/* A teacher that is trained first has no layers yet. */
static bool knows_layers(const lb_run *run)
{
    return !lb_run_looks_inside(run) || run->n_members > 0;
}

/* Everything that can be known before the first step. */
static lb_code prepare(lb_run *run, lb_error *err)
{
    LB_TRY(lb_run_prepare(run, err));
    LB_TRY(lb_run_check_press(run, err));
    LB_TRY(lb_run_weigh(run, err));
    if (knows_layers(run)) {
        const lb_train_setup setup = lb_run_train_setup(run);
        LB_TRY(lb_train_check(&setup, run->arena, err));
    }
    return lb_run_key(run, err);
}

static lb_code dry_run(lb_run *run, lb_run_result *out, lb_error *err)
{
    const lb_train_setup setup = lb_run_train_setup(run);
    double step_seconds[LB_MAX_STAGES];

    lb_run_phase(run, "trying a step");
    for (int k = 0; k < lb_run_stages(run); k++) {
        const lb_train_setup one = lb_train_stage(&setup, k);
        step_seconds[k] = NAN;
        if (knows_layers(run))
            LB_TRY(lb_train_try(&one, run->arena, &step_seconds[k], err));
    }
    out->plan = lb_run_plan_text(run, step_seconds);
    out->json = lb_run_result_json(run);
    if (!out->plan || !out->json)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the plan");
    return LB_OK;
}

static lb_code teach(lb_run *run, lb_error *err)
{
    const double begin = lb_clock_wall();

    const lb_train_setup setup = lb_run_train_setup(run);
    lb_run_phase(run, "training");
    const lb_code code = lb_train_run(&setup, run->arena, &run->trained, err);
    run->train_wall = lb_clock_wall() - begin;
    return code;
}

/* The last epoch's weights on the test split; the best epoch's are put back. */
static lb_code measure_last(lb_run *run, lb_error *err)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_metrics last;

    if (!arena)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for testing the last epoch");
    run->last_accuracy = run->student_test.accuracy;
    lb_code code = LB_OK;
    if (run->trained.last) {
        lb_train_swap(run->student, run->trained.last);
        code = lb_evaluate(run->student, &run->recipe->student.input, run->data, LB_TEST,
                           run->pool, run->options->kernels, NULL, arena, &last, err);
        lb_train_swap(run->student, run->trained.last);
        if (code == LB_OK)
            run->last_accuracy = last.accuracy;
    }
    lb_arena_free(arena);
    return code;
}

/* Each teacher on the test split, and what they say together. */
static lb_code measure_teacher(lb_run *run, lb_error *err)
{
    const lb_recipe *const r = run->recipe;
    lb_metrics test[LB_MAX_TEACHERS];

    for (int k = 0; k < run->n_members; k++) {
        LB_TRY(lb_evaluate(run->member[k].graph, &r->teacher[k].input, run->data, LB_TEST,
                           run->pool, run->options->kernels, NULL, run->arena, &test[k],
                           err));
        run->member[k].test = test[k];
    }
    return lb_evaluate_ensemble(&r->ensemble, test, run->data, LB_TEST, run->arena,
                                &run->teacher_test, err);
}

static lb_code measure(lb_run *run, lb_error *err)
{
    const lb_recipe *const r = run->recipe;
    const int32_t *teacher = NULL;

    lb_run_phase(run, "evaluating");
    if (run->n_members > 0) {
        LB_TRY(measure_teacher(run, err));
        teacher = run->teacher_test.answer;
    }
    LB_TRY(lb_evaluate(run->student, &r->student.input, run->data, LB_TEST, run->pool,
                       run->options->kernels, teacher, run->arena, &run->student_test,
                       err));
    run->kl =
        teacher ? lb_divergence(&run->teacher_test, &run->student_test) : (double)NAN;
    return measure_last(run, err);
}

/* The line that goes on with a run that was stopped. */
static lb_code say_how_to_resume(const lb_run *run, lb_error *err)
{
    const lb_run_options *const o = run->options;
    lb_text line;
    char was[sizeof err->text];

    lb_text_init(&line, run->arena);
    memcpy(was, err->text, sizeof was);
    if (o->go_on)
        return lb_raise(err, LB_ERR_STOPPED, "%s; to go on: %s", was, o->go_on);
    lb_text_add(&line, "limbeck distill %s", o->recipe);
    lb_go_on_add(&line, "set", o->sets, o->n_sets);
    if (o->out)
        lb_go_on_add(&line, "out", &o->out, 1);
    lb_go_on_add_common(&line, o);
    lb_text_add(&line, " --resume");
    if (line.failed)
        return LB_ERR_STOPPED;
    return lb_raise(err, LB_ERR_STOPPED, "%s; to go on: %s", was, line.chars);
}

/* Of a run that has not ended. */
static lb_code report_figures(const lb_run *run, lb_run_result *out, lb_error *err)
{
    out->json = lb_run_result_json(run);
    if (!out->json)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the result");
    return LB_OK;
}

static lb_code conduct(lb_run *run, lb_run_result *out, lb_error *err)
{
    LB_TRY(prepare(run, err));
    out->folder = run->folder;
    out->name = run->recipe->name;
    if (run->options->dry_run)
        return dry_run(run, out, err);
    const bool whole = !run->options->pause && !run->options->prepare_only;
    LB_TRY(lb_run_enter(run, err));
    if (whole && run->options->resume && (out->json = lb_run_finished(run)) != NULL) {
        out->summary = lb_arena_text(run->arena, "'%s' had ended; nothing was left to do",
                                     run->folder);
        return LB_OK;
    }
    LB_TRY(lb_run_audit(run, err));
    LB_TRY(lb_run_find_weights(run, err));
    LB_TRY(lb_run_open_cache(run, err));
    if (run->options->prepare_only)
        return report_figures(run, out, err);
    LB_TRY(teach(run, err));
    if (run->trained.paused)
        return report_figures(run, out, err);
    LB_TRY(lb_run_end_pruning(run, err));
    LB_TRY(measure(run, err));
    lb_run_look_inside(run);
    lb_run_glance(run);
    LB_TRY(lb_run_press(run, err));
    LB_TRY(lb_run_bottle(run, err));
    return lb_run_tell(run, out, err);
}

static lb_code run_within(const lb_run_options *options, int depth, lb_arena *arena,
                          lb_run_result *out, lb_error *err)
{
    lb_run run = {.options = options,
                  .depth = depth,
                  .arena = arena,
                  .began = lb_clock_wall(),
                  .proof_note = NULL,
                  .within = run_within};

    *out = (lb_run_result){0};
    if (depth > MAX_DEPTH)
        return lb_raise(err, LB_ERR_INPUT,
                        "'%s': recipes of teachers are nested too deep; does one name "
                        "itself as its teacher?",
                        options->recipe);
    lb_code code = conduct(&run, out, err);
    if (code == LB_ERR_STOPPED && depth == 0)
        code = say_how_to_resume(&run, err);
    if (code != LB_OK && run.folder && !options->dry_run)
        lb_run_tell_end(&run, code);
    lb_run_close(&run);
    return code;
}

lb_code lb_run_distill(const lb_run_options *options, lb_arena *arena, lb_run_result *out,
                       lb_error *err)
{
    return run_within(options, 0, arena, out, err);
}
