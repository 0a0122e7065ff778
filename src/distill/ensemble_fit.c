/* ensemble_fit.c: the weights of several teachers from samples whose labels are known.
 *
 * With the mean of probabilities the likelihood is that of a mixture with fixed parts,
 * and expectation and maximisation come to a product (Dempster, Laird and Rubin, 1977):
 *
 *     w_i <- w_i mean_n (p_i(y_n) / sum_j w_j p_j(y_n))
 *
 * With the mean of logits it is that of a softmax over w, climbed by exponentiated
 * gradients (Kivinen and Warmuth, 1997), whose step is halved until the likelihood rises:
 *
 *     w_i <- w_i exp(s g_i) / sum_j w_j exp(s g_j),  g_i = mean_n (z_i(y_n) - E_p z_i)
 *
 * Both keep the weights above 0 and their sum 1. Sums run over samples in order, in
 * double. */
#include "distill/ensemble.h"

#include <math.h>
#include <string.h>

enum { MOST_ROUNDS = 200, MOST_HALVINGS = 30 };
static const double least_gain = 1e-9; /* in nats a sample: then it is found */

typedef struct weights {
    double of[LB_MAX_TEACHERS];
} weights;

typedef struct fit {
    const lb_ensemble *e;
    const lb_ensemble_samples *s;
    double *log_p; /* [n, members] of the labels; of the mean of probabilities */
    int n_labelled;
    weights w, gain; /* the weights, and what look() says of them */
    double likelihood, step;
} fit;

static bool counts(const lb_ensemble_samples *s, int i)
{
    return s->labels[i] >= 0 && s->labels[i] < s->classes;
}

static const float *row_of(const lb_ensemble_samples *s, int k, int i)
{
    return s->logits[k] + (size_t)i * (size_t)s->classes;
}

/* log softmax(z)_y */
static double log_p_of(const float *z, int classes, int y)
{
    double peak = -INFINITY, sum = 0;

    for (int c = 0; c < classes; c++)
        peak = fmax(peak, (double)z[c]);
    for (int c = 0; c < classes; c++)
        sum += exp((double)z[c] - peak);
    return (double)z[y] - peak - log(sum);
}

/* Sample i under the mean of probabilities; its ratios are added to gain. */
static double of_mixture(const fit *f, int i, const weights *w, weights *gain)
{
    const double *const l = f->log_p + (size_t)i * (size_t)f->e->n;
    double peak = -INFINITY, sum = 0;

    for (int k = 0; k < f->e->n; k++)
        peak = fmax(peak, l[k]);
    for (int k = 0; k < f->e->n; k++)
        sum += w->of[k] * exp(l[k] - peak);
    for (int k = 0; k < f->e->n; k++)
        gain->of[k] += exp(l[k] - peak) / sum;
    return peak + log(sum);
}

static double mean_logit(const fit *f, int i, const weights *w, int c)
{
    double z = 0;

    for (int k = 0; k < f->e->n; k++)
        z += w->of[k] * (double)row_of(f->s, k, i)[c];
    return z;
}

/* Sample i under the mean of logits; its gradient is added to gain. */
static double of_logits(const fit *f, int i, const weights *w, weights *gain)
{
    const int y = f->s->labels[i];
    double peak = -INFINITY, sum = 0;
    weights expected = {{0}};

    for (int c = 0; c < f->s->classes; c++)
        peak = fmax(peak, mean_logit(f, i, w, c));
    for (int c = 0; c < f->s->classes; c++) {
        const double p = exp(mean_logit(f, i, w, c) - peak);
        sum += p;
        for (int k = 0; k < f->e->n; k++)
            expected.of[k] += p * (double)row_of(f->s, k, i)[c];
    }
    for (int k = 0; k < f->e->n; k++)
        gain->of[k] += (double)row_of(f->s, k, i)[y] - expected.of[k] / sum;
    return mean_logit(f, i, w, y) - peak - log(sum);
}

/* The mean log-likelihood, and the mean of what is added for each member. */
static double look(const fit *f, const weights *w, weights *gain)
{
    double sum = 0;

    *gain = (weights){{0}};
    for (int i = 0; i < f->s->n; i++)
        if (counts(f->s, i))
            sum += f->e->combine == LB_COMBINE_LOGITS ? of_logits(f, i, w, gain)
                                                      : of_mixture(f, i, w, gain);
    for (int k = 0; k < f->e->n; k++)
        gain->of[k] /= f->n_labelled;
    return sum / f->n_labelled;
}

static void normalise(weights *w, int n)
{
    double sum = 0;

    for (int k = 0; k < n; k++)
        sum += w->of[k];
    for (int k = 0; k < n; k++)
        w->of[k] /= sum;
}

static weights moved(const fit *f)
{
    const bool by_gradient = f->e->combine == LB_COMBINE_LOGITS;
    weights to = f->w;

    for (int k = 0; k < f->e->n; k++)
        to.of[k] *= by_gradient ? exp(f->step * f->gain.of[k]) : f->gain.of[k];
    normalise(&to, f->e->n);
    return to;
}

/* One update, if one raises the likelihood; false if that is not worth going on. */
static bool improve(fit *f)
{
    for (int i = 0; i < MOST_HALVINGS; i++) {
        const weights to = moved(f);
        weights gain;
        const double reached = look(f, &to, &gain);
        const double more = reached - f->likelihood;
        if (more > 0) {
            f->w = to;
            f->gain = gain;
            f->likelihood = reached;
            f->step *= 2; /* the next one may go farther */
            return more > least_gain;
        }
        if (f->e->combine != LB_COMBINE_LOGITS)
            return false;
        f->step /= 2;
    }
    return false;
}

static lb_code look_at_samples(fit *f, lb_arena *arena, lb_error *err)
{
    const size_t members = (size_t)f->e->n;
    size_t n;

    if (lb_size_mul((size_t)f->s->n + 1, members, &n))
        f->log_p = LB_TAKE_ARRAY(arena, n, double);
    if (!f->log_p)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the weights of teachers");
    for (int i = 0; i < f->s->n; i++) {
        f->n_labelled += counts(f->s, i);
        for (int k = 0; counts(f->s, i) && k < f->e->n; k++)
            f->log_p[(size_t)i * members + (size_t)k] =
                log_p_of(row_of(f->s, k, i), f->s->classes, f->s->labels[i]);
    }
    return LB_OK;
}

lb_code lb_ensemble_fit(lb_ensemble *e, const lb_ensemble_samples *s, lb_arena *arena,
                        lb_ensemble_fitted *out, lb_error *err)
{
    fit f = {.e = e, .s = s, .step = 1};

    LB_TRY(look_at_samples(&f, arena, err));
    for (int k = 0; k < e->n; k++)
        f.w.of[k] = 1.0 / e->n;
    *out = (lb_ensemble_fitted){.n = f.n_labelled};
    if (f.n_labelled > 0) {
        out->even = f.likelihood = look(&f, &f.w, &f.gain);
        for (int i = 0; i < MOST_ROUNDS && improve(&f);)
            i++;
    }
    for (int k = 0; k < e->n; k++)
        f.w.of[k] = fmax(f.w.of[k], LB_LEAST_WEIGHT);
    normalise(&f.w, e->n);
    if (f.n_labelled > 0)
        out->best = look(&f, &f.w, &f.gain);
    memcpy(e->weight, f.w.of, (size_t)e->n * sizeof *f.w.of);
    e->found = f.n_labelled > 0;
    return LB_OK;
}
