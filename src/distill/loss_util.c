/* loss_util.c: what the losses over feature maps and embeddings share. */
#include "distill/loss_util.h"

#include <stdio.h>

/* Below this length, squared, a vector has no direction. */
static const double no_length = 1e-24;

const char *const lb_form_words[] = {"per-sample", "published", NULL};
const char lb_form_help[] =
    "the published number, or one that a batch's size does not move";

bool lb_refuse_pairs(const lb_builder *b, const lb_loss_in *in, lb_pair_check is_wrong,
                     char why[LB_REFUSAL_TEXT])
{
    for (int i = 0; i < in->n_hints; i++)
        if (is_wrong(b, &in->hints[i], why))
            return true;
    return false;
}

static bool say(const lb_builder *b, const lb_pair *pair, const char *what,
                const char *instead, char why[LB_REFUSAL_TEXT])
{
    const lb_type s = lb_type_of(b, pair->student), t = lb_type_of(b, pair->teacher);
    char is[LB_SHAPE_TEXT], other[LB_SHAPE_TEXT];

    snprintf(why, LB_REFUSAL_TEXT, "%s, and the layers are %s and %s; %s", what,
             lb_shape_text(&s.shape, is), lb_shape_text(&t.shape, other), instead);
    return true;
}

bool lb_shapes_differ(const lb_builder *b, const lb_pair *pair, char why[LB_REFUSAL_TEXT])
{
    const lb_type s = lb_type_of(b, pair->student), t = lb_type_of(b, pair->teacher);

    if (lb_shape_equal(&s.shape, &t.shape))
        return false;
    return say(b, pair, "both sides must have one shape",
               "give it an adapter, or use 'sp'", why);
}

bool lb_planes_fit(const lb_builder *b, lb_value x, lb_value y)
{
    for (int i = 2; i < lb_rank(b, x); i++) {
        const int p = lb_dim(b, x, i), q = lb_dim(b, y, i);
        const int less = p < q ? p : q, more = p < q ? q : p;
        if (less < 1 || more % less != 0)
            return false;
    }
    return true;
}

static int places_of(const lb_builder *b, lb_value x)
{
    int places = 1;

    for (int i = 2; i < lb_rank(b, x); i++)
        places *= lb_dim(b, x, i);
    return places;
}

bool lb_planes_differ(const lb_builder *b, const lb_pair *pair, char why[LB_REFUSAL_TEXT])
{
    const int rank = lb_rank(b, pair->student);

    if (rank < 3 || lb_rank(b, pair->teacher) != rank)
        return say(b, pair, "it compares places of feature maps", "use 'sp' or 'pkt'",
                   why);
    if (!lb_planes_fit(b, pair->student, pair->teacher))
        return say(b, pair, "one plane must be a whole multiple of the other",
                   "use 'sp' or 'pkt'", why);
    if (places_of(b, pair->student) > 1 && places_of(b, pair->teacher) > 1)
        return false;
    return say(b, pair, "it compares places, and a single one is always alike",
               "use 'sp' or 'pkt'", why);
}

bool lb_channels_differ(const lb_builder *b, const lb_pair *pair,
                        char why[LB_REFUSAL_TEXT])
{
    if (lb_rank(b, pair->student) < 3 || lb_rank(b, pair->teacher) < 3)
        return say(b, pair, "it compares channels of feature maps", "use 'sp' or 'pkt'",
                   why);
    if (lb_dim(b, pair->student, 1) != lb_dim(b, pair->teacher, 1))
        return say(b, pair, "both sides must have as many channels",
                   "give it an adapter, or use 'nst' or 'sp'", why);
    return false;
}

bool lb_maps_differ(const lb_builder *b, const lb_pair *pair, char why[LB_REFUSAL_TEXT])
{
    const int rank = lb_rank(b, pair->student);

    if (rank > 2 && rank == lb_rank(b, pair->teacher) &&
        lb_planes_fit(b, pair->student, pair->teacher))
        return false;
    return say(b, pair,
               "both sides must be feature maps, whose planes are whole multiples of "
               "each other",
               "name other layers, or use 'sp'", why);
}

bool lb_refuse_shapes(const lb_builder *b, const lb_loss_in *in,
                      char why[LB_REFUSAL_TEXT])
{
    return lb_refuse_pairs(b, in, lb_shapes_differ, why);
}

bool lb_refuse_planes(const lb_builder *b, const lb_loss_in *in,
                      char why[LB_REFUSAL_TEXT])
{
    return lb_refuse_pairs(b, in, lb_planes_differ, why);
}

bool lb_refuse_maps(const lb_builder *b, const lb_loss_in *in, char why[LB_REFUSAL_TEXT])
{
    return lb_refuse_pairs(b, in, lb_maps_differ, why);
}

bool lb_refuse_channels(const lb_builder *b, const lb_loss_in *in,
                        char why[LB_REFUSAL_TEXT])
{
    return lb_refuse_pairs(b, in, lb_channels_differ, why);
}

lb_value lb_sum_pairs(lb_builder *b, const lb_loss_in *in, lb_pair_loss of_pair)
{
    lb_value sum = {0};

    for (int i = 0; i < in->n_hints; i++) {
        const lb_value one = of_pair(b, in, in->hints[i]);
        sum = i == 0 ? one : lb_add(b, sum, one);
    }
    return sum;
}

int lb_sample_size(const lb_builder *b, lb_value x)
{
    int size = 1;

    for (int i = 1; i < lb_rank(b, x); i++)
        size *= lb_dim(b, x, i);
    return size;
}

