/* ensemble.c: the mean of several teachers, as nodes and as numbers. With
 * l_i = log w_i + log softmax(z_i) and m = max_i l_i,
 *
 *     log(sum_i w_i softmax(z_i)) = m + log(sum_i exp(l_i - m))
 *
 * where the sum is at least 1: no class is lost for being improbable. */
#include "distill/ensemble.h"

#include "ops/build.h"

#include <math.h>

/* Of a share that is none: nothing beside any probability that a float32 can tell. */
static const double no_share = 1e-30;

static lb_value mean_of_logits(lb_builder *b, const lb_ensemble *e,
                               const lb_value *member, const lb_value *share)
{
    lb_value sum = {0};

    for (int i = 0; i < e->n; i++) {
        const lb_value part =
            share ? lb_mul(b, member[i], share[i]) : lb_scale(b, member[i], e->weight[i]);
        sum = i == 0 ? part : lb_add(b, sum, part);
    }
    return sum;
}

/* [N,1], or a scalar where all samples have one. */
static lb_value log_share(lb_builder *b, const lb_ensemble *e, lb_dtype dtype,
                          const lb_value *share, int i)
{
    if (!share)
        return lb_scalar(b, dtype, log(e->weight[i]));
    return lb_ln(b, lb_max(b, share[i], lb_scalar(b, dtype, no_share)));
}

static lb_value mean_of_probabilities(lb_builder *b, const lb_ensemble *e,
                                      const lb_value *member, const lb_value *share)
{
    const lb_dtype dtype = lb_type_of(b, member[0]).dtype;
    lb_value part[LB_MAX_TEACHERS], peak = {0}, sum = {0};

    for (int i = 0; i < e->n; i++) {
        const lb_value log_p = lb_log_softmax(b, member[i], 1);
        const lb_value log_w = log_share(b, e, dtype, share, i);
        part[i] = lb_add(b, log_p, log_w);
        peak = i == 0 ? part[i] : lb_max(b, peak, part[i]);
    }
    for (int i = 0; i < e->n; i++) {
        const lb_value below = lb_sub(b, part[i], peak);
        const lb_value power = lb_exp(b, below);
        sum = i == 0 ? power : lb_add(b, sum, power);
    }
    const lb_value log_sum = lb_ln(b, sum);
    return lb_add(b, peak, log_sum);
}

lb_value lb_ensemble_join(lb_builder *b, const lb_ensemble *e, const lb_value *member,
                          const lb_value *share)
{
    if (e->n == 1)
        return member[0];
    return e->combine == LB_COMBINE_LOGITS ? mean_of_logits(b, e, member, share)
                                           : mean_of_probabilities(b, e, member, share);
}

static lb_value one_minus(lb_builder *b, lb_value x)
{
    const lb_value one = lb_scalar(b, lb_type_of(b, x).dtype, 1);

    return lb_sub(b, one, x);
}

/* 1 where the label's logit is the largest, 0 where it is not or there is no label. */
static lb_value is_right(lb_builder *b, lb_value logits, lb_value target)
{
    const int class_axis[] = {1};
    const lb_value own = lb_mul(b, logits, target);
    const lb_value of_label = lb_reduce_sum(b, own, class_axis, 1, true);
    const lb_value most = lb_reduce_max(b, logits, class_axis, 1, true);
    const lb_value gap = lb_sub(b, most, of_label);
    const lb_value wrong = lb_step_above(b, gap, 0);
    const lb_value labelled = lb_reduce_sum(b, target, class_axis, 1, true);
    const lb_value right = one_minus(b, wrong);

    return lb_mul(b, right, labelled);
}

void lb_ensemble_correct(lb_builder *b, const lb_ensemble *e, const lb_value *member,
                         lb_value labels, lb_value share[LB_MAX_TEACHERS])
{
    const lb_type type = lb_type_of(b, member[0]);
    const lb_value target =
        lb_one_hot(b, labels, type.dtype, lb_dim(b, member[0], 1), 1, 0);
    lb_value any = {0}, sum = {0};

    for (int i = 0; i < e->n; i++) {
        share[i] = is_right(b, member[i], target);
        any = i == 0 ? share[i] : lb_max(b, any, share[i]);
    }
    for (int i = 0; i < e->n; i++) { /* left out: wrong where another is right */
        const lb_value wrong = one_minus(b, share[i]);
        const lb_value out = lb_mul(b, any, wrong);
        share[i] = lb_scale(b, one_minus(b, out), e->weight[i]);
        sum = i == 0 ? share[i] : lb_add(b, sum, share[i]);
    }
    for (int i = 0; i < e->n; i++)
        share[i] = lb_div(b, share[i], sum);
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
