/* loss_dist.c: relations instead of values (Huang et al., 2022).
 *
 *     P = softmax(z / tau),  rho: Pearson's correlation
 *     L = tau^2 (inter_weight (1 - (1/B) sum_b rho(P_s[b,:], P_t[b,:]))
 *              + intra_weight (1 - (1/C) sum_c rho(P_s[:,c], P_t[:,c])))
 *
 * The first term asks that the classes of a sample compare alike, the second that the
 * samples of the batch do for each class; neither asks for the same probabilities.
 *
 * rho = a.b / (|a||b| + eps) of centred a and b, with the published eps = 1e-8, but at
 * most a thousandth of |a||b|: the columns of many classes are so short that 1e-8 would
 * fade the term out. A row or column without variance has rho 0 and no gradient. The
 * means of a column are over the whole batch. */
#include "distill/logits.h"

enum { TEMPERATURE, INTER, INTRA };

static const lb_knob knobs[] = {
    [TEMPERATURE] = LB_KNOB_TEMPERATURE(1),
    [INTER] = LB_KNOB_WEIGHT("inter_weight", "of how the classes of a sample compare", 1),
    [INTRA] = LB_KNOB_WEIGHT("intra_weight",
                             "of how the samples of a batch compare, class by class", 1),
    {0},
};

static bool refuse(const lb_builder *b, const lb_loss_in *in, char why[LB_REFUSAL_TEXT])
{
    return lb_refuse_few_classes(
        b, in, "each row correlates by 1 or -1 and has no gradient", why);
}

static lb_value centre(lb_builder *b, lb_value x, int axis)
{
    const lb_value mean = lb_reduce_mean(b, x, &axis, 1, true);

    return lb_sub(b, x, mean);
}

static lb_value dot(lb_builder *b, lb_value x, lb_value y, int axis)
{
    const lb_value product = lb_mul(b, x, y);

    return lb_reduce_sum(b, product, &axis, 1, true);
}

/* The length; of less than `least` there is no gradient. */
static lb_value length(lb_builder *b, lb_value x, int axis)
{
    static const double least = 1e-9, most = 1e30; /* float32 holds its 4th power */
    const lb_value square = dot(b, x, x, axis);
    const lb_value guarded = lb_clip(b, square, least * least, most, NULL);

    return lb_sqrt(b, guarded);
}

/* 1 - the mean correlation along an axis. */
static lb_value unlike(lb_builder *b, lb_pair p, int axis)
{
    const lb_value s = centre(b, p.student, axis), t = centre(b, p.teacher, axis);
    const lb_value length_s = length(b, s, axis);
    const lb_value length_t = length(b, t, axis);
    const lb_value lengths = lb_mul(b, length_s, length_t);
    const lb_value share = lb_scale(b, lengths, 1e-3);
    const lb_value eps = lb_clip(b, share, 0, 1e-8, NULL);
    const lb_value divisor = lb_add(b, lengths, eps);
    const lb_value product = dot(b, s, t, axis);
    const lb_value rho = lb_div(b, product, divisor);
    const lb_value mean = lb_mean_all(b, rho);
    const lb_value one = lb_scalar(b, lb_type_of(b, mean).dtype, 1);
    return lb_sub(b, one, mean);
}

static lb_value build(lb_builder *b, const lb_loss_in *in)
{
    const lb_pair soft = lb_soften_by_knob(b, in, TEMPERATURE);
    const lb_value p_s = lb_softmax(b, soft.student, 1);
    const lb_value p_t = lb_softmax(b, soft.teacher, 1);
    const lb_pair p = {p_s, p_t};

    const lb_value inter = unlike(b, p, 1);
    const lb_value intra = unlike(b, p, 0);
    const lb_value weighted_inter = lb_by_knob(b, in, inter, INTER, 1);
    const lb_value weighted_intra = lb_by_knob(b, in, intra, INTRA, 1);
    const lb_value sum = lb_add(b, weighted_inter, weighted_intra);
    return lb_by_knob(b, in, sum, TEMPERATURE, 2);
}

static const lb_preset presets[] = {
    {.name = "authors",
     .weight = 2,
     .with = "temperature 4 on CIFAR, 1 on ImageNet, beside ce 1"},
    {0},
};

const lb_loss lb_loss_dist = {
    .name = "dist",
    .help = "how the teacher's answers compare, by class and by sample",
    .source = "Huang et al., 2022",
    .needs = LB_NEEDS_TEACHER,
    .knobs = knobs,
    .min_batch = 8,
    .instead = "'kd' or 'dkd'",
    .refuse = refuse,
    .build = build,
    .presets = presets,
};
