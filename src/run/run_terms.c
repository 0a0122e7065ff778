/* run_terms.c: what each loss was worth: its value, its weight, its share of the
 * gradient. With stages, the losses of all of them stand one after the other. */
#include "run/run_int.h"

#include <math.h>
#include <stdio.h>

/* The first or the last epoch done of a stage; NULL if there is none. */
static const lb_epoch_report *epoch_of(const lb_run *run, int stage, bool last)
{
    const lb_train_result *const t = &run->trained;
    const lb_epoch_report *found = NULL;

    for (int i = 0; i < t->epochs_done; i++)
        if (t->epoch[i].stage == stage && (last || !found))
            found = &t->epoch[i];
    return found;
}

void lb_run_add_each_term(lb_json *j, const char *key, const lb_run *run,
                          const lb_epoch_report *e, const double *of_epoch)
{
    lb_json_open(j, key, '[');
    for (int s = 0; s < lb_run_stages(run); s++)
        for (int k = 0; k < lb_run_stage_of(run, s).n_terms; k++)
            lb_json_number(j, NULL, s == e->stage ? of_epoch[k] : NAN);
    lb_json_close(j, ']');
}

static void add_layers(lb_json *j, const lb_run *run, const lb_run_stage *stage,
                       const lb_term *term)
{
    lb_json_open(j, "layers", '[');
    for (int i = 0; stage->n_teachers > 0 && i < term->taps.n; i++) {
        const lb_tap *const tap = &term->taps.tap[i];
        lb_json_open(j, NULL, '{');
        lb_json_text(j, "student", lb_info(run->student, tap->student)->name);
        lb_json_text(j, "teacher",
                     lb_info(stage->teacher[tap->of].graph, tap->teacher)->name);
        if (stage->n_teachers > 1)
            lb_json_int(j, "of", tap->of);
        lb_json_close(j, '}');
    }
    lb_json_close(j, ']');
}

const char *lb_run_weight_text(const lb_term *term, char out[LB_WEIGHT_TEXT])
{
    const lb_ramp *const ramp = &term->weight_ramp;

    if (term->balance.on)
        snprintf(out, LB_WEIGHT_TEXT, "weight auto %g", term->balance.share);
    else if (ramp->on)
        snprintf(out, LB_WEIGHT_TEXT, "weight %g to %g", ramp->from, ramp->to);
    else
        snprintf(out, LB_WEIGHT_TEXT, "weight %g", term->weight);
    return out;
}

static void add_term(lb_json *j, const lb_run *run, int s, int k)
{
    const lb_run_stage stage = lb_run_stage_of(run, s);
    const lb_term *const term = &stage.term[k];
    const lb_epoch_report *const first = epoch_of(run, s, false);
    const lb_epoch_report *const last = epoch_of(run, s, true);

    lb_json_open(j, NULL, '{');
    lb_json_text(j, "loss", term->loss->name);
    if (stage.name)
        lb_json_int(j, "stage", s);
    add_layers(j, run, &stage, term);
    lb_json_number(j, "weight",
                   last               ? last->weight[k]
                   : term->balance.on ? (double)NAN
                                      : lb_term_number(term, -1, 0));
    lb_json_number(j, "auto", term->balance.on ? term->balance.share : NAN);
    lb_json_number(j, "value", last ? last->term[k] : NAN);
    lb_json_number(j, "first_value", first ? first->term[k] : NAN);
    lb_json_number(j, "gradient_share", last ? last->share[k] : NAN);
    lb_json_number(j, "first_gradient_share", first ? first->share[k] : NAN);
    lb_json_close(j, '}');
}

void lb_run_add_terms(lb_json *j, const lb_run *run)
{
    lb_json_open(j, "terms", '[');
    for (int s = 0; s < lb_run_stages(run); s++)
        for (int k = 0; k < lb_run_stage_of(run, s).n_terms; k++)
            add_term(j, run, s, k);
    lb_json_close(j, ']');
}

void lb_run_add_pull(lb_text *text, const lb_run *run)
{
    const int s = lb_run_stages(run) - 1;
    const lb_run_stage stage = lb_run_stage_of(run, s);
    const lb_epoch_report *const last = epoch_of(run, s, true);

    if (!last || stage.n_terms < 2)
        return;
    lb_text_add(text, "gradient  ");
    for (int k = 0; k < stage.n_terms; k++) {
        lb_text_add(text, "%s%s (weight %.4g) ", k ? ", " : "", stage.term[k].loss->name,
                    last->weight[k]);
        if (isnan(last->share[k]))
            lb_text_add(text, "not known");
        else
            lb_text_add(text, "%.0f %%", 100 * last->share[k]);
    }
    lb_text_add_char(text, '\n');
}
