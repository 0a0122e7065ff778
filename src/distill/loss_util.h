/* loss_util.h: what the losses over feature maps and embeddings share; only distill/
 * includes it.
 *
 * A map is [N,C,H,W] or [N,C,L], an embedding [N,D]. Lengths are safe at zero: where a
 * vector is (almost) zero, as of a dead layer, its direction is zero and no gradient
 * flows through it, rather than one of 1 / 0. */
#ifndef LB_DISTILL_LOSS_UTIL_H
#define LB_DISTILL_LOSS_UTIL_H

#include "distill/loss.h"

/* `form`: a weight that depends neither on the batch nor on the map, or the number that
 * was published. */
enum { LB_FORM_PER_SAMPLE, LB_FORM_PUBLISHED };
extern const char *const lb_form_words[]; /* per-sample, published */
extern const char lb_form_help[];

/* Refusals (lb_loss.refuse): true if some pair is not as asked, the reason in `why`. */
typedef bool (*lb_pair_check)(const lb_builder *b, const lb_pair *pair,
                              char why[LB_REFUSAL_TEXT]);
bool lb_refuse_pairs(const lb_builder *b, const lb_loss_in *in, lb_pair_check is_wrong,
                     char why[LB_REFUSAL_TEXT]);
/* The two sides differ in shape. */
bool lb_shapes_differ(const lb_builder *b, const lb_pair *pair,
                      char why[LB_REFUSAL_TEXT]);
/* They are not maps of more than one place whose planes fit by whole factors. */
bool lb_planes_differ(const lb_builder *b, const lb_pair *pair,
                      char why[LB_REFUSAL_TEXT]);
/* They are not maps, or have different numbers of channels. */
bool lb_channels_differ(const lb_builder *b, const lb_pair *pair,
                        char why[LB_REFUSAL_TEXT]);
/* Of two maps of one rank, one plane is a whole multiple of the other, axis by axis. */
bool lb_planes_fit(const lb_builder *b, lb_value x, lb_value y);
/* They are not maps whose planes fit by whole factors; a single place is one, too. */
bool lb_maps_differ(const lb_builder *b, const lb_pair *pair, char why[LB_REFUSAL_TEXT]);
/* For lb_loss.refuse as they stand. */
bool lb_refuse_shapes(const lb_builder *b, const lb_loss_in *in,
                      char why[LB_REFUSAL_TEXT]);
bool lb_refuse_planes(const lb_builder *b, const lb_loss_in *in,
                      char why[LB_REFUSAL_TEXT]);
bool lb_refuse_maps(const lb_builder *b, const lb_loss_in *in, char why[LB_REFUSAL_TEXT]);
bool lb_refuse_channels(const lb_builder *b, const lb_loss_in *in,
                        char why[LB_REFUSAL_TEXT]);

/* One loss of one pair of layers: a scalar. */
typedef lb_value (*lb_pair_loss)(lb_builder *b, const lb_loss_in *in, lb_pair pair);
/* Its sum over all pairs. */
lb_value lb_sum_pairs(lb_builder *b, const lb_loss_in *in, lb_pair_loss of_pair);
/* The sum over the pairs of their mean squares, mean (F_s - F_t)^2. */
lb_value lb_sum_mean_squares(lb_builder *b, const lb_loss_in *in);

/* Two maps of one shape, fine and coarse: the hierarchical context loss of ReviewKD, in
 * loss_hcl.c. */
lb_value lb_context_loss(lb_builder *b, const lb_loss_in *in, lb_pair pair);

/* [N,C,...] as [N,C,P], P places a channel (1 of an embedding). */
lb_value lb_planes(lb_builder *b, lb_value x);
/* The last two axes change places. */
lb_value lb_swap_last(lb_builder *b, lb_value x);
/* A mean over samples and elements of x as the knob `form` wants it: published, it is a
 * sum over the elements. */
lb_value lb_of_map_form(lb_builder *b, const lb_loss_in *in, int form, lb_value mean,
                        lb_value x);
/* Elements of one sample. */
int lb_sample_size(const lb_builder *b, lb_value x);

/* The larger map is averaged over windows down to the smaller, axis by axis; whose sizes
 * must be multiples. */
lb_pair lb_same_places(lb_builder *b, lb_pair pair);
lb_value lb_pool_to(lb_builder *b, lb_value x, const int *places);

/* Lengths along the last axis, which stays as 1; 0, without a gradient, where the sum of
 * squares is at most `least`. */
lb_value lb_length(lb_builder *b, lb_value x, double least);
/* x / (its length along the last axis + eps), and zero where there is none. */
lb_value lb_unit(lb_builder *b, lb_value x, double eps);
/* x / its length, zero where the sum of squares is at most `least`. */
lb_value lb_unit_above(lb_builder *b, lb_value x, double least);

/* x [N,D] -> [N,batch]: row i holds the products of sample i with every sample. */
lb_value lb_products(lb_builder *b, const lb_loss_in *in, lb_value x, lb_value with);

lb_value lb_square(lb_builder *b, lb_value x);
/* 1 - x, of the same shape. */
lb_value lb_one_minus(lb_builder *b, lb_value x);
/* x + a number. */
lb_value lb_shift(lb_builder *b, lb_value x, double by);
/* Half the square of x up to 1, then its size less a half (Huber, 1964). */
lb_value lb_huber(lb_builder *b, lb_value x);
/* The mean of (x - y)^2 over all elements. */
lb_value lb_mean_square(lb_builder *b, lb_value x, lb_value y);

#endif
