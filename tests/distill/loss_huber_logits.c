/* loss_huber_logits.c: the Huber distance of logits (Huber, 1964).
 *
 *     L = (1/(B C)) sum_b sum_c h (|z_s - z_t| - h/2),   h = min(|z_s - z_t|, delta)
 *
 * Half the square of small differences, while large ones count by their size only: one
 * logit that the teacher exaggerates does not drown the others. */
#include "distill/loss.h"

enum { DELTA };

static const lb_knob knobs[] = {
    [DELTA] = {.name = "delta",
               .help = "differences above this count by their size, not by its square",
               .usual = 1,
               .min = 0.001,
               .max = 1000},
    {0},
};

static lb_value build(lb_builder *b, const lb_loss_in *in)
{
    const lb_value gap = lb_sub(b, in->logits.student, in->logits.teacher);
    const lb_value size = lb_abs(b, gap);
    const lb_value h = lb_clip(b, size, 0, in->knobs[DELTA], NULL);
    const lb_value half = lb_scale(b, h, 0.5);
    const lb_value rest = lb_sub(b, size, half);
    const lb_value each = lb_mul(b, h, rest);
    return lb_mean_all(b, each);
}

const lb_loss lb_loss_huber_logits = {
    .name = "huber-logits",
    .help = "the distance to the teacher's logits, large ones counted less",
    .source = "Huber, 1964",
    .needs = LB_NEEDS_TEACHER,
    .knobs = knobs,
    .build = build,
};
