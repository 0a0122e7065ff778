/* loss_vid.c: variational information distillation (Ahn et al., 2019): how well the
 * teacher's map can be told from the student's.
 *
 *     L = mean 1/2 [ (m(F_s) - F_t)^2 / v_c + log v_c ],   v_c = softplus(r_c) + 1e-5
 *
 * summed over pairs of layers. m is three 1x1 convolutions with Relu between, to and
 * among the teacher's channels; it and a variance for each channel, 5 at first, are
 * trained with the student and are in no export. The loss may fall below 0. */
#include "distill/helper.h"
#include "distill/loss_util.h"

#include <math.h>
#include <stdio.h>

static const double least_variance = 1e-5, first_variance = 5;

static lb_value convolve(lb_builder *b, const lb_loss_in *in, lb_value x, int channels,
                         int pair, int layer)
{
    char name[32];
    const lb_helper conv = {
        .name = name, .channels = channels, .kernel = 1, .init = LB_INIT_HE};

    snprintf(name, sizeof name, "pair%d/conv%d", pair, layer);
    return lb_helper_conv(b, in, x, &conv);
}

static lb_value mean_of(lb_builder *b, const lb_loss_in *in, lb_pair pair, int number)
{
    const int channels = lb_dim(b, pair.teacher, 1);
    const lb_value first = convolve(b, in, pair.student, channels, number, 1);
    const lb_value on = lb_relu(b, first, NULL);
    const lb_value second = convolve(b, in, on, channels, number, 2);
    const lb_value again = lb_relu(b, second, NULL);

    return convolve(b, in, again, channels, number, 3);
}

/* [C,1,...]. */
static lb_value variance_of(lb_builder *b, const lb_loss_in *in, lb_pair pair, int number)
{
    const double raw = log(expm1(first_variance - least_variance));
    lb_shape shape = {.rank = lb_rank(b, pair.teacher) - 1};
    char name[32];

    for (int i = 0; i < shape.rank; i++)
        shape.dim[i] = i == 0 ? lb_dim(b, pair.teacher, 1) : 1;
    snprintf(name, sizeof name, "pair%d/variance", number);
    const lb_value r =
        lb_loss_param(b, in, name, &shape, (lb_init){.value = raw, .no_decay = true});
    const lb_value positive = lb_softplus(b, r);
    return lb_shift(b, positive, least_variance);
}

static lb_value build(lb_builder *b, const lb_loss_in *in)
{
    lb_value sum = {0};

    for (int i = 0; i < in->n_hints; i++) {
        const lb_pair same = lb_same_places(b, in->hints[i]);
        const lb_value mean = mean_of(b, in, same, i + 1);
        const lb_value variance = variance_of(b, in, same, i + 1);
        const lb_value off = lb_sub(b, mean, same.teacher);
        const lb_value square = lb_square(b, off);
        const lb_value scaled = lb_div(b, square, variance);
        const lb_value misses = lb_mean_all(b, scaled);
        const lb_value entropy = lb_ln(b, variance);
        const lb_value doubt = lb_mean_all(b, entropy);
        const lb_value both = lb_add(b, misses, doubt);
        sum = i == 0 ? both : lb_add(b, sum, both);
    }
    return lb_scale(b, sum, 0.5);
}

static const lb_preset presets[] = {
    {.name = "repdistiller", .weight = 1},
    {.name = "mdistiller", .weight = 1},
    {.name = "kd-zoo", .weight = 1, .averages = true},
    {0},
};

const lb_loss lb_loss_vid = {
    .name = "vid",
    .help = "how well the teacher's feature maps can be told from the student's",
    .source = "Ahn et al., 2019",
    .needs = LB_NEEDS_HINTS | LB_NEEDS_HELPER,
    .match = LB_MATCH_PLANE,
    .automatic = LB_AUTO_STAGES,
    .refuse = lb_refuse_maps,
    .build = build,
    .presets = presets,
};
