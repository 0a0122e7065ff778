/* logits.h: what the losses over logits share; for distill/ and its tests.
 *
 * Logits are [N,C]. What is true of one sample is [N]. */
#ifndef LB_DISTILL_LOGITS_H
#define LB_DISTILL_LOGITS_H

#include "distill/loss.h"

/* The row of `temperature` among a loss's knobs. */
#define LB_KNOB_TEMPERATURE(how_much) \
    { \
        .name = "temperature", \
        .help = "softens both networks' answers; 1 leaves them as they are", \
        .usual = (how_much), .min = 0.01, .max = 10000, .ramps = true \
    }

/* The row of a weight within a loss. */
#define LB_KNOB_WEIGHT(called, what, how_much) \
    { \
        .name = (called), .help = (what), .usual = (how_much), .min = 0, .max = 1e6, \
        .ramps = true \
    }

/* A refusal (lb_loss.refuse) of fewer than three classes; reason: what is wrong then, as
 * in "each row is 1 or -1", without what to use instead. */
bool lb_refuse_few_classes(const lb_builder *b, const lb_loss_in *in, const char *reason,
                           char why[LB_REFUSAL_TEXT]);

/* KL(softmax(t) || softmax(s)) of each sample: [N]. The class axis is the last. */
lb_value lb_kl(lb_builder *b, lb_value s, lb_value t);

/* Both sides at a temperature: what the softmax of either sees. One network's logits are
 * divided by it; several teachers answer as ensemble.h says. */
lb_pair lb_soften(lb_builder *b, const lb_loss_in *in, double temperature);
/* The same by a knob, which may be one that changes. */
lb_pair lb_soften_by_knob(lb_builder *b, const lb_loss_in *in, int knob);

/* Each row less its mean, over its standard deviation (with C - 1) plus 1e-7 (Sun et al.,
 * 2024). A row whose deviation is below 1e-6 says nothing: it becomes 0, without a
 * gradient, where the formula would give 1e7 of one. */
lb_value lb_standardise(lb_builder *b, lb_value z);

/* The mean of a term [N] over the samples with a label; without one it must be 0. A
 * scalar, 0 if no sample of the batch has a label. label: their one-hot rows [N,C]. */
lb_value lb_mean_labelled(lb_builder *b, const lb_loss_in *in, lb_value of_sample,
                          lb_value label);

#endif
