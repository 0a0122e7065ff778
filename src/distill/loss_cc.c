/* loss_cc.c: correlation congruence (Peng et al., 2019), Gaussian kernel between samples.
 *
 *     K_ij = exp(-2 gamma) sum_{p <= order} (2 gamma)^p / p! (e_i . e_j)^p
 *     L = mean_ij (K_s - K_t)^2
 *
 * on embeddings e of length 1: Taylor's series of exp(-gamma ||e_i - e_j||^2). Both sides
 * are compared within themselves, so their widths may differ. With `dimension` the
 * embeddings are linear maps to that many numbers: the student's is trained, the
 * teacher's is random and stays, for with a trained one on both sides the loss is 0 when
 * both collapse. */
#include "distill/helper.h"
#include "distill/loss_util.h"

#include <math.h>

enum { GAMMA, ORDER, DIMENSION };

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
    [DIMENSION] = {.name = "dimension",
                   .help =
                       "compares linear maps to so many numbers (published: 128), the "
                       "student's trained, the teacher's random; 0: the layers as "
                       "they are",
                   .usual = 0,
                   .min = 0,
                   .max = 65536},
    {0},
};

/* Horner's scheme: 1 + x (1 + x / 2 (1 + x / 3 ...)), x = 2 gamma cos. */
static lb_value kernel(lb_builder *b, const lb_loss_in *in, lb_value x)
{
    const double gamma = in->knobs[GAMMA];
    const lb_value unit = lb_unit(b, x, 0);
    const lb_value cosine = lb_products(b, in, unit, unit);
    lb_value sum = {0};

    for (int p = (int)in->knobs[ORDER] + 1; p >= 1; p--) {
        const lb_value step = lb_scale(b, cosine, 2 * gamma / p);
        const lb_value term = sum.id ? lb_mul(b, step, sum) : step;
        sum = lb_shift(b, term, 1);
    }
    return lb_scale(b, sum, exp(-2 * gamma));
}

static lb_value build(lb_builder *b, const lb_loss_in *in)
{
    const int dimension = (int)in->knobs[DIMENSION];
    lb_value sum = {0};

    for (int i = 0; i < in->n_hints; i++) {
        const lb_pair rows = lb_helper_embed(b, in, in->hints[i], i + 1, dimension, true);
        const lb_value s = kernel(b, in, rows.student), t = kernel(b, in, rows.teacher);
        const lb_value one = lb_mean_square(b, s, t);
        sum = i == 0 ? one : lb_add(b, sum, one);
    }
    return sum;
}

static bool brings_layers(const double *set)
{
    return set[DIMENSION] > 0;
}

static bool refuse(const lb_builder *b, const lb_loss_in *in, char why[LB_REFUSAL_TEXT])
{
    (void)b;
    return lb_refuse_dimension(in->knobs[DIMENSION], why);
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
    .brings_layers = brings_layers,
    .automatic = LB_AUTO_ROWS,
    .knobs = knobs,
    .min_batch = 8,
    .instead = "'kd' or 'hint'",
    .refuse = refuse,
    .build = build,
    .presets = presets,
};
