/* loss_ft.c: factor transfer (Kim et al., 2018).
 *
 *     paper      L = mean |F_t / ||F_t|| - F_s / ||F_s|||, F flattened by sample
 *     attention  the same of vec(mean_c F^2), as a benchmark published it; channels may
 *                differ then
 *
 * The paper compares factors that two trained networks, paraphraser and translator, make
 * of the maps; here the adapter of the pair is the translator, and the teacher's map
 * stands for itself. */
#include "distill/loss_util.h"

enum { FORM };
enum { ATTENTION = 1 };

static const char *const forms[] = {"paper", "attention", NULL};

static const lb_knob knobs[] = {
    [FORM] = {.name = "form",
              .help = "compares whole maps, or where they are active",
              .words = forms},
    {0},
};

static lb_value factor(lb_builder *b, lb_value x, bool attention)
{
    const int channels[] = {1};
    lb_value of = x;

    if (attention) {
        const lb_value square = lb_square(b, x);
        of = lb_reduce_mean(b, square, channels, 1, false);
    }
    const lb_value rows = lb_flatten(b, of, NULL);
    return lb_unit(b, rows, 0);
}

static lb_value of_pair(lb_builder *b, const lb_loss_in *in, lb_pair pair)
{
    const bool attention = in->knobs[FORM] == ATTENTION;
    const lb_pair same = attention ? lb_same_places(b, pair) : pair;
    const lb_value s = factor(b, same.student, attention);
    const lb_value t = factor(b, same.teacher, attention);
    const lb_value gap = lb_sub(b, s, t);
    const lb_value size = lb_abs(b, gap);

    return lb_mean_all(b, size);
}

static lb_value build(lb_builder *b, const lb_loss_in *in)
{
    return lb_sum_pairs(b, in, of_pair);
}

static bool refuse(const lb_builder *b, const lb_loss_in *in, char why[LB_REFUSAL_TEXT])
{
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
    .automatic = LB_AUTO_LAST,
    .knobs = knobs,
    .refuse = refuse,
    .build = build,
    .presets = presets,
};
