/* cutter.c: prunes the student between stages: what compress/ knows of units, in the form
 * in which train/ asks for it; and what the run tells of it. */
#include "run/run_int.h"

#include <math.h>

static lb_code open_units(void *arg, const lb_graph *student, int *n_units, lb_error *err)
{
    lb_run_pruning *const p = arg;

    LB_TRY(lb_prune_ties(student, p->run->arena, &p->map, err));
    p->score = LB_TAKE_ARRAY(p->run->arena, p->map.n_units + 1, double);
    if (!p->score)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the scores of channels");
    *n_units = p->map.n_units;
    return LB_OK;
}

static lb_code look(void *arg, const lb_graph *student, const lb_tensor *const *grad,
                    lb_error *err)
{
    lb_run_pruning *const p = arg;

    return lb_prune_add_taylor(student, &p->map, grad, p->score, err);
}

/* Units by the scores, until so much of the network that the run began with has gone. */
static lb_code choose_by(lb_run_pruning *p, const lb_graph *student, double amount,
                         bool relative, bool *gone, lb_error *err)
{
    const lb_prune_options *const o = &p->run->recipe->prune;
    const double all = o->of == LB_PRUNE_OF_MACS ? p->macs : (double)p->parameters;
    const lb_prune_goal goal = {.of = (lb_prune_of)o->of,
                                .left = all * (1 - amount),
                                .keep = o->keep,
                                .device = p->run->device,
                                .relative = relative};

    if (lb_prune_choose(student, &p->map, p->score, &goal, gone, err) != LB_OK)
        return lb_within(err, "compress.prune");
    return LB_OK;
}

static lb_code choose(void *arg, const lb_graph *student, const bool *frozen, int cut,
                      bool *gone, lb_error *err)
{
    lb_run_pruning *const p = arg;
    const lb_prune_options *const o = &p->run->recipe->prune;
    const bool taylor = o->method == LB_PRUNE_TAYLOR;

    if (!taylor)
        LB_TRY(
            lb_prune_score(student, &p->map, (lb_prune_method)o->method, p->score, err));
    lb_prune_hold(student, &p->map, frozen, p->score);
    return choose_by(p, student, lb_prune_amount(o, cut), !taylor, gone, err);
}

static lb_code cut(void *arg, lb_graph *student, const bool *gone, lb_error *err)
{
    lb_run_pruning *const p = arg;

    LB_TRY(lb_prune_apply(student, &p->map, gone, err));
    lb_log_tell(&p->run->options->log, LB_LOG_INFO,
                "pruned: %.4g of %.4g million multiply-adds are left, %zu of %zu "
                "parameters",
                1e-6 * lb_graph_macs(student), 1e-6 * p->macs,
                lb_graph_parameters(student), p->parameters);
    return LB_OK;
}

/* Parameters of the student that the cuts' stages do not train. */
static lb_code find_frozen(const lb_run *run, bool *frozen, lb_error *err)
{
    const lb_recipe *const r = run->recipe;
    lb_graph *copy = NULL;

    LB_TRY(lb_graph_clone(run->student, &copy, err));
    const lb_code code = lb_stage_freeze(&r->stage[r->n_taught], copy, err);
    for (int i = 1; i < copy->n_values; i++)
        frozen[i] = copy->values[i].kind == LB_VALUE_PARAM && !copy->values[i].trained;
    lb_graph_free(copy);
    return code;
}

static int left_of(const lb_prune_layer *layer, const bool *gone)
{
    int n = 0;

    for (int i = 0; i < layer->n; i++)
        n += layer->unit[i] < 0 || !gone[layer->unit[i]];
    return n;
}

static bool empties_a_layer(const lb_prune_map *map, const bool *gone)
{
    for (int i = 0; i < map->n_layers; i++)
        if (left_of(&map->layer[i], gone) == 0)
            return true;
    return false;
}

/* A layer that might lose channels does lose one, so that what its losses say to that is
 * known. */
