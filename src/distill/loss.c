/* loss.c: the table of losses, and the sum of a recipe's terms. */
#include "distill/loss.h"

#include <stdio.h>
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

const lb_loss *lb_loss_find(const char *name)
{
    for (const lb_loss *const *loss = lb_losses; *loss; loss++)
        if (strcmp((*loss)->name, name) == 0)
            return *loss;
    return NULL;
}

/* What the loss needs must be there before it builds anything. */
static bool is_fed(lb_builder *b, const lb_loss *loss, const lb_loss_in *in)
{
    const char *missing = NULL;

    if ((loss->needs & LB_NEEDS_TEACHER) && in->logits.teacher.id == 0)
        missing = "a teacher";
    else if ((loss->needs & LB_NEEDS_HINTS) && in->n_hints == 0)
        missing = "a pair of layers";
    else if ((loss->needs & LB_NEEDS_LABELS) && in->labels.id == 0)
        missing = "labels";
    if (missing)
        lb_build_fail(b, LB_ERR_INPUT, "loss '%s' needs %s, and there is none",
                      loss->name, missing);
    return !missing;
}

/* The term's own pairs, of those from *next on, made comparable. */
static void take_pairs(lb_builder *b, const lb_term *term, int *next, lb_loss_in *own,
                       lb_pair pairs[LB_MAX_PAIRS])
{
    const lb_pair *const tapped = own->hints + *next;
    const int n = term->taps.n;

    if (n == 0)
        return;
    own->hints = pairs;
    own->n_hints = n;
    for (int i = 0; i < n; i++)
        pairs[i] = tapped[i]; /* the adapters' weights take their type from these */
    for (int i = 0; i < n; i++)
        pairs[i] = lb_adapter_build(b, own, i + 1, &term->taps.tap[i].adapter, tapped[i]);
    *next += n;
}

lb_value lb_terms_build(lb_builder *b, const lb_term *terms, int n, const lb_loss_in *in,
                        lb_value *value)
{
    lb_value sum = {0};
    int next = 0;

    for (int i = 0; i < n; i++) {
        lb_pair pairs[LB_MAX_PAIRS];
        lb_loss_in own = *in;
        char scope[64];
        snprintf(scope, sizeof scope, "%s%d", terms[i].loss->name, i + 1);
        own.scope = scope;
        own.knobs = terms[i].knobs;
        value[i] = (lb_value){0};
        take_pairs(b, &terms[i], &next, &own, pairs);
        if (!is_fed(b, terms[i].loss, &own))
            return (lb_value){0};
        value[i] = terms[i].loss->build(b, &own);
        const lb_value share = lb_scale(b, value[i], terms[i].weight);
        sum = i == 0 ? share : lb_add(b, sum, share);
    }
    if (n == 0)
        lb_build_fail(b, LB_ERR_INPUT, "no loss is given; add one to 'distill'");
    return sum;
}
