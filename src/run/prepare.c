/* prepare.c: reads a recipe and opens what it names, and says to train/ what is to be
 * done. */
#include "run/run_int.h"

static lb_code read_recipe(lb_run *run, lb_error *err)
{
    const lb_run_options *const o = run->options;

    LB_TRY(lb_recipe_load(o->recipe, o->sets, o->n_sets, run->arena, &run->recipe, err));
    run->recipe_text = lb_recipe_text(run->recipe, run->arena);
    run->started = lb_run_time_text(run->arena);
    if (!run->recipe_text || !run->started)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the recipe");
    LB_TRY(lb_pool_new(o->threads, &run->pool, err));
    return lb_run_place(run, err);
}

lb_code lb_run_open_search(lb_run *run, lb_model_options *out, lb_error *err)
{
    LB_TRY(read_recipe(run, err));
    const lb_student_options *const student = &run->recipe->student;
    if (!student->model)
        return lb_raise(err, LB_ERR_INPUT,
                        "%s: the student is the file '%s', which has its size; only "
                        "built-in models are searched, as in student: {model: ds-cnn}",
                        run->recipe->path, student->onnx ? student->onnx : "");
    LB_TRY(lb_run_open_data(run, err));
    if (student->head == LB_HEAD_TEACHER)
        LB_TRY(lb_run_open_teacher(run, err));
    return lb_run_model_options(run, out, err);
}

lb_train_setup lb_run_train_setup(const lb_run *run)
{
    const lb_recipe *const r = run->recipe;

    return (lb_train_setup){.options = &r->train,
                            .terms = r->term,
                            .n_terms = r->n_terms,
                            .student = run->student,
                            .input = r->student.input,
                            .ensemble = r->ensemble.n > 1 ? &r->ensemble : NULL,
                            .teacher = run->teacher[0],
                            .stages = r->n_stages > 0 ? r->stage : NULL,
                            .n_stages = r->n_stages,
                            .fresh = (const lb_graph *const *)run->fresh,
                            .teachers = run->teacher,
                            .voices = run->n_members > 0 ? run->voice : NULL,
                            .cutter = run->pruning ? &run->pruning->cutter : NULL,
                            .views = r->has_teacher ? r->teacher[0].views : 0,
                            .data = run->data,
                            .seed = r->seed,
                            .pool = run->pool,
                            .kernels = run->options->kernels,
                            .conv_direct = run->options->conv_direct,
                            .folder = run->folder,
                            .key = run->key,
                            .resume = run->options->resume,
                            .pause = run->options->pause,
                            .watch = run->options->watch,
                            .log = run->options->log};
}

lb_code lb_run_prepare(lb_run *run, lb_error *err)
{
    LB_TRY(read_recipe(run, err));
    lb_run_phase(run, "data");
    LB_TRY(lb_run_open_data(run, err));
    LB_TRY(lb_run_check_weights(run, err));
    LB_TRY(lb_run_open_teacher(run, err));
    LB_TRY(lb_run_open_student(run, err));
    LB_TRY(lb_run_find_taps(run, err));
    return lb_run_open_pruning(run, err);
}
