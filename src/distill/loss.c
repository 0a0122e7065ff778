/* loss.c: the table of losses, and the sum of a recipe's terms. */
#include "distill/logits.h"

#include <stddef.h>
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

const char *const lb_no_yes[] = {"false", "true", NULL};

const lb_loss *lb_loss_find(const char *name)
{
    for (const lb_loss *const *loss = lb_losses; *loss; loss++)
        if (strcmp((*loss)->name, name) == 0)
            return *loss;
    return NULL;
}

/* One knob for all losses over logits; what it does, it does before they see them. */
static const lb_knob standardise_knob = {
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
    return i == n && looks_at_logits ? &standardise_knob : NULL;
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
        if (lb_loss_knob(term->loss, i) == &standardise_knob)
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
