/* loss.c: the table of losses, and their knobs. */
#include "distill/loss.h"

#include <stddef.h>
#include <string.h>

#define LB_LOSS(name) extern const lb_loss lb_loss_##name;
#include "distill/losses.def"
#undef LB_LOSS

const lb_loss *const lb_losses[] = {
#define LB_LOSS(name) &lb_loss_##name,
#include "distill/losses.def"
#undef LB_LOSS
    NULL,
};

const char *const lb_no_yes[] = {"false", "true", NULL};

const lb_loss *lb_loss_find(const char *name)
{
    for (const lb_loss *const *loss = lb_losses; *loss; loss++)
        if (strcmp((*loss)->name, name) == 0)
            return *loss;
    return NULL;
}

/* One knob for all losses over logits; what it does, it does before they see them. */
const lb_knob lb_standardise_knob = {
    .name = "standardise",
    .help = "takes mean and scale off each row of logits first",
    .words = lb_no_yes};

const lb_knob *lb_loss_knob(const lb_loss *loss, int i)
{
    const bool looks_at_logits = (loss->needs & LB_NEEDS_TEACHER) != 0;
    int n = 0;

    for (; loss->knobs && loss->knobs[n].name; n++)
        if (n == i)
            return &loss->knobs[n];
    return i == n && looks_at_logits ? &lb_standardise_knob : NULL;
}

lb_term lb_term_usual(const lb_loss *loss, double weight)
{
    lb_term term = {.loss = loss, .weight = weight};

    for (int i = 0; lb_loss_knob(loss, i); i++)
        term.knobs[i] = lb_loss_knob(loss, i)->usual;
    return term;
}

bool lb_knob_key(const lb_loss *loss, int i, lb_key *out)
{
    const lb_knob *const knob = lb_loss_knob(loss, i);

    if (!knob)
        return false;
    *out = (lb_key){.name = knob->name,
                    .type = knob->words ? LB_KEY_WORD : LB_KEY_FLOAT,
                    .offset = offsetof(lb_term, knobs) + (size_t)i * sizeof(double),
                    .min = knob->min,
                    .max = knob->max,
                    .choices = knob->words,
                    .help = knob->help};
    return true;
}

lb_value lb_by_knob(lb_builder *b, const lb_loss_in *in, lb_value x, int knob, int power)
{
    const lb_value live = in->live ? in->live[knob] : (lb_value){0};
    const double k = in->knobs[knob];

    if (!live.id)
        return lb_scale(b, x, power < 0 ? 1 / k : power > 1 ? k * k : k);
    if (power < 0)
        return lb_div(b, x, live);
    return lb_mul(b, x, power > 1 ? lb_mul(b, live, live) : live);
}
