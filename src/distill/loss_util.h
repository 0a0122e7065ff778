/* loss_util.h: what the losses over feature maps and embeddings share; only distill/
 * includes it.
 *
 * A map is [N,C,H,W] or [N,C,L], an embedding [N,D]. */
#ifndef LB_DISTILL_LOSS_UTIL_H
#define LB_DISTILL_LOSS_UTIL_H

#include "distill/loss.h"

/* Refusals: true if some pair is not as asked, the reason in `why`. */
typedef bool (*lb_pair_check)(const lb_builder *b, const lb_pair *pair,
                              char why[LB_REFUSAL_TEXT]);
bool lb_refuse_pairs(const lb_builder *b, const lb_loss_in *in, lb_pair_check is_wrong,
                     char why[LB_REFUSAL_TEXT]);
/* The two sides differ in shape. */
bool lb_shapes_differ(const lb_builder *b, const lb_pair *pair,
                      char why[LB_REFUSAL_TEXT]);
/* They are not maps, or have different numbers of channels. */
bool lb_channels_differ(const lb_builder *b, const lb_pair *pair,
                        char why[LB_REFUSAL_TEXT]);
/* Of two maps of one rank, one plane is a whole multiple of the other, axis by axis. */
bool lb_planes_fit(const lb_builder *b, lb_value x, lb_value y);
/* Of all pairs. */
bool lb_refuse_shapes(const lb_builder *b, const lb_loss_in *in,
                      char why[LB_REFUSAL_TEXT]);
bool lb_refuse_channels(const lb_builder *b, const lb_loss_in *in,
                        char why[LB_REFUSAL_TEXT]);

/* One loss of one pair of layers: a scalar. */
typedef lb_value (*lb_pair_loss)(lb_builder *b, const lb_loss_in *in, lb_pair pair);
/* Its sum over all pairs. */
lb_value lb_sum_pairs(lb_builder *b, const lb_loss_in *in, lb_pair_loss of_pair);

/* [N,C,...] as [N,C,P], P places a channel (1 of an embedding). */
lb_value lb_planes(lb_builder *b, lb_value x);
/* The last two axes change places. */
lb_value lb_swap_last(lb_builder *b, lb_value x);
/* Elements of one sample. */
int lb_sample_size(const lb_builder *b, lb_value x);

/* The larger map is averaged over windows down to the smaller, axis by axis; whose sizes
 * must be multiples. */
lb_pair lb_same_places(lb_builder *b, lb_pair pair);
lb_value lb_pool_to(lb_builder *b, lb_value x, const int *places);

lb_value lb_square(lb_builder *b, lb_value x);
/* The mean of (x - y)^2 over all elements. */
lb_value lb_mean_square(lb_builder *b, lb_value x, lb_value y);

#endif
