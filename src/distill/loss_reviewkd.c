/* loss_reviewkd.c: knowledge review (Chen et al., 2021): every layer of the teacher is
 * learnt by the student's layer at its side and all that lie deeper.
 *
 * From the deepest of n pairs of layers back to the first, with trained blocks:
 *
 *     x_i = norm(conv1x1(F_s,i))                          `mid` channels
 *     x_i = a_x x_i + a_y up(r_i+1)                       but for the deepest
 *           a = sigmoid(conv1x1 of both, one map each)
 *     r_i = x_i at the size of F_t,i                      handed on to the layer before
 *     L = sum_i HCL(norm(conv3x3(r_i)), F_t,i)            to the teacher's channels
 *
 * Sizes are changed by taking the nearest place. HCL compares fine and coarse
 * (loss_hcl.c). A pooled vector is a map of one place. The blocks are trained with the
 * student and are in no export. For the teacher's layers before the activation. */
#include "distill/helper.h"
#include "distill/loss_util.h"

#include <math.h>
#include <stdio.h>

enum { MID, MOST_MID = 512 };

static const lb_knob knobs[] = {
    [MID] = {.name = "mid",
             .help = "channels of the blocks that fuse layers; 0: those of the student's "
                     "deepest one, 512 at most",
             .usual = 0,
             .min = 0,
             .max = 4096},
    {0},
};

/* One pair's block. */
typedef struct block {
    lb_builder *b;
    const lb_loss_in *in;
    int number, mid;
} block;

static lb_value convolve(const block *k, lb_value x, const char *part, int channels,
                         int kernel, bool with_bias)
{
    char name[48];
    const lb_helper layer = {.name = name,
                             .channels = channels,
                             .kernel = kernel,
                             .pad = kernel / 2,
                             .no_bias = !with_bias,
                             .init = LB_INIT_GLOROT};

    snprintf(name, sizeof name, "block%d/%s", k->number, part);
    return lb_helper_conv(k->b, k->in, x, &layer);
}

static lb_value norm(const block *k, lb_value x, const char *part)
{
    char name[48];

    snprintf(name, sizeof name, "block%d/%s", k->number, part);
    return lb_helper_norm(k->b, k->in, x, name);
}

/* [from,to] with a one where place `to` is taken from. */
static lb_value nearest_places(lb_builder *b, lb_dtype dtype, int from, int to)
{
    const lb_shape shape = lb_shape_of(2, from, to);
    lb_tensor *const take = lb_build_tensor(b, dtype, &shape);

    if (!take)
        return (lb_value){0};
    for (int i = 0; i < to; i++)
        lb_tensor_put(take, (size_t)((int64_t)i * from / to * to + i), 1);
    return lb_constant(b, NULL, take);
}

/* The last axis made `to` long. */
static lb_value resize_last(lb_builder *b, lb_value x, int to)
{
    const int from = lb_dim(b, x, lb_rank(b, x) - 1);

    if (from == to)
        return x;
    const lb_value take = nearest_places(b, lb_type_of(b, x).dtype, from, to);
    return lb_matmul(b, x, take);
}

/* x at the size of `like`: place i is place floor(i from / to) of x. Whole factors are a
 * Resize, which costs less. */
static lb_value resize(lb_builder *b, lb_value x, lb_value like)
{
    const int rank = lb_rank(b, x);
    int factor[2] = {1, 1};
    bool same = true, whole = true;

    for (int i = 2; i < rank && i < 4; i++) {
        const int from = lb_dim(b, x, i), to = lb_dim(b, like, i);
        factor[i - 2] = from > 0 ? to / from : 1;
        same = same && to == from;
        whole = whole && from > 0 && to % from == 0;
    }
    if (same)
        return x;
    if (whole)
        return lb_resize(b, x, factor, NULL);
    x = resize_last(b, x, lb_dim(b, like, rank - 1));
    if (rank == 3)
        return x;
    const lb_value turned = lb_swap_last(b, x);
    const lb_value resized = resize_last(b, turned, lb_dim(b, like, 2));
    return lb_swap_last(b, resized);
}

/* How much of one map is taken, place by place: [N,1,...]. */
static lb_value attend(const block *k, lb_value x, lb_value y, const char *of)
{
    char part[48];

    snprintf(part, sizeof part, "%s/own", of);
    const lb_value own = convolve(k, x, part, 1, 1, true);
    snprintf(part, sizeof part, "%s/deeper", of);
    const lb_value deeper = convolve(k, y, part, 1, 1, false);
    const lb_value both = lb_add(k->b, own, deeper);
    return lb_sigmoid(k->b, both);
}