static void touch_all(const lb_run_pruning *p, bool *gone)
{
    for (int k = 0; k < p->map.n_layers; k++) {
        const lb_prune_layer *const layer = &p->map.layer[k];
        for (int i = 0; i < layer->n && left_of(layer, gone) == layer->n; i++) {
            const int u = layer->unit[i];
            if (u < 0 || !isfinite(p->score[u]))
                continue;
            gone[u] = true;
            gone[u] = !empties_a_layer(&p->map, gone);
        }
    }
}

/* What is about left in the end, by the sizes of the weights as they begin: whether so
 * much can go at all, and what the losses and the device make of such a student. */
static lb_code make_sketch(lb_run_pruning *p, lb_error *err)
{
    const lb_run *const run = p->run;
    bool *const frozen = LB_TAKE_ARRAY(run->arena, run->student->n_values, bool);
    int n_units = 0;

    LB_TRY(open_units(p, run->student, &n_units, err));
    bool *const gone = LB_TAKE_ARRAY(run->arena, n_units + 1, bool);
    if (!frozen || !gone)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to choose channels");
    if (run->recipe->prune.method == LB_PRUNE_BN) /* is there a norm? */
        LB_TRY(lb_prune_score(run->student, &p->map, LB_PRUNE_BN, p->score, err));
    LB_TRY(lb_prune_score(run->student, &p->map, LB_PRUNE_L1, p->score, err));
    LB_TRY(find_frozen(run, frozen, err));
    lb_prune_hold(run->student, &p->map, frozen, p->score);
    LB_TRY(choose_by(p, run->student, run->recipe->prune.amount, true, gone, err));
    touch_all(p, gone);
    return lb_prune_cut(run->student, &p->map, gone, &p->cutter.sketch, err);
}

static lb_code list_layers(lb_run_pruning *p, lb_error *err)
{
    p->n_layers = p->map.n_layers;
    p->layer = LB_TAKE_ARRAY(p->run->arena, p->n_layers + 1, lb_prune_layer);
    if (!p->layer)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the layers that are pruned");
    for (int i = 0; i < p->n_layers; i++)
        p->layer[i] = p->map.layer[i];
    return LB_OK;
}

lb_code lb_run_open_pruning(lb_run *run, lb_error *err)
{
    const lb_prune_options *const o = &run->recipe->prune;
    lb_run_pruning *const p = LB_TAKE(run->arena, lb_run_pruning);

    if (!(o->amount > 0))
        return LB_OK;
    if (!p)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for pruning");
    run->pruning = p;
    p->run = run;
    p->parameters = lb_graph_parameters(run->student);
    p->macs = lb_graph_macs(run->student);
    p->cutter = (lb_cutter){.arg = p,
                            .batches = o->method == LB_PRUNE_TAYLOR ? o->batches : 0,
                            .open = open_units,
                            .look = look,
                            .choose = choose,
                            .cut = cut};
    LB_TRY(make_sketch(p, err));
    return list_layers(p, err);
}

/* Losses look at smaller layers now. */
static lb_code mend_stages(const lb_run *run, lb_error *err)
{
    for (int k = run->recipe->n_taught; k < run->recipe->n_stages; k++)
        for (int i = 0; i < run->recipe->stage[k].n_terms; i++)
            LB_TRY(lb_taps_fit(&run->recipe->stage[k].term[i], run->student, run->arena,
                               err));
    return LB_OK;
}

lb_code lb_run_end_pruning(lb_run *run, lb_error *err)
{
    lb_run_pruning *const p = run->pruning;

    if (!p)
        return LB_OK;
    lb_graph_free(p->cutter.sketch);
    p->cutter.sketch = NULL;
    LB_TRY(mend_stages(run, err));
    if (!run->low)
        return LB_OK;
    LB_TRY(lb_run_lower(run, run->student, run->arena, &run->low, err));
    if (run->device)
        lb_device_estimate(run->low, run->device, &run->estimate);
    return LB_OK;
}

void lb_run_close_pruning(lb_run *run)
{
    if (run->pruning)
        lb_graph_free(run->pruning->cutter.sketch);
}

