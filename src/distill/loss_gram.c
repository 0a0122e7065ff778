/* loss_gram.c: how channels go together (the Gram matrices of Gatys et al., 2016).
 *
 *     G = F F^T / (H W), [C,C] of a sample;   L = mean (G_s - G_t)^2
 *
 * the mean over samples and both channel axes; summed over pairs of layers. G grows with
 * the square of the activations, so the loss with their fourth power: 'nst' does not. */
#include "distill/loss_util.h"

static lb_value channels(lb_builder *b, lb_value x)
{
    const lb_value planes = lb_planes(b, x);
    const lb_value columns = lb_swap_last(b, planes);
    const lb_value products = lb_matmul(b, planes, columns);

    return lb_scale(b, products, 1.0 / lb_dim(b, planes, 2));
}

static lb_value of_pair(lb_builder *b, const lb_loss_in *in, lb_pair pair)
{
    const lb_value s = channels(b, pair.student), t = channels(b, pair.teacher);

    (void)in;
    return lb_mean_square(b, s, t);
}

static lb_value build(lb_builder *b, const lb_loss_in *in)
{
    return lb_sum_pairs(b, in, of_pair);
}

const lb_loss lb_loss_gram = {
    .name = "gram",
    .help = "which of the teacher's channels are active together",
    .source = "Gatys et al., 2016",
    .needs = LB_NEEDS_HINTS,
    .match = LB_MATCH_SHAPE,
    .automatic = LB_AUTO_LAST,
    .refuse = lb_refuse_channels,
    .build = build,
};
