/* loss_hint.c: layers that answer alike (FitNets: Romero et al., 2015, section 2.2).
 *
 *     L = (1/P) sum_p mean (r_p(F_s) - F_t)^2
 *
 * over P pairs of layers; the mean is over samples, channels and places. r_p is the
 * adapter, a layer that is trained with the student where the shapes differ. The paper's
 * sum of squares is this times C H W / 2. */
#include "distill/loss.h"

static lb_value build(lb_builder *b, const lb_loss_in *in)
{
    lb_value sum = {0};

    for (int i = 0; i < in->n_hints; i++) {
        const lb_type s = lb_type_of(b, in->hints[i].student);
        const lb_type t = lb_type_of(b, in->hints[i].teacher);
        char have[LB_SHAPE_TEXT], want[LB_SHAPE_TEXT];
        if (!lb_shape_equal(&s.shape, &t.shape))
            return lb_build_fail(
                b, LB_ERR_INPUT, "hint compares layers of equal shape, not %s and %s",
                lb_shape_text(&s.shape, have), lb_shape_text(&t.shape, want));
        const lb_value gap = lb_sub(b, in->hints[i].student, in->hints[i].teacher);
        const lb_value square = lb_mul(b, gap, gap);
        const lb_value mean = lb_mean_all(b, square);
        sum = i == 0 ? mean : lb_add(b, sum, mean);
    }
    return lb_scale(b, sum, 1.0 / in->n_hints);
}

const lb_loss lb_loss_hint = {
    .name = "hint",
    .help = "the teacher's feature maps, place by place",
    .source = "Romero et al., 2015 (FitNets)",
    .needs = LB_NEEDS_HINTS,
    .match = LB_MATCH_SHAPE,
    .automatic = LB_AUTO_STAGES,
    .build = build,
};
