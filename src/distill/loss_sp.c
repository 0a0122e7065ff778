/* loss_sp.c: similarity preserving (Tung and Mori, 2019): which samples are alike.
 *
 *     G = F F^T over the batch, F flattened; rows G~ of length 1
 *     per-sample  L = (1/B) sum_ij (G~_s - G~_t)^2
 *     published   1/B^2 instead
 *
 * Shapes may differ in everything. Needs a batch in which samples can be compared. */
#include "distill/loss_util.h"

enum { FORM };

static const lb_knob knobs[] = {
    [FORM] = {.name = "form", .help = lb_form_help, .words = lb_form_words},
    {0},
};

static lb_value likeness(lb_builder *b, const lb_loss_in *in, lb_value x)
{
    const lb_value rows = lb_flatten(b, x, NULL);
    const lb_value products = lb_products(b, in, rows, rows);

    return lb_unit(b, products, 0);
}

static lb_value of_pair(lb_builder *b, const lb_loss_in *in, lb_pair pair)
{
    const lb_value s = likeness(b, in, pair.student), t = likeness(b, in, pair.teacher);
    const lb_value mean = lb_mean_square(b, s, t);

    return in->knobs[FORM] == LB_FORM_PUBLISHED ? mean : lb_scale(b, mean, in->batch);
}

static lb_value build(lb_builder *b, const lb_loss_in *in)
{
    return lb_sum_pairs(b, in, of_pair);
}

static const lb_preset presets[] = {
    {.name = "repdistiller",
     .weight = 3000,
     .form = "published",
     .unit = LB_PRESET_BATCH,
     .batch = 64},
    {.name = "mdistiller",
     .weight = 3000,
     .form = "published",
     .unit = LB_PRESET_BATCH,
     .batch = 64},
    {.name = "kd-zoo",
     .weight = 3000,
     .form = "published",
     .unit = LB_PRESET_BATCH,
     .batch = 128,
     .averages = true},
    {0},
};

const lb_loss lb_loss_sp = {
    .name = "sp",
    .help = "which samples of a batch the teacher finds alike",
    .source = "Tung and Mori, 2019",
    .needs = LB_NEEDS_HINTS,
    .match = LB_MATCH_ANY,
    .automatic = LB_AUTO_LAST,
    .knobs = knobs,
    .min_batch = 8,
    .instead = "'kd' or 'at'",
    .build = build,
    .presets = presets,
};
