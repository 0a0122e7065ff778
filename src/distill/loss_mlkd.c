/* loss_mlkd.c: relations among the answers of a batch and among its classes (Jin et al.,
 * 2023, of multi-level logit distillation the levels of batch and class).
 *
 *     P = softmax(z / T), [B,C]
 *     published   L = batch_weight (1/B) ||P_t P_t' - P_s P_s'||^2
 *                   + class_weight (1/C) ||P_t' P_t - P_s' P_s||^2
 *     per-sample  the first part over B, the second over B^2: a batch repeated weighs the
 *                 same
 *
 * The first says which samples are answered alike, the second which classes are answered
 * together. The level of single answers is `kd` or `multi-t`. */
#include "distill/logits.h"
#include "distill/loss_util.h"

enum { FORM, TEMPERATURE, OF_BATCH, OF_CLASSES };

static const lb_knob knobs[] = {
    [FORM] = {.name = "form", .help = lb_form_help, .words = lb_form_words},
    [TEMPERATURE] = LB_KNOB_TEMPERATURE(4),
    [OF_BATCH] = LB_KNOB_WEIGHT("batch_weight", "of which samples are answered alike", 1),
    [OF_CLASSES] =
        LB_KNOB_WEIGHT("class_weight", "of which classes are answered together", 1),
    {0},
};

/* The sum over rows of the products' differences, over B: [N,B] each. */
static lb_value among_samples(lb_builder *b, const lb_loss_in *in, lb_pair p)
{
    const lb_value s = lb_products(b, in, p.student, p.student);
    const lb_value t = lb_products(b, in, p.teacher, p.teacher);
    const lb_value mean = lb_mean_square(b, s, t);

    return lb_scale(b, mean, in->batch);
}

/* P' P of the whole batch: [C,C]. */
static lb_value together(lb_builder *b, const lb_loss_in *in, lb_value p)
{
    const lb_value all = lb_batch_gather(b, p, in->batch);
    const lb_value turned = lb_swap_last(b, all);

    return lb_matmul(b, turned, all);
}

static lb_value among_classes(lb_builder *b, const lb_loss_in *in, lb_pair p)
{
    const lb_value s = together(b, in, p.student);
    const lb_value t = together(b, in, p.teacher);
    const lb_value mean = lb_mean_square(b, s, t);

    return lb_scale(b, mean, lb_dim(b, p.student, 1));
}

static lb_value build(lb_builder *b, const lb_loss_in *in)
{
    const double n = in->knobs[FORM] == LB_FORM_PUBLISHED ? 1 : in->batch;
    const lb_pair soft = lb_soften_by_knob(b, in, TEMPERATURE);
    const lb_value p_s = lb_softmax(b, soft.student, 1);
    const lb_value p_t = lb_softmax(b, soft.teacher, 1);
    const lb_pair p = {p_s, p_t};
    const lb_value samples = among_samples(b, in, p);
    const lb_value classes = among_classes(b, in, p);
    const lb_value of_samples = lb_scale(b, samples, 1 / n);
    const lb_value of_classes = lb_scale(b, classes, 1 / (n * n));
    const lb_value first = lb_by_knob(b, in, of_samples, OF_BATCH, 1);
    const lb_value second = lb_by_knob(b, in, of_classes, OF_CLASSES, 1);

    return lb_add(b, first, second);
}

const lb_loss lb_loss_mlkd = {
    .name = "mlkd",
    .help = "which samples, and which classes, the teacher answers alike",
    .source = "Jin et al., 2023",
    .needs = LB_NEEDS_TEACHER,
    .knobs = knobs,
    .min_batch = 8,
    .instead = "'kd' or 'multi-t'",
    .build = build,
};
