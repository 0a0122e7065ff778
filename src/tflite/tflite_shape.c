/* tflite_shape.c: from channels-last shapes to channels-first ones, and operators that
 * only give the same elements another shape.
 *
 * What keeps the order of elements in the file need not keep it in the graph. Where it
 * does, a Reshape is all. A map that is flattened for dense layers becomes a vector in
 * the graph's own order, and the weights behind it are reordered. Everything else goes
 * over the file's order: Transpose, Reshape, Transpose. */
#include "tflite/tflite_int.h"

#include "ops/build.h"

lb_shape lb_tfl_shape_in(const lb_shape *from)
{
    lb_shape to = *from;

    if (to.rank > 0)
        to.dim[0] = LB_BATCH;
    if (to.rank < 3)
        return to;
    to.dim[1] = from->dim[from->rank - 1];
    for (int i = 2; i < to.rank; i++)
        to.dim[i] = from->dim[i - 1];
    return to;
}

int lb_tfl_axis_in(int rank, int axis)
{
    if (rank < 3 || axis == 0)
        return axis;
    return axis == rank - 1 ? 1 : axis + 1;
}

static int channels_of(const lb_shape *s)
{
    return s->dim[s->rank - 1];
}

static int64_t area_of(const lb_shape *s)
{
    int64_t n = 1;

    for (int i = 1; i < s->rank - 1; i++)
        n *= s->dim[i];
    return n;
}

/* Does a sample have one order of elements, whichever axis the channels are? */
static bool is_flat(const lb_shape *s)
{
    return s->rank < 3 || channels_of(s) == 1 || area_of(s) == 1;
}

static lb_value channels_last(lb_builder *b, lb_value v)
{
    const int rank = lb_rank(b, v);
    int perm[LB_MAX_RANK] = {0};

    for (int i = 1; i < rank - 1; i++)
        perm[i] = i + 1;
    perm[rank - 1] = 1;
    return lb_transpose(b, v, perm, rank);
}

static lb_value channels_first(lb_builder *b, lb_value v)
{
    const int rank = lb_rank(b, v);
    int perm[LB_MAX_RANK] = {0};

    perm[1] = rank - 1;
    for (int i = 2; i < rank; i++)
        perm[i] = i - 1;
    return lb_transpose(b, v, perm, rank);
}

static lb_value over_file_order(lb_builder *b, lb_value v, const lb_shape *from,
                                const lb_shape *to)
{
    lb_shape last = *to;

    last.dim[0] = LB_BATCH;
    if (!is_flat(from))
        v = channels_last(b, v);
    v = lb_reshape(b, v, &last);
    return channels_first(b, v);
}

lb_value lb_tfl_reshape(lb_tfl_reader *r, lb_tfl_node *node)
{
    const lb_tfl_tensor *const in = lb_tfl_in(r, node, 0);
    const lb_tfl_tensor *const out = lb_tfl_out(r, node);
    const lb_tfl_spot *const spot = &r->spot[node->op->out[0]];
    const lb_shape *const from = &in->shape, *const to = &out->shape;
    const lb_shape shape = lb_tfl_shape_in(to);
    size_t n_from = 0, n_to = 0;

    if (!lb_tfl_same_grid(in, out))
        return lb_tfl_refuse(r, node, "it would change the scale of '%.100s'", in->name);
    if (!lb_shape_count(from, &n_from) || !lb_shape_count(to, &n_to) || n_from != n_to)
        return lb_tfl_blame(r, node, "its input has %zu elements, its output %zu", n_from,
                            n_to);
    const bool same_channels =
        from->rank > 2 && to->rank > 2 && channels_of(from) == channels_of(to);
    if (same_channels || (is_flat(from) && is_flat(to)))
        return lb_reshape(&r->b, node->x[0], &shape);
    if (to->rank == 2 && spot->dense_uses == spot->uses && spot->uses > 0) {
        node->map = lb_type_of(&r->b, node->x[0]).shape;
        return lb_flatten(&r->b, node->x[0], NULL);
    }
    if (!is_flat(to))
        return over_file_order(&r->b, node->x[0], from, to);
    return lb_reshape(&r->b, channels_last(&r->b, node->x[0]), &shape);
}