static lb_value fuse(const block *k, lb_value x, lb_value deeper)
{
    const lb_value y = resize(k->b, deeper, x);
    const lb_value of_x = attend(k, x, y, "attention_own");
    const lb_value of_y = attend(k, x, y, "attention_deeper");
    const lb_value kept = lb_mul(k->b, x, of_x);
    const lb_value added = lb_mul(k->b, y, of_y);

    return lb_add(k->b, kept, added);
}

/* A vector becomes a map of one place. */
static lb_value as_map(lb_builder *b, lb_value x, int rank)
{
    lb_shape shape = lb_type_of(b, x).shape;

    if (shape.rank >= rank)
        return x;
    while (shape.rank < rank)
        shape.dim[shape.rank++] = 1;
    return lb_reshape(b, x, &shape);
}

/* Of the maps; 4 if all are vectors. */
static int rank_of(const lb_builder *b, const lb_loss_in *in)
{
    for (int i = 0; i < in->n_hints; i++)
        if (lb_rank(b, in->hints[i].teacher) > 2)
            return lb_rank(b, in->hints[i].teacher);
    return 4;
}

static int mid_of(const lb_builder *b, const lb_loss_in *in)
{
    const int deepest = lb_dim(b, in->hints[in->n_hints - 1].student, 1);
    const int usual = deepest < MOST_MID ? deepest : MOST_MID;

    return in->knobs[MID] > 0 ? (int)in->knobs[MID] : usual;
}

static lb_value build(lb_builder *b, const lb_loss_in *in)
{
    const int rank = rank_of(b, in);
    lb_value deeper = {0}, sum = {0};

    for (int i = in->n_hints - 1; i >= 0; i--) {
        const block k = {b, in, i + 1, mid_of(b, in)};
        const lb_value s = as_map(b, in->hints[i].student, rank);
        const lb_value t = as_map(b, in->hints[i].teacher, rank);
        const lb_value raw = convolve(&k, s, "in", k.mid, 1, false);
        lb_value x = norm(&k, raw, "in_norm");
        if (deeper.id)
            x = fuse(&k, x, deeper);
        deeper = resize(b, x, t);
        const lb_value out = convolve(&k, deeper, "out", lb_dim(b, t, 1), 3, false);
        const lb_value like = norm(&k, out, "out_norm");
        const lb_value one = lb_context_loss(b, in, (lb_pair){like, t});
        sum = sum.id ? lb_add(b, sum, one) : one;
    }
    return sum;
}

/* Both sides are maps of that rank, or vectors. */
static bool is_wrong(const lb_builder *b, const lb_pair *pair, int rank)
{
    const int s = lb_rank(b, pair->student), t = lb_rank(b, pair->teacher);

    return (s != 2 && s != rank) || (t != 2 && t != rank);
}

/* Some axis is longer than that of the pair before, of student or teacher. */
static bool grows(const lb_builder *b, lb_value before, lb_value v)
{
    for (int i = 2; i < lb_rank(b, before) && i < lb_rank(b, v); i++)
        if (lb_dim(b, v, i) > lb_dim(b, before, i))
            return true;
    return lb_rank(b, before) == 2 && lb_rank(b, v) > 2;
}

static bool refuse(const lb_builder *b, const lb_loss_in *in, char why[LB_REFUSAL_TEXT])
{
    const lb_pair *const pair = in->hints;
    const double mid = in->knobs[MID];
    const int rank = rank_of(b, in);
    const char *reason = NULL;

    if (mid != floor(mid))
        reason = "'mid' must be a whole number of channels";
    for (int i = 0; i < in->n_hints && !reason; i++) {
        if (is_wrong(b, &pair[i], rank))
            reason = "it fuses feature maps, behind them a vector, all with as many "
                     "spatial axes; name other layers, or use 'sp'";
        else if (i > 0 && (grows(b, pair[i - 1].student, pair[i].student) ||
                           grows(b, pair[i - 1].teacher, pair[i].teacher)))
            reason = "it goes back from the deepest layer, and a later one is larger "
                     "here; name the layers in the networks' order, or use 'hcl'";
    }
    if (reason)
        snprintf(why, LB_REFUSAL_TEXT, "%s", reason);
    return reason != NULL;
}

static const lb_preset presets[] = {
    {.name = "mdistiller", .weight = 1, .with = "a warm-up of 20 epochs"},
    {0},
};

const lb_loss lb_loss_reviewkd = {
    .name = "reviewkd",
    .help = "each of the teacher's layers, learnt by the student's from there on",
    .source = "Chen et al., 2021",
    .needs = LB_NEEDS_HINTS | LB_NEEDS_HELPER,
    .match = LB_MATCH_ANY,
    .automatic = LB_AUTO_REVIEW,
    .knobs = knobs,
    .min_batch = 2,
    .instead = "'hcl' or 'hint'",
    .refuse = refuse,
    .build = build,
    .presets = presets,
};
