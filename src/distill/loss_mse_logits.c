/* loss_mse_logits.c: the squared distance of logits (Ba and Caruana, 2014).
 *
 *     L = (1/(B C)) sum_b sum_c (z_s - z_t)^2
 *
 * kd at a high temperature goes to half of this with both rows centred: softmax does not
 * see what is added to a whole row, so `centre` leaves the student free there, too. */
#include "distill/loss.h"

enum { CENTRE };

static const lb_knob knobs[] = {
    [CENTRE] = {.name = "centre",
                .help = "takes each row's mean off first, which no softmax sees",
                .words = lb_no_yes},
    {0},
};

static lb_value build(lb_builder *b, const lb_loss_in *in)
{
    const int class_axis[] = {1};

    lb_value gap = lb_sub(b, in->logits.student, in->logits.teacher);
    if (in->knobs[CENTRE] > 0) {
        const lb_value mean = lb_reduce_mean(b, gap, class_axis, 1, true);
        gap = lb_sub(b, gap, mean);
    }
    const lb_value square = lb_mul(b, gap, gap);
    return lb_mean_all(b, square);
}

static const lb_preset presets[] = {
    {.name = "kd-zoo", .weight = 0.1, .with = "ce 1"},
    {0},
};

const lb_loss lb_loss_mse_logits = {
    .name = "mse-logits",
    .help = "the squared distance to the teacher's logits",
    .source = "Ba and Caruana, 2014",
    .needs = LB_NEEDS_TEACHER,
    .knobs = knobs,
    .build = build,
    .presets = presets,
};
