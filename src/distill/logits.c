/* logits.c: what the losses over logits share. */
#include "distill/logits.h"

#include <stdio.h>

bool lb_refuse_few_classes(const lb_builder *b, const lb_loss_in *in, const char *reason,
                           char why[LB_REFUSAL_TEXT])
{
    const int classes = lb_dim(b, in->logits.student, 1);

    if (classes >= 3)
        return false;
    snprintf(why, LB_REFUSAL_TEXT, "with %d classes %s; use 'kd' or 'mse-logits'",
             classes, reason);
    return true;
}

lb_value lb_kl(lb_builder *b, lb_value s, lb_value t)
{
    const int class_axis[] = {1};

    const lb_value log_s = lb_log_softmax(b, s, 1);
    const lb_value log_t = lb_log_softmax(b, t, 1);
    const lb_value p_t = lb_softmax(b, t, 1);
    const lb_value gap = lb_sub(b, log_t, log_s);
    const lb_value weighted = lb_mul(b, p_t, gap);
    return lb_reduce_sum(b, weighted, class_axis, 1, false);
}

/* Divides by the knob, or where there is none (-1) by the number. */
static lb_value cool(lb_builder *b, const lb_loss_in *in, lb_value z, int knob,
                     double temperature)
{
    return knob < 0 ? lb_scale(b, z, 1 / temperature) : lb_by_knob(b, in, z, knob, -1);
}

static lb_pair soften(lb_builder *b, const lb_loss_in *in, int knob, double temperature)
{
    lb_value member[LB_MAX_TEACHERS];
    lb_pair soft;

    soft.student = cool(b, in, in->logits.student, knob, temperature);
    for (int i = 0; in->ensemble && i < in->ensemble->n; i++)
        member[i] = cool(b, in, in->members[i], knob, temperature);
    soft.teacher = in->ensemble
                       ? lb_ensemble_join(b, in->ensemble, member, in->member_shares)
                       : cool(b, in, in->logits.teacher, knob, temperature);
    return soft;
}

lb_pair lb_soften(lb_builder *b, const lb_loss_in *in, double temperature)
{
    return soften(b, in, -1, temperature);
}

lb_pair lb_soften_by_knob(lb_builder *b, const lb_loss_in *in, int knob)
{
    return soften(b, in, knob, 1);
}

lb_value lb_standardise(lb_builder *b, lb_value z)
{
    static const double least = 1e-6, most = 1e30;
    const int class_axis[] = {1};
    const int classes = lb_dim(b, z, 1);

    const lb_value mean = lb_reduce_mean(b, z, class_axis, 1, true);
    const lb_value centred = lb_sub(b, z, mean);
    const lb_value square = lb_mul(b, centred, centred);
    const lb_value sum = lb_reduce_sum(b, square, class_axis, 1, true);
    const lb_value variance = lb_scale(b, sum, 1.0 / (classes - 1));
    const lb_value guarded = lb_clip(b, variance, least * least, most, NULL);
    const lb_value deviation = lb_sqrt(b, guarded);
    const lb_value eps = lb_scalar(b, lb_type_of(b, z).dtype, 1e-7);
    const lb_value divisor = lb_add(b, deviation, eps);
    const lb_value speaks = lb_step_above(b, variance, least * least);
    const lb_value told = lb_mul(b, centred, speaks);
    return lb_div(b, told, divisor);
}

/* Each group of samples needs the count of the whole batch: it is a scalar, summed first.
 * The mean over the batch times B / M is the mean of all, bit for bit, where M is B. */
lb_value lb_mean_labelled(lb_builder *b, const lb_loss_in *in, lb_value of_sample,
                          lb_value label)
{
    const lb_dtype dtype = lb_type_of(b, of_sample).dtype;
    const lb_value mean = lb_mean_all(b, of_sample);

    if (in->all_labelled)
        return mean;
    const lb_value count = lb_sum_all(b, label);
    const lb_value one = lb_scalar(b, dtype, 1);
    const lb_value divisor = lb_max(b, count, one);
    const lb_value samples = lb_scalar(b, dtype, in->batch);
    const lb_value share = lb_div(b, samples, divisor);
    return lb_mul(b, mean, share);
}
