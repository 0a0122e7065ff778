/* loss_ab.c: activation boundaries (Heo et al., 2019): which neurons are on.
 *
 *     a neuron that is off at the teacher (t <= 0) is pushed below -margin, one that is
 *     on is pushed above margin; the square of what is missing counts
 *     per-sample  L = mean over samples, channels and places
 *     published   L = sum / B (without the constants 3/1000 and 2^(i-L+1) of the code)
 *
 * For taps before the activation: behind a Relu no neuron is below 0. */
#include "distill/loss_util.h"

enum { FORM, MARGIN };

static const lb_knob knobs[] = {
    [FORM] = {.name = "form", .help = lb_form_help, .words = lb_form_words},
    [MARGIN] = {.name = "margin",
                .help = "how far from 0 a neuron shall be",
                .usual = 1,
                .min = 0,
                .max = 100},
    {0},
};

/* max(margin + s, 0)^2 where off, max(margin - s, 0)^2 where on. */
static lb_value of_pair(lb_builder *b, const lb_loss_in *in, lb_pair pair)
{
    const lb_value is_on = lb_step_above(b, pair.teacher, 0);
    const lb_value twice = lb_scale(b, is_on, 2);
    const lb_value sign = lb_one_minus(b, twice);
    const lb_value towards = lb_mul(b, sign, pair.student);
    const lb_value missing = lb_shift(b, towards, in->knobs[MARGIN]);
    const lb_value counted = lb_relu(b, missing, NULL);
    const lb_value square = lb_square(b, counted);
    const lb_value mean = lb_mean_all(b, square);

    return lb_of_map_form(b, in, FORM, mean, pair.student);
}

static lb_value build(lb_builder *b, const lb_loss_in *in)
{
    return lb_sum_pairs(b, in, of_pair);
}

static const lb_preset presets[] = {
    {.name = "repdistiller",
     .weight = 0.003, /* 1, and the factor 3/1000 that is within the published loss */
     .form = "published",
     .unit = LB_PRESET_ELEMENTS,
     .with =
         "margin 1, a stage of its own of 30 epochs, half as much of each earlier map"},
    {.name = "kd-zoo",
     .weight = 10,
     .form = "per-sample",
     .averages = true,
     .with = "margin 2, a stage of its own of 50 epochs"},
    {0},
};

const lb_loss lb_loss_ab = {
    .name = "ab",
    .help = "which of the teacher's neurons are on, before the activation",
    .source = "Heo et al., 2019 (activation boundaries)",
    .needs = LB_NEEDS_HINTS,
    .match = LB_MATCH_SHAPE,
    .automatic = LB_AUTO_BEFORE,
    .knobs = knobs,
    .refuse = lb_refuse_shapes,
    .build = build,
    .presets = presets,
};
