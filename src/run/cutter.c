/* cutter.c: prunes the student between stages: what compress/ knows of channels and
 * blocks, in the form in which train/ asks for it. */
#include "run/run_int.h"

#include <math.h>
#include <string.h>

/* Layers of the student that the losses look at, whichever stage they are of: they are
 * compared when the run has ended, too. */
static lb_code find_held(const lb_recipe *r, int n_values, lb_arena *arena, bool **out,
                         lb_error *err)
{
    bool *const held = LB_TAKE_ARRAY(arena, n_values, bool);

    if (!held)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the layers of the losses");
    for (int k = 0; k < r->n_stages; k++)
        for (int i = 0; i < r->stage[k].n_terms; i++) {
            const lb_taps *const taps = &r->stage[k].term[i].taps;
            for (int t = 0; t < taps->n; t++)
                if (taps->tap[t].student.id < n_values)
                    held[taps->tap[t].student.id] = true;
        }
    *out = held;
    return LB_OK;
}

static lb_code open_map(lb_run_pruning *p, const lb_graph *student, lb_error *err)
{
    bool *held = NULL;

    LB_TRY(lb_prune_ties(student, p->arena, &p->map, err));
    if (p->run->recipe->prune.what == LB_PRUNE_CHANNELS)
        return LB_OK;
    LB_TRY(find_held(p->run->recipe, student->n_values, p->arena, &held, err));
    return lb_prune_blocks(student, held, p->arena, &p->map, err);
}

static lb_code open_parts(void *arg, const lb_graph *student, int *n_parts, lb_error *err)
{
    lb_run_pruning *const p = arg;

    LB_TRY(open_map(p, student, err));
    p->score = LB_TAKE_ARRAY(p->arena, p->map.n_parts + 1, double);
    if (!p->score)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the scores of channels");
    *n_parts = p->map.n_parts;
    return LB_OK;
}

static lb_code look(void *arg, const lb_graph *student, const lb_tensor *const *grad,
                    lb_error *err)
{
    lb_run_pruning *const p = arg;

    return lb_prune_add_taylor(student, &p->map, grad, p->score, err);
}

static int count_trials(void *arg)
{
    const lb_run_pruning *const p = arg;

    return p->map.n_blocks;
}

static lb_code mute(void *arg, const lb_graph *student, int trial, bool on, lb_error *err)
{
    lb_run_pruning *const p = arg;
    const lb_prune_block *const block = &p->map.block[trial];

    if (on)
        return lb_prune_mute(student, block, &p->muted, err);
    lb_prune_unmute(student, block, p->muted);
    return LB_OK;
}

static void tried(void *arg, int trial, double change)
{
    const lb_run_pruning *const p = arg;

    lb_prune_add_trial(&p->map, trial, change, p->score);
}

/* Parts by the scores, until so much of the network that the run began with has gone. */
static lb_code choose_by(lb_run_pruning *p, const lb_graph *student, double amount,
                         bool relative, bool *gone, lb_error *err)
{
    const lb_prune_options *const o = &p->run->recipe->prune;
    const double all = o->of == LB_PRUNE_OF_MACS ? p->macs : (double)p->parameters;
    const lb_prune_goal goal = {.of = (lb_prune_of)o->of,
                                .left = all * (1 - amount),
                                .keep = o->keep,
                                .device = p->run->device,
                                .relative = relative,
                                .blocks_only = o->what == LB_PRUNE_BLOCKS};

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

/* What the last cut has left, on the device, before it is fine-tuned. Calibrated roughly,
 * if it becomes int8: the geometry is the final one. */
static lb_code check_device(const lb_run *run, lb_error *err)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_estimate estimate;
    lb_low *low = NULL;

    if (!arena)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to weigh the pruned student");
    lb_code code = lb_run_lower(run, run->student, arena, &low, err);
    if (code == LB_OK) {
        lb_device_estimate(low, run->device, &estimate);
        code = lb_device_check(low, run->device, &run->recipe->device, &estimate, err);
    }
    lb_arena_free(arena);
    if (code != LB_ERR_BUDGET)
        return code;
    char was[sizeof err->text];
    memcpy(was, err->text, sizeof was);
    return lb_raise(err, LB_ERR_BUDGET,
                    "the student has been trained, but what is left of it does not fit: "
                    "%s; let more go with compress.prune.amount",
                    was);
}

