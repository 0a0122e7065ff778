/* loss_ft.c: factor transfer (Kim et al., 2018).
 *
 *     paper      L = mean |F_t / ||F_t|| - F_s / ||F_s|||, F flattened by sample
 *     attention  the same of vec(mean_c F^2), as a benchmark published it; channels may
 *                differ then
 *     factors    the same of what two trained networks make of the maps, as in the paper,
 *                with `rate` C_t channels:
 *
 *     L = transfer mean |u(F_t) / ||u(F_t)|| - v(F_s) / ||v(F_s)|||
 *         + reconstruction mean (w(u(F_t)) - F_t)^2
 *
 * u and w are the paraphraser, three convolutions 3x3 and three transposed ones, each
 * with a LeakyRelu behind it; it learns the teacher's map by heart and nothing else: no
 * gradient of the transfer flows into it. v is the translator, three convolutions with
 * batch norm. The paper trains the paraphraser first: `transfer` may begin at 0. In the
 * other forms the adapter of the pair is the translator, and the teacher's map stands for
 * itself. */
#include "distill/helper.h"
#include "distill/loss_util.h"

#include <math.h>
#include <stdio.h>

enum { FORM, RATE, TRANSFER, RECONSTRUCTION };
enum { ATTENTION = 1, FACTORS };

static const double slope = 0.1; /* of LeakyRelu */

static const char *const forms[] = {"paper", "attention", "factors", NULL};

static const lb_knob knobs[] = {
    [FORM] = {.name = "form",
              .help = "compares whole maps, where they are active, or what trained "
                      "networks make of them",
              .words = forms},
    [RATE] = {.name = "rate",
              .help = "of factors: their channels, as a share of the teacher's",
              .usual = 0.5,
              .min = 0.01,
              .max = 4},
    [TRANSFER] = {.name = "transfer",
                  .help = "of factors: weight of their distance; {from: 0, after: 5, "
                          "shape: step} trains the paraphraser alone at first",
                  .usual = 1,
                  .min = 0,
                  .max = 1e6,
                  .ramps = true},
    [RECONSTRUCTION] = {.name = "reconstruction",
                        .help = "of factors: weight of the paraphraser's own loss",
                        .usual = 0.01,
                        .min = 0,
                        .max = 1e6},
    {0},
};

static lb_value direction(lb_builder *b, lb_value x)
{
    const lb_value rows = lb_flatten(b, x, NULL);

    return lb_unit(b, rows, 0);
}

static lb_value distance(lb_builder *b, lb_value x, lb_value y)
{
    const lb_value s = direction(b, x);
    const lb_value t = direction(b, y);
    const lb_value gap = lb_sub(b, s, t);
    const lb_value size = lb_abs(b, gap);

    return lb_mean_all(b, size);
}

static lb_value attention_of(lb_builder *b, lb_value x)
{
    const int channels[] = {1};
    const lb_value square = lb_square(b, x);

    return lb_reduce_mean(b, square, channels, 1, false);
}

/* One layer 3x3 of pair `number` with what stands behind it. */
typedef struct stack {
    lb_builder *b;
    const lb_loss_in *in;
    int number;
} stack;

static lb_value layer(const stack *k, lb_value x, const char *part, int channels,
                      bool back)
{
    char name[48];
    const lb_helper conv = {
        .name = name, .channels = channels, .kernel = 3, .pad = 1, .init = LB_INIT_HE};

    snprintf(name, sizeof name, "pair%d/paraphraser/%s", k->number, part);
    const lb_value y = back ? lb_helper_deconv(k->b, k->in, x, &conv)
                            : lb_helper_conv(k->b, k->in, x, &conv);
    return lb_leaky_relu(k->b, y, slope, NULL);
}

static lb_value paraphrase(const stack *k, lb_value t, int factors)
{
    const lb_value first = layer(k, t, "in", lb_dim(k->b, t, 1), false);
    const lb_value second = layer(k, first, "mid", factors, false);

    return layer(k, second, "out", factors, false);
}

