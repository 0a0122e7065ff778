/* loss_pkt.c: probabilistic knowledge transfer (Passalis and Tefas, 2018): how likely a
 * sample is another's neighbour.
 *
 *     s_ij = (1 + cos(e_i, e_j)) / 2, rows made to sum to 1
 *     per-sample  L = (1/B) sum_ij t_ij log((t_ij + eps) / (s_ij + eps)), eps 1e-7
 *     published   1/B^2 instead */
#include "distill/loss_util.h"

enum { FORM };

static const double eps = 1e-7;

static const lb_knob knobs[] = {
    [FORM] = {.name = "form", .help = lb_form_help, .words = lb_form_words},
    {0},
};

static lb_value neighbours(lb_builder *b, const lb_loss_in *in, lb_value x)
{
    const int last[] = {1};
    const lb_value rows = lb_flatten(b, x, NULL);
    const lb_value unit = lb_unit(b, rows, eps);
    const lb_value cosine = lb_products(b, in, unit, unit);
    const lb_value twice = lb_shift(b, cosine, 1);
    const lb_value near = lb_scale(b, twice, 0.5);
    const lb_value sum = lb_reduce_sum(b, near, last, 1, true);

    return lb_div(b, near, sum);
}

static lb_value log_of(lb_builder *b, lb_value p)
{
    const lb_value more = lb_shift(b, p, eps);

    return lb_ln(b, more);
}

static lb_value of_pair(lb_builder *b, const lb_loss_in *in, lb_pair pair)
{
    const lb_value s = neighbours(b, in, pair.student);
    const lb_value t = neighbours(b, in, pair.teacher);
    const lb_value log_s = log_of(b, s), log_t = log_of(b, t);
    const lb_value gap = lb_sub(b, log_t, log_s);
    const lb_value weighted = lb_mul(b, t, gap);
    const lb_value mean = lb_mean_all(b, weighted);

    return in->knobs[FORM] == LB_FORM_PUBLISHED ? mean : lb_scale(b, mean, in->batch);
}

static lb_value build(lb_builder *b, const lb_loss_in *in)
{
    return lb_sum_pairs(b, in, of_pair);
}

static const lb_preset presets[] = {
    {.name = "repdistiller",
     .weight = 30000,
     .form = "published",
     .unit = LB_PRESET_BATCH,
     .batch = 64},
    {.name = "mdistiller",
     .weight = 30000,
     .form = "published",
     .unit = LB_PRESET_BATCH,
     .batch = 64},
    {.name = "kd-zoo",
     .weight = 10000,
     .form = "published",
     .unit = LB_PRESET_BATCH,
     .batch = 128},
    {0},
};

const lb_loss lb_loss_pkt = {
    .name = "pkt",
    .help = "how near to each other the teacher finds the samples of a batch",
    .source = "Passalis and Tefas, 2018",
    .needs = LB_NEEDS_HINTS,
    .match = LB_MATCH_ANY,
    .automatic = LB_AUTO_ROWS,
    .knobs = knobs,
    .min_batch = 8,
    .instead = "'kd' or 'hint'",
    .build = build,
    .presets = presets,
};
