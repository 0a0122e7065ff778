/* ensemble.c: the mean of several teachers, as nodes and as numbers. With
 * l_i = log w_i + log softmax(z_i) and m = max_i l_i,
 *
 *     log(sum_i w_i softmax(z_i)) = m + log(sum_i exp(l_i - m))
 *
 * where the sum is at least 1: no class is lost for being improbable. */
#include "distill/ensemble.h"

#include "ops/build.h"

#include <math.h>

static lb_value mean_of_logits(lb_builder *b, const lb_ensemble *e,
                               const lb_value *member)
{
    lb_value sum = lb_scale(b, member[0], e->weight[0]);

    for (int i = 1; i < e->n; i++) {
        const lb_value share = lb_scale(b, member[i], e->weight[i]);
        sum = lb_add(b, sum, share);
    }
    return sum;
}

static lb_value mean_of_probabilities(lb_builder *b, const lb_ensemble *e,
                                      const lb_value *member)
{
    const lb_dtype dtype = lb_type_of(b, member[0]).dtype;
    lb_value share[LB_MAX_TEACHERS], peak = {0}, sum = {0};

    for (int i = 0; i < e->n; i++) {
        const lb_value log_p = lb_log_softmax(b, member[i], 1);
        const lb_value log_w = lb_scalar(b, dtype, log(e->weight[i]));
        share[i] = lb_add(b, log_p, log_w);
        peak = i == 0 ? share[i] : lb_max(b, peak, share[i]);
    }
    for (int i = 0; i < e->n; i++) {
        const lb_value below = lb_sub(b, share[i], peak);
        const lb_value power = lb_exp(b, below);
        sum = i == 0 ? power : lb_add(b, sum, power);
    }
    const lb_value log_sum = lb_ln(b, sum);
    return lb_add(b, peak, log_sum);
}

lb_value lb_ensemble_join(lb_builder *b, const lb_ensemble *e, const lb_value *member)
{
    if (e->n == 1)
        return member[0];
    return e->combine == LB_COMBINE_LOGITS ? mean_of_logits(b, e, member)
                                           : mean_of_probabilities(b, e, member);
}

static double log_sum_exp(const double *x, int n)
{
    double peak = -INFINITY, sum = 0;

    for (int i = 0; i < n; i++)
        peak = fmax(peak, x[i]);
    if (isinf(peak))
        return peak;
    for (int i = 0; i < n; i++)
        sum += exp(x[i] - peak);
    return peak + log(sum);
}

/* What is taken off a row of logits to make log-probabilities of it. */
static double norm_of(const float *row, int classes)
{
    double peak = -INFINITY, sum = 0;

    for (int c = 0; c < classes; c++)
        peak = fmax(peak, (double)row[c]);
    for (int c = 0; c < classes; c++)
        sum += exp((double)row[c] - peak);
    return peak + log(sum);
}

void lb_ensemble_row(const lb_ensemble *e, const float *const *rows, int classes,
                     float *out)
{
    double norm[LB_MAX_TEACHERS], share[LB_MAX_TEACHERS];

    for (int i = 0; i < e->n; i++)
        norm[i] = norm_of(rows[i], classes) - log(e->weight[i]);
    for (int c = 0; c < classes; c++) {
        double mean = 0;
        for (int i = 0; i < e->n; i++) {
            const double z = (double)rows[i][c];
            share[i] = z - norm[i];
            mean += e->weight[i] * z;
        }
        if (e->n == 1)
            out[c] = rows[0][c];
        else
            out[c] = (float)(e->combine == LB_COMBINE_LOGITS ? mean
                                                             : log_sum_exp(share, e->n));
    }
}
