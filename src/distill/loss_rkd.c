/* loss_rkd.c: relational knowledge distillation (Park et al., 2019): the shape that the
 * samples' embeddings form.
 *
 *     d_ij = ||e_i - e_j|| / mean of those above 0;   L_D = mean_ij h(d_s - d_t)
 *     a_ijk = cos of the angle at i between j and k;   L_A = mean_ijk h(a_s - a_t)
 *     L = distance_weight L_D + angle_weight L_A
 *
 * with Huber's h. The mean distance is the student's own, and has a gradient. Differences
 * are taken before squares, so that near samples do not cancel; equal ones have distance
 * 0 and no direction. Angles need batch^3 numbers on each side. */
#include "distill/loss_util.h"

#include <stdio.h>

enum { DISTANCE_WEIGHT, ANGLE_WEIGHT };
enum { MOST_SAMPLES = 256 };

/* A squared distance up to here is none. */
static const double none = 1e-12;

static const lb_knob knobs[] = {
    [DISTANCE_WEIGHT] = {.name = "distance_weight",
                         .help = "of the distances between two samples",
                         .usual = 25,
                         .min = 0,
                         .max = 1e6},
    [ANGLE_WEIGHT] = {.name = "angle_weight",
                      .help = "of the angles that three samples form",
                      .usual = 50,
                      .min = 0,
                      .max = 1e6},
    {0},
};

/* [N,B,D]: from each sample to every sample. */
static lb_value ways(lb_builder *b, const lb_loss_in *in, lb_value x)
{
    const lb_value rows = lb_flatten(b, x, NULL);
    const lb_value all = lb_batch_gather(b, rows, in->batch);
    const lb_shape shape = lb_shape_of(3, (int)LB_BATCH, 1, lb_dim(b, rows, 1));
    const lb_value each = lb_reshape(b, rows, &shape);

    return lb_sub(b, all, each);
}

static lb_value distances(lb_builder *b, lb_value way)
{
    const lb_value length = lb_length(b, way, none);
    const lb_value is_some = lb_step_above(b, length, 0);
    const lb_value sum = lb_sum_all(b, length), n = lb_sum_all(b, is_some);
    const lb_value one = lb_scalar(b, lb_type_of(b, n).dtype, 1);
    const lb_value count = lb_max(b, n, one);
    const lb_value mean = lb_div(b, sum, count);
    const lb_value least = lb_scalar(b, lb_type_of(b, n).dtype, none);
    const lb_value unit = lb_max(b, mean, least);

    return lb_div(b, length, unit);
}

/* [N,B,B]. */
static lb_value angles(lb_builder *b, lb_value way)
{
    const lb_value direction = lb_unit_above(b, way, none);
    const lb_value columns = lb_swap_last(b, direction);

    return lb_matmul(b, direction, columns);
}

static lb_value gap(lb_builder *b, lb_value s, lb_value t, double weight)
{
    const lb_value difference = lb_sub(b, s, t);
    const lb_value share = lb_huber(b, difference);
    const lb_value mean = lb_mean_all(b, share);

    return lb_scale(b, mean, weight);
}

static lb_value of_pair(lb_builder *b, const lb_loss_in *in, lb_pair pair)
{
    const lb_value way_s = ways(b, in, pair.student), way_t = ways(b, in, pair.teacher);
    const double distance_weight = in->knobs[DISTANCE_WEIGHT];
    const double angle_weight = in->knobs[ANGLE_WEIGHT];

    const lb_value d_s = distances(b, way_s), d_t = distances(b, way_t);
    const lb_value far = gap(b, d_s, d_t, distance_weight);
    if (angle_weight == 0)
        return far;
    const lb_value a_s = angles(b, way_s), a_t = angles(b, way_t);
    const lb_value turn = gap(b, a_s, a_t, angle_weight);
    return lb_add(b, far, turn);
}

static lb_value build(lb_builder *b, const lb_loss_in *in)
{
    return lb_sum_pairs(b, in, of_pair);
}

static bool refuse(const lb_builder *b, const lb_loss_in *in, char why[LB_REFUSAL_TEXT])
{
    (void)b;
    if (in->batch <= MOST_SAMPLES || in->knobs[ANGLE_WEIGHT] == 0)
        return false;
    snprintf(why, LB_REFUSAL_TEXT,
             "angles need batch^3 numbers, and a batch of %d is more than %d; set "
             "angle_weight to 0, or use 'pkt'",
             in->batch, MOST_SAMPLES);
    return true;
}

static const lb_preset presets[] = {
    {.name = "repdistiller", .weight = 1, .with = "distance_weight 25, angle_weight 50"},
    {.name = "mdistiller", .weight = 1, .with = "distance_weight 25, angle_weight 50"},
    {.name = "kd-zoo", .weight = 1, .with = "distance_weight 25, angle_weight 50"},
    {0},
};

const lb_loss lb_loss_rkd = {
    .name = "rkd",
    .help = "distances and angles between the samples of a batch",
    .source = "Park et al., 2019",
    .needs = LB_NEEDS_HINTS,
    .match = LB_MATCH_ANY,
    .automatic = LB_AUTO_ROWS,
    .knobs = knobs,
    .min_batch = 8,
    .instead = "'kd' or 'hint'",
    .refuse = refuse,
    .build = build,
    .presets = presets,
};
