/* loss_dkd.c: decoupled knowledge distillation (Zhao et al., 2022).
 *
 * What kd compares is taken apart by the label y, at a temperature T:
 *
 *     TCKD = KL([p_t, 1 - p_t] || [p_s, 1 - p_s]),  p: the probability of y
 *     NCKD = KL(q_t || q_s),                        q: the softmax over the other classes
 *     L = T^2 (1/M) sum_b (target_weight TCKD + non_target_weight NCKD)
 *
 * and kd is TCKD + (1 - p_t) NCKD of each sample: where the teacher is sure, kd hardly
 * looks at the other classes, and this does.
 *
 * No logarithm is taken of a summed softmax, which may be 0. With the margin
 * m = z_y - logsumexp of the others, [p, 1 - p] is the softmax of [m, 0], so that both
 * parts are the divergence of two rows of logits. A sample without a label adds nothing:
 * M counts those with one. */
#include "distill/logits.h"

enum { TEMPERATURE, TARGET, NON_TARGET };

static const lb_knob knobs[] = {
    [TEMPERATURE] = LB_KNOB_TEMPERATURE(4),
    [TARGET] = LB_KNOB_WEIGHT("target_weight", "of how sure they are of the label", 1),
    [NON_TARGET] =
        LB_KNOB_WEIGHT("non_target_weight", "of how the other classes compare", 8),
    {0},
};

static bool refuse(const lb_builder *b, const lb_loss_in *in, char why[LB_REFUSAL_TEXT])
{
    return lb_refuse_few_classes(
        b, in,
        "there is nothing to compare besides the label's class, and what is left is kd",
        why);
}

/* The label's place in each row, 1 or 0; 1 at all other places; [N,1]: is there one? */
typedef struct place {
    lb_value target, rest, labelled;
} place;

/* One side, taken apart. */
typedef struct parts {
    lb_value binary; /* [N,2]: the margin, 0 */
    lb_value others; /* [N,C]: the logits, none at the label's class */
} parts;

/* So low that no softmax sees it, in float32 either; others * rest + target * this. */
static const double nothing = -1e30;

static parts take_apart(lb_builder *b, lb_value z, const place *at)
{
    const int class_axis[] = {1};
    const double n_others = lb_dim(b, z, 1) - 1;

    const lb_value kept = lb_mul(b, z, at->rest);
    const lb_value hole = lb_scale(b, at->target, nothing);
    const lb_value others = lb_add(b, kept, hole);
    /* at every other class, its logit less its log-probability is their logsumexp: that
     * of the mean has the right value, and the right gradient, too */
    const lb_value log_q = lb_log_softmax(b, others, 1);
    const lb_value log_q_kept = lb_mul(b, log_q, at->rest);
    const lb_value each = lb_sub(b, kept, log_q_kept);
    const lb_value sum = lb_reduce_sum(b, each, class_axis, 1, true);
    const lb_value log_sum_exp = lb_scale(b, sum, 1 / n_others);
    const lb_value hit = lb_mul(b, z, at->target);
    const lb_value of_label = lb_reduce_sum(b, hit, class_axis, 1, true);
    const lb_value margin = lb_sub(b, of_label, log_sum_exp);
    const lb_value zero = lb_scale(b, at->labelled, 0);
    const lb_value both[] = {margin, zero};
    return (parts){.binary = lb_concat(b, both, 2, 1), .others = others};
}

static place find_label(lb_builder *b, const lb_loss_in *in)
{
    const lb_type type = lb_type_of(b, in->logits.student);
    const int classes = lb_dim(b, in->logits.student, 1), class_axis[] = {1};
    place at;

    at.target = lb_one_hot(b, in->labels, type.dtype, classes, 1, 0);
    at.rest = lb_one_hot(b, in->labels, type.dtype, classes, 0, 1);
    at.labelled = lb_reduce_sum(b, at.target, class_axis, 1, true);
    return at;
}

static lb_value build(lb_builder *b, const lb_loss_in *in)
{
    const int class_axis[] = {1};
    const place at = find_label(b, in);
    const lb_pair soft = lb_soften_by_knob(b, in, TEMPERATURE);

    const parts s = take_apart(b, soft.student, &at);
    const parts t = take_apart(b, soft.teacher, &at);
    const lb_value tckd = lb_kl(b, s.binary, t.binary);
    const lb_value nckd = lb_kl(b, s.others, t.others);
    const lb_value target = lb_by_knob(b, in, tckd, TARGET, 1);
    const lb_value others = lb_by_knob(b, in, nckd, NON_TARGET, 1);
    const lb_value sum = lb_add(b, target, others);
    const lb_value labelled = lb_reduce_sum(b, at.labelled, class_axis, 1, false);
    const lb_value of_sample = lb_mul(b, sum, labelled);
    const lb_value mean = lb_mean_labelled(b, in, of_sample, at.target);
    return lb_by_knob(b, in, mean, TEMPERATURE, 2);
}

static const lb_preset presets[] = {
    {.name = "mdistiller",
     .weight = 1,
     .with =
         "temperature 4, target_weight 1, non_target_weight 8, a warm-up of 20 epochs"},
    {0},
};

const lb_loss lb_loss_dkd = {
    .name = "dkd",
    .help = "the teacher's sureness of the label, and how the other classes compare",
    .source = "Zhao et al., 2022",
    .needs = LB_NEEDS_TEACHER | LB_NEEDS_LABELS,
    .knobs = knobs,
    .refuse = refuse,
    .build = build,
    .presets = presets,
};
