/* loss_kd.c: softened logits (Hinton, Vinyals and Dean, 2015).
 *
 *     L = T^2 (1/B) sum_b sum_c p_t (log p_t - log p_s),   p = softmax(z / T)
 *
 * The mean is over samples only (dividing by the classes too weakens the loss a
 * hundredfold on 100 classes), and T^2 keeps the gradient's size when T changes. The
 * teacher's entropy is part of the value: 0 means that the student says the same. */
#include "distill/logits.h"

enum { TEMPERATURE };

static const lb_knob knobs[] = {
    [TEMPERATURE] = LB_KNOB_TEMPERATURE(4),
    {0},
};

static lb_value build(lb_builder *b, const lb_loss_in *in)
{
    const lb_pair soft = lb_soften_by_knob(b, in, TEMPERATURE);
    const lb_value of_sample = lb_kl(b, soft.student, soft.teacher);
    const lb_value mean = lb_mean_all(b, of_sample);

    return lb_by_knob(b, in, mean, TEMPERATURE, 2);
}

static const lb_preset presets[] = {
    {.name = "repdistiller", .weight = 0.9, .with = "temperature 4, beside ce 0.1"},
    {.name = "mdistiller", .weight = 0.9, .with = "temperature 4, beside ce 0.1"},
    {.name = "kd-zoo", .weight = 0.1, .with = "temperature 4, beside ce 1"},
    {0},
};

const lb_loss lb_loss_kd = {
    .name = "kd",
    .help = "the teacher's softened answers",
    .source = "Hinton, Vinyals and Dean, 2015",
    .needs = LB_NEEDS_TEACHER,
    .knobs = knobs,
    .build = build,
    .presets = presets,
};
