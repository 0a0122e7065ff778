/* loss_cc.c: correlation congruence (Peng et al., 2019), Gaussian kernel between samples.
 *
 *     K_ij = exp(-2 gamma) sum_{p <= order} (2 gamma)^p / p! (e_i . e_j)^p
 *     L = mean_ij (K_s - K_t)^2
 *
 * on embeddings e of length 1: Taylor's series of exp(-gamma ||e_i - e_j||^2). Both sides
 * are compared within themselves, so their widths may differ and nothing is trained: with
 * a trained embedding on both sides the loss is 0 when both collapse. */
#include "distill/loss_util.h"

#include <math.h>

enum { GAMMA, ORDER };

static const char *const orders[] = {"1", "2", "3", "4", NULL};

static const lb_knob knobs[] = {
    [GAMMA] = {.name = "gamma",
               .help = "how fast likeness falls off with distance",
               .usual = 0.4,
               .min = 0.001,
               .max = 10},
    [ORDER] = {.name = "order",
               .help = "the highest power of the series",
               .usual = 1,
               .words = orders},
    {0},
};

/* Horner's scheme: 1 + x (1 + x / 2 (1 + x / 3 ...)), x = 2 gamma cos. */
static lb_value kernel(lb_builder *b, const lb_loss_in *in, lb_value x)
{
    const double gamma = in->knobs[GAMMA];
    const lb_value rows = lb_flatten(b, x, NULL);
    const lb_value unit = lb_unit(b, rows, 0);
    const lb_value cosine = lb_products(b, in, unit, unit);
    lb_value sum = {0};

    for (int p = (int)in->knobs[ORDER] + 1; p >= 1; p--) {
        const lb_value step = lb_scale(b, cosine, 2 * gamma / p);
        const lb_value term = sum.id ? lb_mul(b, step, sum) : step;
        sum = lb_shift(b, term, 1);
    }
    return lb_scale(b, sum, exp(-2 * gamma));
}

static lb_value of_pair(lb_builder *b, const lb_loss_in *in, lb_pair pair)
{
    const lb_value s = kernel(b, in, pair.student), t = kernel(b, in, pair.teacher);

    return lb_mean_square(b, s, t);
}

static lb_value build(lb_builder *b, const lb_loss_in *in)
{
    return lb_sum_pairs(b, in, of_pair);
}

static const lb_preset presets[] = {
    {.name = "kd-zoo", .weight = 100, .with = "gamma 0.4, order 2"},
    {0},
};

const lb_loss lb_loss_cc = {
    .name = "cc",
    .help = "how alike the teacher finds the samples of a batch, by a Gaussian kernel",
    .source = "Peng et al., 2019",
    .needs = LB_NEEDS_HINTS,
    .match = LB_MATCH_ANY,
    .automatic = LB_AUTO_ROWS,
    .knobs = knobs,
    .min_batch = 8,
    .instead = "'kd' or 'hint'",
    .build = build,
    .presets = presets,
};
