/* logits.h: what the losses over logits share; for distill/ and its tests.
 *
 * Logits are [N,C]. What is true of one sample is [N]. */
#ifndef LB_DISTILL_LOGITS_H
#define LB_DISTILL_LOGITS_H

#include "distill/loss.h"

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