/* Validation accuracy that a stage ended with: of its best epoch, or of its last one. */
static double ended_with(const lb_run *run, int stage)
{
    double accuracy = NAN;

    for (int i = 0; i < run->trained.epochs_done; i++) {
        const lb_epoch_report *const e = &run->trained.epoch[i];
        if (e->stage == stage && (e->best || !e->judged))
            accuracy = e->validation_accuracy;
    }
    return accuracy;
}

void lb_run_add_pruning(lb_json *j, const lb_run *run)
{
    const lb_run_pruning *const p = run->pruning;
    const lb_prune_options *const o = &run->recipe->prune;

    if (!p) {
        lb_json_null(j, "pruned");
        return;
    }
    lb_json_open(j, "pruned", '{');
    lb_json_text(j, "method", lb_key_text(&lb_prune_keys[0], o, run->arena));
    lb_json_text(j, "of", o->of == LB_PRUNE_OF_MACS ? "macs" : "parameters");
    lb_json_number(j, "amount", o->amount);
    lb_json_int(j, "steps", o->steps);
    lb_json_int(j, "parameters_before", (int64_t)p->parameters);
    lb_json_int(j, "parameters_after", (int64_t)lb_graph_parameters(run->student));
    lb_json_number(j, "macs_before", p->macs);
    lb_json_number(j, "macs_after", lb_graph_macs(run->student));
    lb_json_number(j, "validation_before", ended_with(run, run->recipe->n_taught - 1));
    lb_json_number(j, "validation_after", ended_with(run, run->recipe->n_stages - 1));
    lb_json_open(j, "layers", '[');
    for (int i = 0; i < p->n_layers; i++) {
        const lb_prune_layer *const l = &p->layer[i];
        lb_json_open(j, NULL, '{');
        lb_json_text(j, "name", l->name);
        lb_json_int(j, "channels_before", l->n);
        lb_json_int(j, "channels_after",
                    lb_info(run->student, l->out)->type.shape.dim[l->axis]);
        lb_json_close(j, '}');
    }
    lb_json_close(j, ']');
    lb_json_close(j, '}');
}

void lb_run_tell_pruning(lb_text *text, const lb_run *run)
{
    const lb_run_pruning *const p = run->pruning;
    const int last = run->recipe->n_stages - 1;

    if (!p)
        return;
    lb_text_add(text,
                "pruned    %.3g to %.3g million multiply-adds, %zu to %zu parameters",
                1e-6 * p->macs, 1e-6 * lb_graph_macs(run->student), p->parameters,
                lb_graph_parameters(run->student));
    const double before = ended_with(run, run->recipe->n_taught - 1);
    if (!isnan(before))
        lb_text_add(text, "; %.2f %% of the validation samples before, %.2f %% after",
                    100 * before, 100 * ended_with(run, last));
    lb_text_add_char(text, '\n');
}

void lb_run_plan_pruning(lb_text *text, const lb_run *run)
{
    const lb_run_pruning *const p = run->pruning;
    const lb_prune_options *const o = &run->recipe->prune;

    if (!p)
        return;
    lb_text_add(text, "pruning   %g %% of the %s go, by %s", 100 * o->amount,
                o->of == LB_PRUNE_OF_MACS ? "multiply-adds" : "parameters",
                lb_key_text(&lb_prune_keys[0], o, run->arena));
    if (o->method == LB_PRUNE_TAYLOR)
        lb_text_add(text, " over %d batches", o->batches);
    lb_text_add(text, " for the %s, %s",
                run->device                 ? "cycles that they cost"
                : o->of == LB_PRUNE_OF_MACS ? "multiply-adds"
                                            : "parameters",
                o->steps == 1 ? "at once" : "step by step");
    lb_text_add(
        text, "\n          then about %zu parameters, %.3g million multiply-adds\n",
        lb_graph_parameters(p->cutter.sketch), 1e-6 * lb_graph_macs(p->cutter.sketch));
}
