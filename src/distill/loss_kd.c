/* loss_kd.c: softened logits (Hinton, Vinyals and Dean, 2015).
 *
 *     L = T^2 (1/B) sum_b sum_c p_t (log p_t - log p_s),   p = softmax(z / T)
 *
 * The mean is over samples only (dividing by the classes too weakens the loss a
 * hundredfold on 100 classes), and T^2 keeps the gradient's size when T changes. The
 * teacher's entropy is part of the value: 0 means that the student says the same. */
#include "distill/loss.h"

enum { TEMPERATURE };

static const lb_knob knobs[] = {
    [TEMPERATURE] = {.name = "temperature",
                     .help = "softens both networks' answers; 1 leaves them as they are",
                     .usual = 4,
                     .min = 0.01,
                     .max = 10000,
                     .ramps = true},
    {0},
};

static lb_value build(lb_builder *b, const lb_loss_in *in)
{
    const int class_axis[] = {1};

    const lb_value soft_s = lb_by_knob(b, in, in->logits.student, TEMPERATURE, -1);
    const lb_value soft_t = lb_by_knob(b, in, in->logits.teacher, TEMPERATURE, -1);
    const lb_value log_s = lb_log_softmax(b, soft_s, 1);
    const lb_value log_t = lb_log_softmax(b, soft_t, 1);
    const lb_value p_t = lb_softmax(b, soft_t, 1);
    const lb_value gap = lb_sub(b, log_t, log_s);
    const lb_value weighted = lb_mul(b, p_t, gap);
    const lb_value of_sample = lb_reduce_sum(b, weighted, class_axis, 1, false);
    const lb_value mean = lb_mean_all(b, of_sample);
    return lb_by_knob(b, in, mean, TEMPERATURE, 2);
}

const lb_loss lb_loss_kd = {
    .name = "kd",
    .help = "the teacher's softened answers",
    .source = "Hinton, Vinyals and Dean, 2015",
    .needs = LB_NEEDS_TEACHER,
    .knobs = knobs,
    .build = build,
};