static lb_value rebuild(const stack *k, lb_value u, int channels)
{
    const lb_value first = layer(k, u, "back_in", lb_dim(k->b, u, 1), true);
    const lb_value second = layer(k, first, "back_mid", channels, true);

    return layer(k, second, "back_out", channels, true);
}

static lb_value translated(const stack *k, lb_value x, const char *part, int channels)
{
    char name[48], norm[64];
    const lb_helper conv = {.name = name,
                            .channels = channels,
                            .kernel = 3,
                            .pad = 1,
                            .no_bias = true,
                            .init = LB_INIT_HE};

    snprintf(name, sizeof name, "pair%d/translator/%s", k->number, part);
    snprintf(norm, sizeof norm, "%s_norm", name);
    const lb_value y = lb_helper_conv(k->b, k->in, x, &conv);
    const lb_value z = lb_helper_norm(k->b, k->in, y, norm);
    return lb_leaky_relu(k->b, z, slope, NULL);
}

static lb_value translate(const stack *k, lb_value s, int factors)
{
    const lb_value first = translated(k, s, "in", lb_dim(k->b, s, 1));
    const lb_value second = translated(k, first, "mid", factors);

    return translated(k, second, "out", factors);
}

static lb_value of_factors(lb_builder *b, const lb_loss_in *in, lb_pair pair, int number)
{
    const stack k = {b, in, number};
    const lb_pair same = lb_same_places(b, pair);
    const int channels = lb_dim(b, same.teacher, 1);
    const int wanted = (int)lround(in->knobs[RATE] * channels);
    const int factors = wanted > 0 ? wanted : 1;
    const lb_value u = paraphrase(&k, same.teacher, factors);
    const lb_value rebuilt = rebuild(&k, u, channels);
    const lb_value miss = lb_mean_square(b, rebuilt, same.teacher);
    const lb_value v = translate(&k, same.student, factors);
    const lb_value told = lb_stop_gradient(b, u);
    const lb_value gap = distance(b, v, told);
    const lb_value transfer = lb_by_knob(b, in, gap, TRANSFER, 1);
    const lb_value own = lb_scale(b, miss, in->knobs[RECONSTRUCTION]);

    return lb_add(b, transfer, own);
}

static lb_value of_pair(lb_builder *b, const lb_loss_in *in, lb_pair pair, int number)
{
    if (in->knobs[FORM] == FACTORS)
        return of_factors(b, in, pair, number);
    if (in->knobs[FORM] != ATTENTION)
        return distance(b, pair.student, pair.teacher);
    const lb_pair same = lb_same_places(b, pair);
    const lb_value s = attention_of(b, same.student);
    const lb_value t = attention_of(b, same.teacher);
    return distance(b, s, t);
}

static lb_value build(lb_builder *b, const lb_loss_in *in)
{
    lb_value sum = {0};

    for (int i = 0; i < in->n_hints; i++) {
        const lb_value one = of_pair(b, in, in->hints[i], i + 1);
        sum = i == 0 ? one : lb_add(b, sum, one);
    }
    return sum;
}

static bool brings_layers(const double *set)
{
    return set[FORM] == FACTORS;
}

static bool refuse(const lb_builder *b, const lb_loss_in *in, char why[LB_REFUSAL_TEXT])
{
    if (in->knobs[FORM] == FACTORS)
        return lb_refuse_maps(b, in, why);
    return in->knobs[FORM] == ATTENTION ? lb_refuse_planes(b, in, why)
                                        : lb_refuse_shapes(b, in, why);
}

static const lb_preset presets[] = {
    {.name = "repdistiller", .weight = 200, .form = "attention"},
    {.name = "kd-zoo", .weight = 200, .form = "paper"},
    {.name = "torchdistill", .weight = 1000, .form = "paper"},
    {0},
};

const lb_loss lb_loss_ft = {
    .name = "ft",
    .help = "the direction of the teacher's feature maps",
    .source = "Kim et al., 2018",
    .needs = LB_NEEDS_HINTS,
    .match = LB_MATCH_SHAPE,
    .brings_layers = brings_layers,
    .automatic = LB_AUTO_LAST,
    .knobs = knobs,
    .refuse = refuse,
    .build = build,
    .presets = presets,
};