lb_value lb_of_map_form(lb_builder *b, const lb_loss_in *in, int form, lb_value mean,
                        lb_value x)
{
    const bool published = in->knobs[form] == LB_FORM_PUBLISHED;

    return published ? lb_scale(b, mean, lb_sample_size(b, x)) : mean;
}

lb_value lb_planes(lb_builder *b, lb_value x)
{
    const int channels = lb_dim(b, x, 1);
    const int places = lb_sample_size(b, x) / (channels > 0 ? channels : 1);
    const lb_shape shape = lb_shape_of(3, (int)LB_BATCH, channels, places);

    return lb_reshape(b, x, &shape);
}

lb_value lb_swap_last(lb_builder *b, lb_value x)
{
    const int rank = lb_rank(b, x);
    int perm[LB_MAX_RANK];

    for (int i = 0; i < rank; i++)
        perm[i] = i;
    if (rank >= 2) {
        perm[rank - 1] = rank - 2;
        perm[rank - 2] = rank - 1;
    }
    return lb_transpose(b, x, perm, rank);
}

lb_value lb_pool_to(lb_builder *b, lb_value x, const int *places)
{
    lb_window window = {.n = lb_rank(b, x) - 2};
    bool any = false;

    for (int i = 0; i < window.n && i < 2; i++) {
        const int factor = lb_dim(b, x, i + 2) / (places[i] > 0 ? places[i] : 1);
        window.kernel[i] = window.stride[i] = factor;
        any = any || factor > 1;
    }
    return any ? lb_average_pool(b, x, &window, false, NULL) : x;
}

lb_pair lb_same_places(lb_builder *b, lb_pair pair)
{
    int places[2] = {1, 1};

    for (int i = 2; i < lb_rank(b, pair.student) && i < 4; i++) {
        const int s = lb_dim(b, pair.student, i), t = lb_dim(b, pair.teacher, i);
        places[i - 2] = s < t ? s : t;
    }
    return (lb_pair){.student = lb_pool_to(b, pair.student, places),
                     .teacher = lb_pool_to(b, pair.teacher, places)};
}

static lb_value scalar_like(lb_builder *b, lb_value x, double value)
{
    return lb_scalar(b, lb_type_of(b, x).dtype, value);
}

/* Sums of squares along the last axis, at least `least`. */
static lb_value sum_squares(lb_builder *b, lb_value x, double least, lb_value *is_more)
{
    const int last[] = {lb_rank(b, x) - 1};
    const lb_value square = lb_square(b, x);
    const lb_value sum = lb_reduce_sum(b, square, last, 1, true);
    const lb_value floor = scalar_like(b, sum, least);

    *is_more = lb_step_above(b, sum, least);
    return lb_max(b, sum, floor);
}

lb_value lb_length(lb_builder *b, lb_value x, double least)
{
    lb_value is_more;
    const lb_value sum = sum_squares(b, x, least, &is_more);
    const lb_value root = lb_sqrt(b, sum);

    return lb_mul(b, root, is_more);
}

lb_value lb_unit(lb_builder *b, lb_value x, double eps)
{
    lb_value is_more;
    const lb_value sum = sum_squares(b, x, no_length, &is_more);
    lb_value length = lb_sqrt(b, sum);

    if (eps > 0)
        length = lb_shift(b, length, eps);
    const lb_value factor = lb_div(b, is_more, length);
    return lb_mul(b, x, factor);
}

lb_value lb_unit_above(lb_builder *b, lb_value x, double least)
{
    lb_value is_more;
    const lb_value sum = sum_squares(b, x, least, &is_more);
    const lb_value length = lb_sqrt(b, sum);
    const lb_value factor = lb_div(b, is_more, length);

    return lb_mul(b, x, factor);
}

lb_value lb_products(lb_builder *b, const lb_loss_in *in, lb_value x, lb_value with)
{
    const lb_value all = lb_batch_gather(b, with, in->batch);
    const lb_value columns = lb_swap_last(b, all);

    return lb_matmul(b, x, columns);
}

lb_value lb_square(lb_builder *b, lb_value x)
{
    return lb_mul(b, x, x);
}

lb_value lb_shift(lb_builder *b, lb_value x, double by)
{
    const lb_value scalar = scalar_like(b, x, by);

    return lb_add(b, x, scalar);
}

lb_value lb_one_minus(lb_builder *b, lb_value x)
{
    const lb_value one = scalar_like(b, x, 1);

    return lb_sub(b, one, x);
}

/* With c = min(|x|, 1) both branches are c (|x| - c / 2). */
lb_value lb_huber(lb_builder *b, lb_value x)
{
    const lb_value size = lb_abs(b, x);
    const lb_value one = scalar_like(b, x, 1);
    const lb_value near = lb_min(b, size, one);
    const lb_value half = lb_scale(b, near, 0.5);
    const lb_value rest = lb_sub(b, size, half);

    return lb_mul(b, near, rest);
}

lb_value lb_mean_square(lb_builder *b, lb_value x, lb_value y)
{
    const lb_value gap = lb_sub(b, x, y);
    const lb_value square = lb_square(b, gap);

    return lb_mean_all(b, square);
}

static lb_value mean_square_of(lb_builder *b, const lb_loss_in *in, lb_pair pair)
{
    (void)in;
    return lb_mean_square(b, pair.student, pair.teacher);
}

lb_value lb_sum_mean_squares(lb_builder *b, const lb_loss_in *in)
{
    return lb_sum_pairs(b, in, mean_square_of);
}
