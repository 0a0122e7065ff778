/* stage.c: the stages of a training: which setup each has, and what of the student it
 * teaches. */
#include "train/train_int.h"

#include "graph/passes.h"

int lb_train_stages(const lb_train_setup *setup)
{
    return setup->stages ? setup->n_stages : 1;
}

int lb_train_batches(const lb_data *data, const lb_train_options *options)
{
    return data->n[LB_TRAIN] / options->batch;
}

int64_t lb_train_steps(const lb_data *data, const lb_train_options *options)
{
    return (int64_t)options->epochs * lb_train_batches(data, options);
}

lb_train_setup lb_train_stage(const lb_train_setup *setup, int number)
{
    lb_train_setup one = *setup;

    one.number = number;
    if (!setup->stages)
        return one;
    one.stage = &setup->stages[number];
    one.options = &one.stage->train;
    one.terms = one.stage->term;
    one.n_terms = one.stage->n_terms;
    if (setup->teachers)
        one.teacher = setup->teachers[number];
    if (one.stage->previous) { /* the loop makes it of the student */
        one.teacher = NULL;
        one.ensemble = NULL;
        one.voices = NULL;
    }
    if (one.stage->cut > 0 && setup->cutter && setup->cutter->sketch)
        one.student = setup->cutter->sketch;
    return one;
}

/* A parameter by its own name, or by that of a node that uses it. */
static bool freeze_pattern(lb_graph *g, const char *pattern)
{
    bool any = false;

    for (int i = 1; i < g->n_values; i++)
        if (g->values[i].kind == LB_VALUE_PARAM &&
            lb_name_fits(pattern, g->values[i].name)) {
            g->values[i].trained = false;
            any = true;
        }
    for (int i = 0; i < g->n_nodes; i++) {
        const lb_node *const node = &g->nodes[i];
        if (!lb_name_fits(pattern, node->name))
            continue;
        for (int k = 0; k < node->n_in; k++) {
            lb_value_info *const in = &g->values[node->in[k].id];
            any = any || in->kind == LB_VALUE_PARAM;
            if (in->kind == LB_VALUE_PARAM)
                in->trained = false;
        }
    }
    return any;
}

lb_code lb_stage_freeze(const lb_stage *stage, lb_graph *graph, lb_error *err)
{
    for (int i = 0; i < stage->freeze.n; i++)
        if (!freeze_pattern(graph, stage->freeze.pattern[i]))
            return lb_raise(
                err, LB_ERR_INPUT,
                "stage '%s' freezes '%.60s', but no layer with parameters and "
                "no parameter of the student is called so; `limbeck inspect` "
                "lists the layers",
                stage->name, stage->freeze.pattern[i]);
    return LB_OK;
}

/* The student up to that layer; its value numbers stay. */
static lb_code cut(const lb_graph *student, lb_value last, lb_graph **out, lb_error *err)
{
    lb_builder b;

    LB_TRY(lb_graph_clone(student, out, err));
    (*out)->n_outputs = 0;
    lb_builder_init(&b, *out);
    lb_output(&b, last);
    LB_TRY(lb_builder_finish(&b, err));
    return lb_remove_dead(*out, err);
}

static lb_code check_terms(const lb_stage *stage, const lb_graph *student,
                           const lb_graph *part, lb_error *err)
{
    for (int i = 0; i < stage->n_terms; i++) {
        const lb_term *const term = &stage->term[i];
        if (!(term->loss->needs & LB_NEEDS_HINTS))
            return lb_raise(err, LB_ERR_INPUT,
                            "stage '%s' runs the student until '%s', but loss '%s' looks "
                            "at its answers",
                            stage->name, stage->until, term->loss->name);
        for (int k = 0; k < term->taps.n; k++) {
            const lb_value at = term->taps.tap[k].student;
            if (lb_info(part, at)->kind == LB_VALUE_NONE)
                return lb_raise(err, LB_ERR_INPUT,
                                "stage '%s' runs the student until '%s', but loss '%s' "
                                "looks at '%s', which comes later",
                                stage->name, stage->until, term->loss->name,
                                lb_info(student, at)->name);
        }
    }
    return LB_OK;
}

lb_code lb_stage_check_until(const lb_stage *stage, const lb_graph *student,
                             lb_error *err)
{
    lb_graph *part = NULL;
    lb_value last;

    if (!stage->until)
        return LB_OK;
    last = lb_layer_find(student, stage->until);
    if (!last.id || lb_info(student, last)->kind != LB_VALUE_NODE)
        return lb_raise(err, LB_ERR_INPUT,
                        "stage '%s' runs the student until '%.60s', but it has no such "
                        "layer; `limbeck inspect` lists them",
                        stage->name, stage->until);
    lb_code code = cut(student, last, &part, err);
    if (code == LB_OK)
        code = check_terms(stage, student, part, err);
    lb_graph_free(part);
    return code;
}

static bool has_trained(const lb_graph *g)
{
    for (int i = 1; i < g->n_values; i++)
        if (g->values[i].kind == LB_VALUE_PARAM && g->values[i].trained)
            return true;
    return false;
}

lb_code lb_stage_check(const lb_stage *stage, const lb_graph *student, lb_error *err)
{
    lb_graph *copy = NULL;

    LB_TRY(lb_graph_clone(student, &copy, err));
    lb_code code = lb_stage_freeze(stage, copy, err);
    if (code == LB_OK && !has_trained(copy))
        code = lb_raise(err, LB_ERR_INPUT,
                        "stage '%s' has nothing to train: 'freeze' names them all",
                        stage->name);
    lb_graph_free(copy);
    if (code == LB_OK)
        code = lb_stage_check_until(stage, student, err);
    return code;
}