static bool has_come_down(const lb_run_pruning *p)
{
    const lb_prune_options *const o = &p->run->recipe->prune;
    const bool macs = o->of == LB_PRUNE_OF_MACS;
    const double left = macs ? lb_graph_macs(p->run->student)
                             : (double)lb_graph_parameters(p->run->student);

    return left <= (1 - o->amount) * (macs ? p->macs : (double)p->parameters);
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
    if (student != p->run->student || !p->run->device || !has_come_down(p))
        return LB_OK;
    return check_device(p->run, err);
}

/* Parameters of the student that the cuts' stages do not train. */
static lb_code find_frozen(const lb_run *run, const lb_graph *student, bool *frozen,
                           lb_error *err)
{
    const lb_recipe *const r = run->recipe;
    lb_graph *copy = NULL;

    LB_TRY(lb_graph_clone(student, &copy, err));
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

/* Weights as they begin say nothing of blocks. All alike, the first ones go: those that
 * hold the fewest parameters for what they compute, so that flash is not underrated. */
static void level_blocks(lb_run_pruning *p)
{
    for (int k = 0; k < p->map.n_blocks; k++) {
        double *const score = &p->score[p->map.n_units + k];
        double steps = 0;
        for (int i = 1; i <= p->map.block[k].n_channels; i++)
            steps += 1.0 / i;
        *score = p->run->recipe->prune.what == LB_PRUNE_BLOCKS ? 1 : steps;
    }
}

/* What is about left in the end, by the sizes of the weights as they begin. touched:
 * every layer that can loses something. */
static lb_code make_sketch(lb_run_pruning *p, const lb_graph *student, bool touched,
                           lb_graph **out, lb_error *err)
{
    const lb_run *const run = p->run;
    const lb_prune_options *const o = &run->recipe->prune;
    bool *const frozen = LB_TAKE_ARRAY(p->arena, student->n_values, bool);
    int n_parts = 0;

    LB_TRY(open_parts(p, student, &n_parts, err));
    bool *const gone = LB_TAKE_ARRAY(p->arena, n_parts + 1, bool);
    if (!frozen || !gone)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to choose channels");
    if (o->what == LB_PRUNE_BLOCKS && p->map.n_blocks == 0)
        return lb_raise(err, LB_ERR_INPUT,
                        "compress.prune: what: blocks: the student has no residual block "
                        "that could go");
    if (o->method == LB_PRUNE_BN) /* is there a norm? */
        LB_TRY(lb_prune_score(student, &p->map, LB_PRUNE_BN, p->score, err));
    LB_TRY(lb_prune_score(student, &p->map, LB_PRUNE_L1, p->score, err));
    level_blocks(p);
    LB_TRY(find_frozen(run, student, frozen, err));
    lb_prune_hold(student, &p->map, frozen, p->score);
    LB_TRY(choose_by(p, student, o->amount, true, gone, err));
    if (touched && o->what != LB_PRUNE_BLOCKS)
        touch_all(p, gone);
    return lb_prune_cut(student, &p->map, gone, out, err);
}

lb_code lb_run_sketch(const lb_run *run, const lb_graph *student, lb_graph **out,
                      lb_error *err)
{
    lb_run_pruning p = {.run = run,
                        .arena = lb_arena_new(0),
                        .parameters = lb_graph_parameters(student),
                        .macs = lb_graph_macs(student)};

    if (!p.arena)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to choose channels");
    const lb_code code = make_sketch(&p, student, false, out, err);
    lb_arena_free(p.arena);
    return code;
}

static lb_code list_layers(lb_run_pruning *p, lb_error *err)
{
    p->n_layers = p->map.n_layers;
    p->layer = LB_TAKE_ARRAY(p->run->arena, p->n_layers + 1, lb_prune_layer);
    if (!p->layer)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the layers that are pruned");
    for (int i = 0; i < p->n_layers; i++)
        p->layer[i] = p->map.layer[i];
    p->n_blocks = p->map.n_blocks;
    p->block = p->map.block;
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
    p->arena = run->arena;
    p->parameters = lb_graph_parameters(run->student);
    p->macs = lb_graph_macs(run->student);
    p->cutter = (lb_cutter){.arg = p,
                            .batches = o->method == LB_PRUNE_TAYLOR ? o->batches : 0,
                            .open = open_parts,
                            .look = look,
                            .trials = count_trials,
                            .mute = mute,
                            .tried = tried,
                            .choose = choose,
                            .cut = cut};
    LB_TRY(make_sketch(p, run->student, true, &p->cutter.sketch, err));
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
