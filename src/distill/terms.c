/* terms.c: the terms of a recipe as one loss: each with its pairs and adapters, its
 * weight and the numbers that change on the way. */
#include "distill/loss.h"

#include "distill/adapter.h"
#include "distill/logits.h"
#include "ops/build.h"

#include <stdio.h>

/* What the loss needs must be there before it builds anything. */
static bool is_fed(lb_builder *b, const lb_loss *loss, const lb_loss_in *in)
{
    const char *missing = NULL;

    if (!(loss->needs & LB_NEEDS_HINTS) && in->logits.student.id == 0)
        missing = "the student's answers";
    else if ((loss->needs & LB_NEEDS_TEACHER) && in->logits.teacher.id == 0)
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

/* The n pairs of the term from `first` on, whose tapped values come next in own->hints,
 * made comparable. */
static void take_pairs(lb_builder *b, const lb_term *term, int first, int n,
                       lb_loss_in *own, lb_pair pairs[LB_MAX_PAIRS])
{
    const lb_pair *const tapped = own->hints;

    own->hints = pairs;
    own->n_hints = n;
    for (int i = 0; i < n; i++)
        pairs[i] = tapped[i]; /* the adapters' weights take their type from these */
    for (int i = 0; i < n; i++)
        pairs[i] = lb_adapter_build(b, own, i + 1, &term->taps.tap[first + i].adapter,
                                    tapped[i]);
}

/* How many pairs from `first` on look at the same teacher. */
static int pairs_of_one(const lb_term *term, int first)
{
    const lb_tap *const tap = term->taps.tap;
    int n = 0;

    while (first + n < term->taps.n && tap[first + n].of == tap[first].of)
        n++;
    return n;
}

static bool is_outside(const lb_term *term, double epoch)
{
    return epoch < term->first || (term->end > 0 && epoch >= term->end);
}

bool lb_term_counts(const lb_term *term, double epoch)
{
    return !is_outside(term, epoch) &&
           (term->weight > 0 || term->weight_ramp.on || term->balance.on);
}

double lb_term_full_weight(const lb_term *term, double epoch)
{
    const lb_ramp *const ramp = &term->weight_ramp;

    if (term->balance.on || is_outside(term, epoch))
        return 0;
    if (!ramp->on)
        return term->weight;
    return ramp->from > ramp->to ? ramp->from : ramp->to;
}

static void settle(lb_term *term)
{
    if (term->weight_ramp.on)
        term->weight = term->weight_ramp.to;
    term->weight_ramp.on = false;
    for (int k = 0; k < LB_MAX_KNOBS; k++) {
        if (term->knob_ramp[k].on)
            term->knobs[k] = term->knob_ramp[k].to;
        term->knob_ramp[k].on = false;
    }
    term->first = term->end = 0;
}

int lb_terms_settle(const lb_term *terms, int n, int epochs, lb_term *out)
{
    int left = 0;

    for (int i = 0; i < n; i++) {
        if (terms[i].end > 0 && terms[i].end < epochs)
            continue;
        out[left] = terms[i];
        settle(&out[left]);
        left += lb_term_counts(&out[left], 0);
    }
    return left;
}

double lb_term_number(const lb_term *term, int knob, double epoch)
{
    const lb_ramp *const ramp = knob < 0 ? &term->weight_ramp : &term->knob_ramp[knob];

    if (knob < 0 && is_outside(term, epoch))
        return 0;
    if (ramp->on)
        return lb_ramp_at(ramp, epoch);
    return knob < 0 ? term->weight : term->knobs[knob];
}

/* An input for a number that changes; {0} for one that does not. */
static lb_value add_dial(lb_builder *b, const lb_loss_in *in, const lb_term *term,
                         int number, int knob)
{
    static const lb_shape scalar = {0};
    const bool windowed =
        knob < 0 && (term->first > 0 || term->end > 0 || term->balance.on);
    const bool ramps = knob < 0 ? term->weight_ramp.on : term->knob_ramp[knob].on;
    const lb_value like =
        in->logits.student.id ? in->logits.student : in->hints[0].student;

    if (!windowed && !ramps)
        return (lb_value){0};
    if (!in->dials || in->dials->n >= LB_MAX_TERMS * (LB_MAX_KNOBS + 1))
        return lb_build_fail(b, LB_ERR_INPUT,
                             "loss '%s' has a number that changes while training goes "
                             "on, which nothing turns here",
                             term->loss->name);
    const lb_value v =
        lb_input(b, knob < 0 ? "weight" : lb_loss_knob(term->loss, knob)->name,
                 lb_type_of(b, like).dtype, &scalar);
    in->dials->dial[in->dials->n++] = (lb_dial){v, number, knob};
    return v;
}

static bool standardises(const lb_term *term)
{
    for (int i = 0; lb_loss_knob(term->loss, i); i++)
        if (lb_loss_knob(term->loss, i) == &lb_standardise_knob)
            return term->knobs[i] > 0;
    return false;
}

/* Whether the loss cannot work on these shapes; why is then the builder's error. */
static bool refuses(lb_builder *b, const lb_term *term, const lb_loss_in *in)
{
    const lb_loss *const loss = term->loss;
    char why[LB_REFUSAL_TEXT] = "";

    if (standardises(term) && lb_dim(b, in->logits.student, 1) < 3)
        snprintf(why, sizeof why,
                 "of %d standardised logits only the order is left, whatever they are; "
                 "leave 'standardise' out, or use 'mse-logits'",
                 lb_dim(b, in->logits.student, 1));
    else if (!loss->refuse || !loss->refuse(b, in, why))
        return false;
    lb_build_fail(b, LB_ERR_INPUT, "loss '%s': %s", loss->name, why);
    return true;
}

/* The loss over the pairs of each teacher, one after the other, in the term's order. */
static lb_value build_over_layers(lb_builder *b, const lb_term *term,
                                  const lb_loss_in *in)
{
    const bool several = pairs_of_one(term, 0) < term->taps.n;
    lb_value sum = {0};

    for (int first = 0, n; first < term->taps.n; first += n) {
        const int of = term->taps.tap[first].of;
        lb_pair pairs[LB_MAX_PAIRS];
        lb_loss_in own = *in;
        char scope[96];
        n = pairs_of_one(term, first);
        own.hints = in->hints + first;
        if (several) {
            snprintf(scope, sizeof scope, "%s/teacher%d", in->scope, of);
            own.scope = scope;
        }
        take_pairs(b, term, first, n, &own, pairs);
        if (refuses(b, term, &own))
            return (lb_value){0};
        const lb_value one = term->loss->build(b, &own);
        const lb_value share =
            several && in->shares ? lb_scale(b, one, in->shares[of]) : one;
        sum = first == 0 ? share : lb_add(b, sum, share);
    }
    return sum;
}

/* The term's own value, with an input for each knob that changes. */
static lb_value build_term(lb_builder *b, const lb_loss_in *in, const lb_term *term,
                           int number, int *next_pair)
{
    const lb_loss *const loss = term->loss;
    lb_value live[LB_MAX_KNOBS] = {{0}};
    lb_value members[LB_MAX_TEACHERS];
    lb_loss_in own = *in;
    char scope[64];

    if (!is_fed(b, loss, in))
        return (lb_value){0};
    snprintf(scope, sizeof scope, "%s%d", loss->name, number + 1);
    own.scope = scope;
    own.knobs = term->knobs;
    own.live = live;
    if (term->taps.n == 0 && refuses(b, term, &own))
        return (lb_value){0};
    if (standardises(term)) {
        own.logits.student = lb_standardise(b, in->logits.student);
        own.logits.teacher = lb_standardise(b, in->logits.teacher);
        for (int i = 0; in->ensemble && i < in->ensemble->n; i++)
            members[i] = lb_standardise(b, in->members[i]);
        own.members = members;
    }
    for (int k = 0; lb_loss_knob(loss, k); k++)
        live[k] = add_dial(b, in, term, number, k);
    if (term->taps.n == 0)
        return loss->build(b, &own);
    own.hints = in->hints + *next_pair;
    *next_pair += term->taps.n;
    return build_over_layers(b, term, &own);
}

lb_value lb_terms_build(lb_builder *b, const lb_term *terms, int n, const lb_loss_in *in,
                        lb_value *value)
{
    lb_value sum = {0};
    int next = 0;

    for (int i = 0; i < n; i++) {
        value[i] = build_term(b, in, &terms[i], i, &next);
        if (!value[i].id)
            return (lb_value){0};
        const lb_value weight = add_dial(b, in, &terms[i], i, -1);
        const lb_value share = weight.id ? lb_mul(b, value[i], weight)
                                         : lb_scale(b, value[i], terms[i].weight);
        sum = i == 0 ? share : lb_add(b, sum, share);
    }
    if (n == 0)
        lb_build_fail(b, LB_ERR_INPUT, "no loss is given; add one to 'distill'");
    return sum;
}
