/* prune_shape.c: channels under another shape: axes that are joined or split in
 * row-major order, one stretch of axes after the other. */
#include "compress/prune_int.h"

/* Axes a.first..a.end-1 of the input hold the same elements as b's of the output. */
typedef struct stretch {
    lb_value value[2]; /* input, output */
    int first[2], end[2];
    int64_t n; /* elements */
} stretch;

static int dim_of(const lb_ties *t, lb_value v, int axis)
{
    const int dim = lb_info(t->g, v)->type.shape.dim[axis];

    return dim == LB_BATCH ? 1 : dim;
}

static bool has_labels(const lb_ties *t, const int *row, int n)
{
    for (int i = 0; row && i < n; i++)
        if (lb_ties_root(t, row[i]) != 0)
            return true;
    return false;
}

/* Elements behind one step along that axis. */
static int64_t inner_of(const lb_ties *t, const stretch *s, int side, int axis)
{
    int64_t inner = 1;

    for (int k = axis + 1; k < s->end[side]; k++)
        inner *= dim_of(t, s->value[side], k);
    return inner;
}

/* The label of each element, if one axis of the input alone has any; else NULL. Channels
 * along two axes at once are no rectangle: they stay. */
static int *flat_labels(lb_ties *t, const stretch *s)
{
    const int *only = NULL;
    int at = 0, n_labelled = 0;

    for (int k = s->first[0]; k < s->end[0]; k++) {
        const int *const row = lb_ties_along(t, s->value[0], k);
        if (!has_labels(t, row, dim_of(t, s->value[0], k)))
            continue;
        only = row;
        at = k;
        n_labelled++;
    }
    if (n_labelled != 1 || s->n > 1 << 24) {
        for (int k = s->first[0]; k < s->end[0]; k++)
            lb_ties_pin(t, s->value[0], k);
        return NULL;
    }
    const int64_t inner = inner_of(t, s, 0, at);
    int *const flat = lb_ties_row(t, (int)s->n);
    for (int64_t e = 0; flat && e < s->n; e++)
        flat[e] = only[e / inner % dim_of(t, s->value[0], at)];
    return flat;
}

/* Whether an element's label follows from its index along that axis of the output. */
static bool follows(const lb_ties *t, const stretch *s, const int *flat, int axis)
{
    const int64_t inner = inner_of(t, s, 1, axis);
    const int dim = dim_of(t, s->value[1], axis);

    for (int64_t e = 0; e < s->n; e++) {
        const int64_t first = e / inner % dim * inner;
        if (lb_ties_root(t, flat[e]) != lb_ties_root(t, flat[first]))
            return false;
    }
    return true;
}

/* Channels that are split go along one axis of the result: where that says it all, or,
 * with channels of several groups (a shuffle, heads), the last, each from all groups. */
static int axis_for(const lb_ties *t, const stretch *s, const int *flat)
{
    int last = s->first[1];

    for (int k = s->first[1]; k < s->end[1]; k++) {
        if (dim_of(t, s->value[1], k) > 1)
            last = k;
        if (dim_of(t, s->value[1], k) > 1 && follows(t, s, flat, k))
            return k;
    }
    return last;
}

static void tie_stretch(lb_ties *t, const stretch *s)
{
    int *const flat = flat_labels(t, s);

    if (!flat || t->failed)
        return;
    const int axis = axis_for(t, s, flat);
    const int64_t inner = inner_of(t, s, 1, axis);
    const int dim = dim_of(t, s->value[1], axis);
    int *const row = lb_ties_row(t, dim);
    for (int64_t e = 0; row && e < s->n; e++) {
        const int i = (int)(e / inner % dim);
        if (e < inner * dim && e % inner == 0)
            row[i] = flat[e];
        lb_ties_join(t, row[i], flat[e]);
    }
    lb_ties_set(t, s->value[1], axis, row);
}

/* The shortest stretch from there on whose axes hold as many elements on both sides. */
static void next_stretch(const lb_ties *t, stretch *s)
{
    const int rank[2] = {lb_info(t->g, s->value[0])->type.shape.rank,
                         lb_info(t->g, s->value[1])->type.shape.rank};
    int64_t n[2] = {1, 1};

    for (int i = 0; i < 2; i++) {
        s->first[i] = s->end[i];
        if (s->end[i] < rank[i])
            n[i] = dim_of(t, s->value[i], s->end[i]++);
    }
    while (n[0] != n[1]) {
        const int i = n[0] < n[1] ? 0 : 1;
        if (s->end[i] >= rank[i])
            break;
        n[i] *= dim_of(t, s->value[i], s->end[i]++);
    }
    s->n = n[0];
}

void lb_ties_reshape(lb_ties *t, const lb_node *node)
{
    stretch s = {.value = {node->in[0], node->out[0]}};
    const int rank = lb_info(t->g, s.value[0])->type.shape.rank;
    const int out_rank = lb_info(t->g, s.value[1])->type.shape.rank;

    while ((s.end[0] < rank || s.end[1] < out_rank) && !t->failed) {
        next_stretch(t, &s);
        tie_stretch(t, &s);
    }
}
