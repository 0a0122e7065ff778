/* teacher_weights.c: the weights of several teachers by what they know of the validation
 * split. The split is the run's own, so a run that goes on finds the same ones. */
#include "run/run_int.h"

#include "base/file.h"

#include <math.h>
#include <string.h>

static bool are_wanted(const lb_run *run)
{
    const lb_ensemble *const e = &run->recipe->ensemble;

    return run->recipe->has_teacher && e->n > 1 && e->weighing == LB_WEIGHTS_VALIDATION;
}

lb_code lb_run_check_weights(const lb_run *run, lb_error *err)
{
    const lb_data *const d = run->data;

    if (!are_wanted(run))
        return LB_OK;
    for (int i = 0; i < d->n[LB_VALIDATION]; i++)
        if (lb_data_label(d, LB_VALIDATION, i) >= 0)
            return LB_OK;
    return lb_raise(err, LB_ERR_INPUT,
                    "weights: validation needs samples with labels in the validation "
                    "split, and there are none; set data.validation, or give each "
                    "teacher a weight");
}

/* What each teacher says of the split, and its labels. */
static lb_code ask_all(const lb_run *run, lb_arena *arena, const float **logits,
                       int32_t **labels, lb_error *err)
{
    const lb_recipe *const r = run->recipe;
    const int n = run->data->n[LB_VALIDATION];
    lb_metrics m;

    *labels = LB_TAKE_ARRAY(arena, n, int32_t);
    if (!*labels)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the weights of teachers");
    for (int i = 0; i < n; i++)
        (*labels)[i] = lb_data_label(run->data, LB_VALIDATION, i);
    for (int k = 0; k < run->n_members; k++) {
        if (lb_evaluate(run->member[k].graph, &r->teacher[k].input, run->data,
                        LB_VALIDATION, run->pool, run->options->kernels, NULL, arena, &m,
                        err) != LB_OK)
            return lb_within(err, "%s", run->member[k].called);
        logits[k] = m.logits;
    }
    return LB_OK;
}

static void tell(const lb_run *run, const lb_ensemble_fitted *fitted)
{
    const lb_ensemble *const e = &run->recipe->ensemble;
    const lb_log *const log = &run->options->log;
    lb_text t;

    lb_text_init(&t, run->arena);
    for (int k = 0; k < e->n; k++)
        lb_text_add(&t, "%s%s %.4g", k ? ", " : "", run->member[k].called, e->weight[k]);
    if (t.failed)
        return;
    lb_log_tell(log, LB_LOG_INFO,
                "weights by %d samples of the validation split: %s; together they lose "
                "%.4g a sample there, with even weights %.4g",
                fitted->n, t.chars, -fitted->best, -fitted->even);
    for (int k = 0; k < e->n; k++)
        if (e->weight[k] < 2 * LB_LEAST_WEIGHT)
            lb_log_tell(log, LB_LOG_WARN,
                        "%s adds nothing to the others on the validation split: it keeps "
                        "a weight of %.4g; without it the run would be cheaper",
                        run->member[k].called, e->weight[k]);
}

static lb_code find(lb_run *run, lb_arena *arena, lb_error *err)
{
    const float *logits[LB_MAX_TEACHERS];
    lb_ensemble_fitted fitted;
    int32_t *labels;

    LB_TRY(ask_all(run, arena, logits, &labels, err));
    const lb_ensemble_samples samples = {.logits = logits,
                                         .labels = labels,
                                         .n = run->data->n[LB_VALIDATION],
                                         .classes = run->data->content.n_classes};
    LB_TRY(lb_ensemble_fit(&run->recipe->ensemble, &samples, arena, &fitted, err));
    tell(run, &fitted);
    return LB_OK;
}

/* The recipe in the folder says what was found; loading it finds it anew. */
static lb_code write_recipe(lb_run *run, lb_error *err)
{
    const char *const path = lb_run_path(run, "recipe.yaml");

    run->recipe_text = lb_recipe_text(run->recipe, run->arena);
    if (!path || !run->recipe_text)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the recipe");
    return lb_write_file(path, run->recipe_text, strlen(run->recipe_text), err);
}

lb_code lb_run_find_weights(lb_run *run, lb_error *err)
{
    if (!are_wanted(run) || run->n_members == 0)
        return LB_OK;
    lb_run_phase(run, "the teachers' weights");
    lb_arena *const arena = lb_arena_new(0);
    if (!arena)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the weights of teachers");
    const lb_code code = find(run, arena, err);
    lb_arena_free(arena);
    return code == LB_OK ? write_recipe(run, err) : code;
}
