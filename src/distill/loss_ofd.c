/* loss_ofd.c: a comprehensive overhaul of feature distillation (Heo et al., 2019).
 *
 *     t' = max(t, m_c);   (s - t')^2, but 0 where s <= t' <= 0
 *     per-sample  L = mean over samples, channels and places
 *     published   L = sum / B (without the 1/1000 and 2^(i-L+1) of the code)
 *
 * For taps before the activation. m_c, the mean of a channel's negative activations, is
 * the batch's own (the paper takes it from the teacher's batch norm, which a folded
 * network no longer has), unless `margin` gives one number for all channels. */
#include "distill/loss_util.h"

enum { FORM, MARGIN };

static const lb_knob knobs[] = {
    [FORM] = {.name = "form", .help = lb_form_help, .words = lb_form_words},
    [MARGIN] = {.name = "margin",
                .help = "what negative activations are cut at; 0: their mean, by channel",
                .usual = 0,
                .min = -100,
                .max = 0},
    {0},
};

/* [1,C,1,...]: the mean of negative activations of each channel; 0 where there is none.
 */
static lb_value mean_negative(lb_builder *b, lb_value t)
{
    const int rank = lb_rank(b, t);
    lb_shape shape = lb_type_of(b, t).shape;
    int axes[LB_MAX_RANK], n = 0;

    for (int i = 0; i < rank; i++)
        if (i != 1) {
            axes[n++] = i;
            shape.dim[i] = 1;
        }
    const lb_value minus = lb_neg(b, t);
    const lb_value size = lb_relu(b, minus, NULL);
    const lb_value is_negative = lb_step_above(b, minus, 0);
    const lb_value sum = lb_reduce_sum(b, size, axes, n, false);
    const lb_value found = lb_reduce_sum(b, is_negative, axes, n, false);
    const lb_value one = lb_scalar(b, lb_type_of(b, t).dtype, 1);
    const lb_value count = lb_max(b, found, one);
    const lb_value mean = lb_div(b, sum, count);
    const lb_value margin = lb_neg(b, mean);
    return lb_reshape(b, margin, &shape);
}

static lb_value of_pair(lb_builder *b, const lb_loss_in *in, lb_pair pair)
{
    const lb_dtype dtype = lb_type_of(b, pair.teacher).dtype;
    const double fixed = in->knobs[MARGIN];
    const lb_value margin =
        fixed < 0 ? lb_scalar(b, dtype, fixed) : mean_negative(b, pair.teacher);
    const lb_value target = lb_max(b, pair.teacher, margin);
    const lb_value is_on = lb_step_above(b, target, 0);
    const lb_value over = lb_sub(b, pair.student, target);
    const lb_value under = lb_neg(b, over);

    /* what is above the target always counts, what is below it only where that is on */
    const lb_value above = lb_relu(b, over, NULL);
    const lb_value below = lb_relu(b, under, NULL);
    const lb_value counted = lb_mul(b, below, is_on);
    const lb_value gap = lb_add(b, above, counted);
    const lb_value square = lb_square(b, gap);
    const lb_value mean = lb_mean_all(b, square);
    return lb_of_map_form(b, in, FORM, mean, pair.student);
}

static lb_value build(lb_builder *b, const lb_loss_in *in)
{
    return lb_sum_pairs(b, in, of_pair);
}

static const lb_preset presets[] = {
    {.name = "mdistiller",
     .weight = 0.001,
     .form = "published",
     .unit = LB_PRESET_ELEMENTS,
     .with = "half as much of each earlier map"},
    {.name = "kd-zoo", .weight = 0.5, .form = "per-sample", .averages = true},
    {0},
};

const lb_loss lb_loss_ofd = {
    .name = "ofd",
    .help = "the teacher's feature maps before the activation, the negative cut off",
    .source = "Heo et al., 2019 (overhaul)",
    .needs = LB_NEEDS_HINTS,
    .match = LB_MATCH_SHAPE,
    .automatic = LB_AUTO_BEFORE,
    .knobs = knobs,
    .refuse = lb_refuse_shapes,
    .build = build,
    .presets = presets,
};
