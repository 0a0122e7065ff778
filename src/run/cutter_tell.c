/* cutter_tell.c: what a run tells of its pruning: plan, summary, result, record. */
#include "run/run_int.h"

#include <math.h>

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

/* A block is gone when nothing of its branch is there any more. */
static bool is_gone(const lb_run *run, const lb_prune_block *block)
{
    for (int i = 0; i < block->n_params; i++)
        if (lb_info(run->student, block->param[i])->kind != LB_VALUE_NONE)
            return false;
    return true;
}

static void add_blocks(lb_json *j, const lb_run *run)
{
    lb_json_open(j, "blocks", '[');
    for (int i = 0; i < run->pruning->n_blocks; i++) {
        const lb_prune_block *const block = &run->pruning->block[i];
        lb_json_open(j, NULL, '{');
        lb_json_text(j, "name", block->name);
        lb_json_bool(j, "gone", is_gone(run, block));
        lb_json_close(j, '}');
    }
    lb_json_close(j, ']');
}

static int blocks_gone(const lb_run *run)
{
    int n = 0;

    for (int i = 0; i < run->pruning->n_blocks; i++)
        n += is_gone(run, &run->pruning->block[i]);
    return n;
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
        const lb_value_info *const now = lb_info(run->student, l->out);
        const bool gone = now->kind != LB_VALUE_NODE; /* with its block */
        lb_json_open(j, NULL, '{');
        lb_json_text(j, "name", l->name);
        lb_json_int(j, "channels_before", l->n);
        lb_json_int(j, "channels_after", gone ? 0 : now->type.shape.dim[l->axis]);
        lb_json_close(j, '}');
    }
    lb_json_close(j, ']');
    add_blocks(j, run);
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
    if (p->n_blocks > 0)
        lb_text_add(text, ", %d of %d blocks gone", blocks_gone(run), p->n_blocks);
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
    lb_text_add(text, "pruning   %g %% of the %s go%s, by %s", 100 * o->amount,
                o->of == LB_PRUNE_OF_MACS ? "multiply-adds" : "parameters",
                o->what == LB_PRUNE_BLOCKS ? " with whole blocks"
                : o->what == LB_PRUNE_BOTH ? " with channels and whole blocks"
                                           : "",
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
