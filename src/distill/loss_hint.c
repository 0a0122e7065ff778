/* loss_hint.c: layers that answer alike (FitNets: Romero et al., 2015, section 2.2).
 *
 *     L = sum_p mean (r_p(F_s) - F_t)^2
 *
 * over pairs p of layers; the mean is over samples, channels and places. r_p is the
 * adapter, a layer that is trained with the student where the shapes differ. The paper's
 * sum of squares is this times C H W / 2. */
#include "distill/loss_util.h"

static const lb_preset presets[] = {
    {.name = "repdistiller", .weight = 100},
    {.name = "mdistiller", .weight = 100},
    {.name = "kd-zoo", .weight = 0.1},
    {0},
};

const lb_loss lb_loss_hint = {
    .name = "hint",
    .help = "the teacher's feature maps, place by place",
    .source = "Romero et al., 2015 (FitNets)",
    .needs = LB_NEEDS_HINTS,
    .match = LB_MATCH_SHAPE,
    .automatic = LB_AUTO_STAGES,
    .refuse = lb_refuse_shapes,
    .build = lb_sum_mean_squares,
    .presets = presets,
};
