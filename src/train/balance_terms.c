/* balance_terms.c: weights that are found over the first steps of a stage, by what the
 * terms pull (distill/balance.h). What is found is kept in the ledger, and so in
 * checkpoints: a run that is resumed in the middle finds the same. */
#include "train/session_int.h"

/* What the terms of fixed weights weigh together; 0: none of them counts now. */
static double fixed_weights(const lb_lesson *lesson, double epoch)
{
    double sum = 0;

    for (int i = 0; i < lesson->n_terms; i++)
        sum += lb_term_full_weight(&lesson->terms[i], epoch);
    return sum;
}

/* Whether the term's weight is still being looked for. */
static bool is_open(const lb_session *s, int i, double epoch)
{
    const lb_term *const term = &s->lesson.terms[i];
    const int steps = s->ledger.balancing[i].steps;

    return term->balance.on && lb_term_counts(term, epoch) &&
           steps < term->balance.steps && steps < s->batches;
}

bool lb_session_balances(const lb_session *s, double epoch)
{
    for (int i = 0; i < s->lesson.n_terms; i++)
        if (is_open(s, i, epoch))
            return fixed_weights(&s->lesson, epoch) > 0;
    return false;
}

/* The weight is final. */
static void tell(const lb_session *s, int i)
{
    const lb_term *const term = &s->lesson.terms[i];
    const lb_balancing *const state = &s->ledger.balancing[i];

    if (state->weight > 0)
        lb_log_tell(
            &s->all->log, LB_LOG_INFO,
            "%s: weight %.9g, found over %d steps: its gradient is %g of what the "
            "losses of fixed weights pull",
            term->loss->name, state->weight, state->steps, term->balance.share);
    else
        lb_log_tell(
            &s->all->log, LB_LOG_WARN,
            "%s: no weight was found: the loss, or those of fixed weights, had no "
            "gradient over %d steps; it does not count",
            term->loss->name, state->steps);
}

void lb_session_balance(lb_session *s, double epoch, const double *norm)
{
    double fixed = 0;

    for (int i = 0; i < s->lesson.n_terms; i++)
        fixed += lb_term_full_weight(&s->lesson.terms[i], epoch) * norm[i];
    for (int i = 0; i < s->lesson.n_terms; i++) {
        if (!is_open(s, i, epoch))
            continue;
        lb_balance_step(&s->lesson.terms[i].balance, fixed, norm[i],
                        &s->ledger.balancing[i]);
        if (!is_open(s, i, epoch))
            tell(s, i);
    }
    lb_session_take_weights(s);
}

void lb_session_take_weights(lb_session *s)
{
    for (int i = 0; i < s->lesson.n_terms; i++)
        s->lesson.found[i] = s->ledger.balancing[i].weight;
}
