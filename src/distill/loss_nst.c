/* loss_nst.c: neuron selectivity transfer (Huang and Wang, 2017), polynomial kernel of
 * degree 2 between channels.
 *
 *     L = (1/B) sum_b [ mean (f_t . f_t')^2 + mean (f_s . f_s')^2 - 2 mean (f_s . f_t)^2
 * ]
 *
 * with f a channel's places as a vector of length 1. The same number is
 * (1/B) sum_b || A^T A / C_s - T^T T / C_t ||^2, A [C_s,P] and T [C_t,P]: a match of P x
 * P matrices, which is taken where it needs less memory. */
#include "distill/loss_util.h"

static lb_value places(lb_builder *b, lb_value x)
{
    const lb_value columns = lb_swap_last(b, x);
    const lb_value products = lb_matmul(b, columns, x);

    return lb_scale(b, products, 1.0 / lb_dim(b, x, 1));
}

static lb_value by_places(lb_builder *b, lb_value s, lb_value t)
{
    const double size = (double)lb_dim(b, s, 2) * lb_dim(b, s, 2);
    const lb_value of_s = places(b, s), of_t = places(b, t);
    const lb_value mean = lb_mean_square(b, of_s, of_t);

    return lb_scale(b, mean, size);
}

/* The mean of (f_x . f_y)^2 over all pairs of channels. */
static lb_value kernel(lb_builder *b, lb_value x, lb_value y)
{
    const lb_value columns = lb_swap_last(b, y);
    const lb_value products = lb_matmul(b, x, columns);
    const lb_value square = lb_square(b, products);

    return lb_mean_all(b, square);
}

static lb_value by_channels(lb_builder *b, lb_value s, lb_value t)
{
    const lb_value of_t = kernel(b, t, t), of_s = kernel(b, s, s);
    const lb_value across = kernel(b, s, t);
    const lb_value own = lb_add(b, of_t, of_s);
    const lb_value twice = lb_scale(b, across, 2);

    return lb_sub(b, own, twice);
}

static lb_value of_pair(lb_builder *b, const lb_loss_in *in, lb_pair pair)
{
    const lb_pair same = lb_same_places(b, pair);
    const lb_value planes_s = lb_planes(b, same.student);
    const lb_value planes_t = lb_planes(b, same.teacher);
    const lb_value s = lb_unit(b, planes_s, 0), t = lb_unit(b, planes_t, 0);
    const double c_s = lb_dim(b, s, 1), c_t = lb_dim(b, t, 1), p = lb_dim(b, s, 2);

    (void)in;
    return 2 * p * p <= c_s * c_s + c_t * c_t + c_s * c_t ? by_places(b, s, t)
                                                          : by_channels(b, s, t);
}

static lb_value build(lb_builder *b, const lb_loss_in *in)
{
    return lb_sum_pairs(b, in, of_pair);
}

static const lb_preset presets[] = {
    {.name = "repdistiller", .weight = 50},
    {.name = "mdistiller", .weight = 50},
    {.name = "kd-zoo", .weight = 10},
    {0},
};

const lb_loss lb_loss_nst = {
    .name = "nst",
    .help = "which places the teacher's channels select together",
    .source = "Huang and Wang, 2017",
    .needs = LB_NEEDS_HINTS,
    .match = LB_MATCH_PLANE,
    .automatic = LB_AUTO_STAGES,
    .refuse = lb_refuse_planes,
    .build = build,
    .presets = presets,
};
