/* loss_multi_t.c: kd at several temperatures, their mean (after Jin et al., 2023, without
 * the parts that need two views of each sample).
 *
 *     L = (1/K) sum_k T_k^2 (1/B) sum_b KL(softmax(z_t / T_k) || softmax(z_s / T_k))
 *
 * The low temperatures teach what the teacher is sure of, the high ones how the other
 * classes compare; none has to be found by trial. */
#include "distill/logits.h"

#include <stdio.h>

enum { LOWEST, HIGHEST, STEP };
enum { MOST_TEMPERATURES = 32 };

static const lb_knob knobs[] = {
    [LOWEST] = {.name = "lowest_temperature",
                .help = "the first temperature",
                .usual = 2,
                .min = 0.01,
                .max = 10000},
    [HIGHEST] = {.name = "highest_temperature",
                 .help = "none is above this",
                 .usual = 6,
                 .min = 0.01,
                 .max = 10000},
    [STEP] = {.name = "temperature_step",
              .help = "from each temperature to the next",
              .usual = 1,
              .min = 0.01,
              .max = 10000},
    {0},
};

/* How many; 2, 2.1, ... 3 are eleven, whatever is lost in 0.1. */
static int count(const double *knob)
{
    const double n = (knob[HIGHEST] - knob[LOWEST]) / knob[STEP] + 1 + 1e-9;

    return n < 1 ? 0 : n > MOST_TEMPERATURES ? MOST_TEMPERATURES + 1 : (int)n;
}

static bool refuse(const lb_builder *b, const lb_loss_in *in, char why[LB_REFUSAL_TEXT])
{
    const int n = count(in->knobs);

    (void)b;
    if (n == 0)
        snprintf(why, LB_REFUSAL_TEXT,
                 "lowest_temperature is %g, above highest_temperature, which is %g; let "
                 "them change places",
                 in->knobs[LOWEST], in->knobs[HIGHEST]);
    else if (n > MOST_TEMPERATURES)
        snprintf(why, LB_REFUSAL_TEXT,
                 "from %g to %g in steps of %g are more than %d temperatures; use a "
                 "larger temperature_step",
                 in->knobs[LOWEST], in->knobs[HIGHEST], in->knobs[STEP],
                 MOST_TEMPERATURES);
    return n == 0 || n > MOST_TEMPERATURES;
}

static lb_value build(lb_builder *b, const lb_loss_in *in)
{
    const int n = count(in->knobs);
    lb_value sum = {0};

    for (int k = 0; k < n; k++) {
        const double t = in->knobs[LOWEST] + k * in->knobs[STEP];
        const lb_pair soft = lb_soften(b, in, t);
        const lb_value of_sample = lb_kl(b, soft.student, soft.teacher);
        const lb_value share = lb_scale(b, of_sample, t * t / n);
        sum = k == 0 ? share : lb_add(b, sum, share);
    }
    return lb_mean_all(b, sum);
}

const lb_loss lb_loss_multi_t = {
    .name = "multi-t",
    .help = "the teacher's answers, softened by several temperatures",
    .source = "Jin et al., 2023",
    .needs = LB_NEEDS_TEACHER,
    .knobs = knobs,
    .refuse = refuse,
    .build = build,
};
