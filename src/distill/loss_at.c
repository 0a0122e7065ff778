/* loss_at.c: attention transfer (Zagoruyko and Komodakis, 2017): where a map is active.
 *
 *     Q = vec(mean_c |F|^power), of length 1
 *     per-sample  L = mean_b sum_hw (Q_s - Q_t)^2
 *     published   the mean over H W instead of the sum, as in the authors' code
 *     paper       L = mean_b ||Q_s - Q_t||, the paper's (beta / 2 is the weight's)
 *
 * summed over pairs of layers. Channels may differ; the larger plane is averaged down to
 * the smaller before powers are taken. A dead map has no attention and no gradient. */
#include "distill/loss_util.h"

enum { FORM, POWER };
enum { PAPER = LB_FORM_PUBLISHED + 1 };

static const char *const forms[] = {"per-sample", "published", "paper", NULL};

static const lb_knob knobs[] = {
    [FORM] = {.name = "form",
              .help = "sum over places, their mean (the authors' code), or a distance "
                      "(their paper)",
              .words = forms},
    [POWER] = {.name = "power",
               .help = "of the activations whose mean over channels is compared",
               .usual = 2,
               .min = 1,
               .max = 8},
    {0},
};

static lb_value attention(lb_builder *b, lb_value x, double power)
{
    const int channels[] = {1};
    const lb_value size = power == 2 ? x : lb_abs(b, x);
    const lb_value strength = power == 2   ? lb_square(b, x)
                              : power == 1 ? size
                                           : lb_pow(b, size, power);
    const lb_value mean = lb_reduce_mean(b, strength, channels, 1, false);
    const lb_value places = lb_flatten(b, mean, NULL);

    return lb_unit(b, places, 0);
}

static lb_value of_pair(lb_builder *b, const lb_loss_in *in, lb_pair pair)
{
    const int form = (int)in->knobs[FORM];
    const lb_pair same = lb_same_places(b, pair);
    const lb_value s = attention(b, same.student, in->knobs[POWER]);
    const lb_value t = attention(b, same.teacher, in->knobs[POWER]);
    const lb_value gap = lb_sub(b, s, t);

    if (form == PAPER) {
        const lb_value distance = lb_length(b, gap, 1e-24);
        return lb_mean_all(b, distance);
    }
    const lb_value square = lb_square(b, gap);
    const lb_value mean = lb_mean_all(b, square);
    return form == LB_FORM_PUBLISHED ? mean : lb_scale(b, mean, lb_dim(b, s, 1));
}

static lb_value build(lb_builder *b, const lb_loss_in *in)
{
    return lb_sum_pairs(b, in, of_pair);
}

static const lb_preset presets[] = {
    {.name = "repdistiller",
     .weight = 1000,
     .form = "published",
     .unit = LB_PRESET_PLACES,
     .with = "power 2"},
    {.name = "mdistiller",
     .weight = 1000,
     .form = "published",
     .unit = LB_PRESET_PLACES,
     .with = "power 2"},
    {.name = "kd-zoo",
     .weight = 1000,
     .form = "published",
     .unit = LB_PRESET_PLACES,
     .averages = true,
     .with = "power 2"},
    {.name = "torchdistill",
     .weight = 1000,
     .form = "published",
     .unit = LB_PRESET_PLACES,
     .with = "power 2"},
    {0},
};

const lb_loss lb_loss_at = {
    .name = "at",
    .help = "where the teacher's feature maps are active",
    .source = "Zagoruyko and Komodakis, 2017",
    .needs = LB_NEEDS_HINTS,
    .match = LB_MATCH_PLANE,
    .automatic = LB_AUTO_STAGES,
    .knobs = knobs,
    .refuse = lb_refuse_planes,
    .build = build,
    .presets = presets,
};
