/* loss_fsp.c: the flow of solution procedure (Yim et al., 2017): what a network does
 * between two of its layers.
 *
 *     G = F_1 F_2^T / (H W), [C_1,C_2] of a sample;   L = mean (G_s - G_t)^2
 *
 * for the first and second layer, the second and third, and so on, summed; the larger
 * plane of the two is averaged down to the smaller. */
#include "distill/loss_util.h"

#include <stdio.h>

static lb_value flow(lb_builder *b, lb_value first, lb_value second)
{
    const lb_pair same = lb_same_places(b, (lb_pair){first, second});
    const lb_value from = lb_planes(b, same.student), to = lb_planes(b, same.teacher);
    const lb_value columns = lb_swap_last(b, to);
    const lb_value products = lb_matmul(b, from, columns);

    return lb_scale(b, products, 1.0 / lb_dim(b, from, 2));
}

static lb_value build(lb_builder *b, const lb_loss_in *in)
{
    lb_value sum = {0};

    for (int i = 0; i + 1 < in->n_hints; i++) {
        const lb_pair *const now = &in->hints[i], *const next = &in->hints[i + 1];
        const lb_value s = flow(b, now->student, next->student);
        const lb_value t = flow(b, now->teacher, next->teacher);
        const lb_value one = lb_mean_square(b, s, t);
        sum = i == 0 ? one : lb_add(b, sum, one);
    }
    return sum;
}

/* The planes of two layers of one network. */
static bool do_not_fit(const lb_builder *b, lb_value first, lb_value second,
                       char why[LB_REFUSAL_TEXT])
{
    if (lb_rank(b, first) == lb_rank(b, second) && lb_planes_fit(b, first, second))
        return false;
    snprintf(why, LB_REFUSAL_TEXT,
             "the planes of a network's layers must be whole multiples of each other; "
             "name other layers, or use 'gram'");
    return true;
}

static bool refuse(const lb_builder *b, const lb_loss_in *in, char why[LB_REFUSAL_TEXT])
{
    if (in->n_hints < 2) {
        snprintf(why, LB_REFUSAL_TEXT,
                 "it compares what happens between layers, and there is only one pair; "
                 "name two, or use 'gram'");
        return true;
    }
    if (lb_refuse_channels(b, in, why))
        return true;
    for (int i = 0; i + 1 < in->n_hints; i++)
        if (do_not_fit(b, in->hints[i].student, in->hints[i + 1].student, why) ||
            do_not_fit(b, in->hints[i].teacher, in->hints[i + 1].teacher, why))
            return true;
    return false;
}

static const lb_preset presets[] = {
    {.name = "repdistiller", .weight = 50, .with = "a stage of its own of 30 epochs"},
    {.name = "kd-zoo",
     .weight = 1,
     .averages = true,
     .with = "a stage of its own of 50 epochs"},
    {0},
};

const lb_loss lb_loss_fsp = {
    .name = "fsp",
    .help = "what the teacher does between one layer and the next",
    .source = "Yim et al., 2017",
    .needs = LB_NEEDS_HINTS,
    .match = LB_MATCH_SHAPE,
    .automatic = LB_AUTO_STAGES,
    .refuse = refuse,
    .build = build,
    .presets = presets,
};
