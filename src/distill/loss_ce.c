/* loss_ce.c: cross-entropy with hard labels.
 *
 *     L = -(1/M) sum_b sum_c q log p(z_s),   q = (1 - eps) onehot + eps / C
 *
 * (Szegedy et al., 2016, section 7, for the smoothing eps). A sample without a label has
 * a row of zeros for q, and M counts those with one. */
#include "distill/logits.h"

enum { SMOOTHING };

static const lb_knob knobs[] = {
    [SMOOTHING] = {.name = "label_smoothing",
                   .help = "share of the target that is spread over all classes",
                   .usual = 0,
                   .min = 0,
                   .max = 0.999},
    {0},
};

static lb_value build(lb_builder *b, const lb_loss_in *in)
{
    const int classes = lb_dim(b, in->logits.student, 1);
    const lb_dtype dtype = lb_type_of(b, in->logits.student).dtype;
    const double smoothing = in->knobs[SMOOTHING];
    const int class_axis[] = {1};

    const lb_value label = lb_one_hot(b, in->labels, dtype, classes, 1, 0);
    lb_value target = label;
    if (smoothing > 0) {
        const lb_value has_label = lb_reduce_sum(b, target, class_axis, 1, true);
        const lb_value spread = lb_scale(b, has_label, smoothing / classes);
        const lb_value peak = lb_scale(b, target, 1 - smoothing);
        target = lb_add(b, peak, spread);
    }
    const lb_value log_p = lb_log_softmax(b, in->logits.student, 1);
    const lb_value hits = lb_mul(b, target, log_p);
    const lb_value of_sample = lb_reduce_sum(b, hits, class_axis, 1, false);
    const lb_value mean = lb_mean_labelled(b, in, of_sample, label);
    return lb_scale(b, mean, -1);
}

const lb_loss lb_loss_ce = {
    .name = "ce",
    .help = "cross-entropy with the labels",
    .source = "Szegedy et al., 2016 (label smoothing)",
    .needs = LB_NEEDS_LABELS,
    .knobs = knobs,
    .build = build,
};
