/* lower_shape.c: steps that move elements, and those that need not move any. */
#include "lower/lower_int.h"

#include <string.h>

static bool is_flat(const lb_low_dims *d)
{
    return d->c == 1 || d->h * d->w == 1;
}

/* All that read the value are dense layers, whose weights can be reordered. */
static bool only_dense_reads(const lb_lowering *l, lb_value v)
{
    int n = 0;

    for (int i = 0; i < l->graph->n_nodes; i++) {
        const lb_node *const node = &l->graph->nodes[i];
        const bool dense =
            strcmp(node->op->name, "Gemm") == 0 || strcmp(node->op->name, "MatMul") == 0;
        if (dense && node->in[0].id == v.id && lb_low_constant(l, node, 1))
            n++;
    }
    return n > 0 && n == lb_count_uses(l->graph, v);
}

static bool same_dims(const lb_low_dims *a, const lb_low_dims *b)
{
    return a->h == b->h && a->w == b->w && a->c == b->c;
}

/* The output has the input's elements in ONNX's order. */
static lb_code keep_order(lb_lowering *l, const lb_node *node, lb_error *err)
{
    lb_low *const low = l->low;
    lb_spot *const spot = &l->spot[node->out[0].id];
    lb_low_dims to;
    int in, out;

    LB_TRY(lb_low_source(l, node, 0, &in, err));
    LB_TRY(lb_low_dims_of(&lb_info(l->graph, node->out[0])->type, &to, err));
    const lb_low_dims from = low->buffer[in].dims;
    if (lb_low_count(&from) != lb_low_count(&to))
        return lb_raise(err, LB_ERR_UNSUPPORTED, "it reaches across the samples");
    if (same_dims(&from, &to) ||
        (to.h * to.w == 1 && only_dense_reads(l, node->out[0]))) {
        *spot = (lb_spot){.known = true, .mixed = !same_dims(&from, &to), .buffer = in};
        return LB_OK;
    }
    LB_TRY(lb_low_result(l, node, &out, err));
    if (is_flat(&from) && is_flat(&to)) { /* the same memory under another shape */
        low->buffer[out].alias = in;
        return LB_OK;
    }
    lb_low_append(l, LB_LOW_COPY, node, in, out);
    return LB_OK;
}

lb_code lb_lower_reshape(lb_lowering *l, const lb_node *node, lb_error *err)
{
    return keep_order(l, node, err);
}

/* No-op: the axes longer than 1 stay in their order. */
lb_code lb_lower_transpose(lb_lowering *l, const lb_node *node, lb_error *err)
{
    const lb_shape *const s = &lb_info(l->graph, node->in[0])->type.shape;
    int64_t perm[LB_MAX_RANK];
    int64_t last = -1;
    bool moves = false;

    if (lb_attr_ints(node, "perm", perm, LB_MAX_RANK) != s->rank)
        for (int i = 0; i < s->rank; i++)
            perm[i] = s->rank - 1 - i;
    for (int i = 0; i < s->rank; i++) {
        if (perm[i] < 0 || perm[i] >= s->rank || s->dim[perm[i]] == 1)
            continue;
        moves = moves || perm[i] < last;
        last = perm[i];
    }
    if (moves || perm[0] != 0)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "it moves elements, and a device step for that does not exist");
    return keep_order(l, node, err);
}

lb_code lb_lower_concat(lb_lowering *l, const lb_node *node, lb_error *err)
{
    const int rank = lb_info(l->graph, node->out[0])->type.shape.rank;
    const int64_t axis = lb_attr_int(node, "axis", 1);
    int *const all = LB_TAKE_ARRAY(l->arena, node->n_in, int);
    int out;

    if (!all)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for %d inputs", node->n_in);
    if (axis != 1 && axis != 1 - rank)
        return lb_raise(err, LB_ERR_UNSUPPORTED, "a device joins channels (axis 1) only");
    for (int i = 0; i < node->n_in; i++)
        LB_TRY(lb_low_source(l, node, i, &all[i], err));
    LB_TRY(lb_low_result(l, node, &out, err));
    lb_low_step *const s = lb_low_append(l, LB_LOW_CONCAT, node, all[0], out);
    s->in_all = all;
    s->n_in_all = node->n_in;
    return LB_OK;
}

/* Reads the pads of every axis: begins, then ends. */
static lb_code read_pads(const lb_lowering *l, const lb_node *node, int rank, int *pads,
                         lb_error *err)
{
    const lb_tensor *const t = lb_low_constant(l, node, 1);
    const lb_tensor *const axes = lb_low_constant(l, node, 3);
    const int n = t ? (int)(t->n / 2) : 0;

    if (!t || n > LB_MAX_RANK || (axes ? axes->n != (size_t)n : n != rank))
        return lb_raise(err, LB_ERR_UNSUPPORTED, "its pads must be constant");
    for (int i = 0; i < n; i++) {
        const int axis = axes ? (int)lb_tensor_get(axes, (size_t)i) : i;
        const int at = axis < 0 ? axis + rank : axis;
        const double begin = lb_tensor_get(t, (size_t)i);
        const double end = lb_tensor_get(t, (size_t)i + (size_t)n);
        if (at < 0 || at >= rank || begin < 0 || end < 0 || begin > 1e6 || end > 1e6)
            return lb_raise(err, LB_ERR_UNSUPPORTED, "a device pads by 0 or more");
        pads[at] = (int)begin;
        pads[at + rank] = (int)end;
    }
    if (rank < 3 || pads[0] || pads[1] || pads[rank] || pads[rank + 1])
        return lb_raise(err, LB_ERR_UNSUPPORTED, "a device pads spatial axes only");
    return LB_OK;
}

lb_code lb_lower_pad(lb_lowering *l, const lb_node *node, lb_error *err)
{
    const int rank = lb_info(l->graph, node->in[0])->type.shape.rank;
    const lb_tensor *const value = lb_low_constant(l, node, 2);
    int pads[2 * LB_MAX_RANK] = {0};
    int in, out;

    LB_TRY(read_pads(l, node, rank, pads, err));
    LB_TRY(lb_low_source(l, node, 0, &in, err));
    LB_TRY(lb_low_result(l, node, &out, err));
    lb_low_step *const s = lb_low_append(l, LB_LOW_PAD, node, in, out);
    s->pad_top = rank == 4 ? pads[2] : 0;
    s->pad_bottom = rank == 4 ? pads[2 + rank] : 0;
    s->pad_left = pads[rank - 1];
    s->pad_right = pads[2 * rank - 1];
    s->value = value ? (float)lb_tensor_get(value, 0) : 0;
    return LB_OK;
}

lb_code lb_lower_softmax(lb_lowering *l, const lb_node *node, lb_error *err)
{
    const int rank = lb_info(l->graph, node->in[0])->type.shape.rank;
    const int64_t axis = lb_attr_int(node, "axis", -1);
    int in, out;

    if (rank != 2 || (axis != 1 && axis != -1))
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "a device takes the softmax over the last axis of a vector");
    LB_TRY(lb_low_source(l, node, 0, &in, err));
    LB_TRY(lb_low_result(l, node, &out, err));
    lb_low_append(l, LB_LOW_SOFTMAX, node, in, out)->other *= 20;
    return LB_OK;
}
