/* loss_simkd.c: the teacher's classifier reused (SimKD: Chen et al., 2022).
 *
 *     L = mean (P(F_s) - F_t)^2
 *
 * over samples, channels and places. P is the projector in which a student ends that is
 * asked for with `head: teacher`, before a copy of the teacher's classifier: both are
 * part of the student, of its export and of its figures. Where the answers of the two
 * networks agree, it is because their last maps do. A larger map of the teacher is
 * averaged down to the student's. */
#include "distill/loss_util.h"

static const lb_preset presets[] = {
    {.name = "authors", .weight = 1, .with = "no other loss"},
    {0},
};

const lb_loss lb_loss_simkd = {
    .name = "simkd",
    .help = "the teacher's last map, for a student that ends in the teacher's classifier",
    .source = "Chen et al., 2022",
    .needs = LB_NEEDS_HINTS | LB_NEEDS_HEAD,
    .match = LB_MATCH_PLANE,
    .automatic = LB_AUTO_LAST,
    .refuse = lb_refuse_shapes,
    .build = lb_sum_mean_squares,
    .presets = presets,
};
