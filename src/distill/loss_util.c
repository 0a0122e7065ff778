/* loss_util.c: what the losses over feature maps and embeddings share. */
#include "distill/loss_util.h"

#include <stdio.h>

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
               "give it an adapter, or use 'kd'", why);
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

bool lb_channels_differ(const lb_builder *b, const lb_pair *pair,
                        char why[LB_REFUSAL_TEXT])
{
    if (lb_rank(b, pair->student) < 3 || lb_rank(b, pair->teacher) < 3)
        return say(b, pair, "it compares channels of feature maps", "use 'kd'", why);
    if (lb_dim(b, pair->student, 1) != lb_dim(b, pair->teacher, 1))
        return say(b, pair, "both sides must have as many channels",
                   "give it an adapter, or use 'kd'", why);
    return false;
}

bool lb_refuse_shapes(const lb_builder *b, const lb_loss_in *in,
                      char why[LB_REFUSAL_TEXT])
{
    return lb_refuse_pairs(b, in, lb_shapes_differ, why);
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

lb_value lb_square(lb_builder *b, lb_value x)
{
    return lb_mul(b, x, x);
}

lb_value lb_mean_square(lb_builder *b, lb_value x, lb_value y)
{
    const lb_value gap = lb_sub(b, x, y);
    const lb_value square = lb_square(b, gap);

    return lb_mean_all(b, square);
}
