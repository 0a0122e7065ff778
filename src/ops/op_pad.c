/* op_pad.c: Pad with a constant: begins of all axes, then ends; negative pads cut. */
#include "ops/cut.h"
#include "ops/op_util.h"

#include <string.h>

lb_code lb_pads_of(const lb_view *view, int64_t pads[2 * LB_MAX_RANK], lb_error *err)
{
    const int rank = view->in[0]->shape.rank;
    int64_t given[2 * LB_MAX_RANK] = {0}, axes[LB_MAX_RANK] = {0};
    int n = 0, n_axes = rank, axis = 0;

    memset(pads, 0, 2 * LB_MAX_RANK * sizeof *pads);
    LB_TRY(lb_constant_ints(view, 1, "pads", 2 * LB_MAX_RANK, given, &n, err));
    for (int i = 0; i < rank; i++)
        axes[i] = i;
    if (view->n_in > 3 && view->in[3])
        LB_TRY(lb_constant_ints(view, 3, "axes", LB_MAX_RANK, axes, &n_axes, err));
    if (n != 2 * n_axes)
        return lb_raise(err, LB_ERR_INPUT, "pads must have %d numbers, not %d",
                        2 * n_axes, n);
    for (int i = 0; i < n; i++) {
        LB_TRY(lb_check_axis(axes[i % n_axes], rank, &axis, err));
        if (given[i] < -(1 << 30) || given[i] > 1 << 30)
            return lb_raise(err, LB_ERR_UNSUPPORTED, "a pad of %lld is out of range",
                            (long long)given[i]);
        pads[i < n_axes ? axis : axis + rank] = given[i];
    }
    return LB_OK;
}

static lb_code infer(const lb_view *view, lb_type *out, lb_error *err)
{
    const char *const mode = lb_attr_text(view->node, "mode", "constant");
    const int rank = view->in[0]->shape.rank;
    int64_t pads[2 * LB_MAX_RANK];

    if (strcmp(mode, "constant") != 0)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "mode '%s' is not supported; constant is", mode);
    LB_TRY(lb_pads_of(view, pads, err));
    if (view->n_in > 2 && view->in[2] &&
        (!view->constant[2] || view->constant[2]->n != 1))
        return lb_raise(err, LB_ERR_UNSUPPORTED, "the value must be one constant");
    *out = *view->in[0];
    for (int i = 0; i < rank; i++) {
        const int64_t dim = out->shape.dim[i] + pads[i] + pads[i + rank];
        if (out->shape.dim[i] == LB_BATCH) {
            if (pads[i] || pads[i + rank])
                return lb_raise(err, LB_ERR_UNSUPPORTED, "a batch cannot be padded");
            continue;
        }
        if (dim < 0 || dim > 1 << 30)
            return lb_raise(err, LB_ERR_INPUT, "axis %d would have size %lld", i,
                            (long long)dim);
        out->shape.dim[i] = (int)dim;
    }
    return lb_check_size(&out->shape, err);
}

/* The pad before axis i, of a call that is running. */
static int64_t begin_of(const lb_ref_call *call, int i)
{
    const int n = (int)lb_elements(&call->in_type[1]) / 2;
    const int rank = call->in_type[0].shape.rank;

    if (call->n_in < 4 || !call->in[3])
        return (int64_t)call->in[1][i];
    for (int k = 0; k < n; k++) {
        const int axis = (int)call->in[3][k];
        if (axis == i || axis + rank == i)
            return (int64_t)call->in[1][k];
    }
    return 0;
}

static void run(const lb_ref_call *call)
{
    const double value = lb_scalar_of(call, 2, 0);
    const lb_shape *const x = &call->in_type[0].shape, *const y =
                                                           &call->out_type[0].shape;
    const size_t n = lb_elements(&call->out_type[0]);
    int64_t from[LB_MAX_RANK], to[LB_MAX_RANK], x_first = 0, y_first = 0;
    lb_shape shared = *y; /* the part of x that is still there */
    lb_walk w;

    for (size_t i = 0; i < n; i++)
        call->out[0][i] = value;
    lb_strides(x, from);
    lb_strides(y, to);
    for (int i = 0; i < x->rank; i++) {
        const int64_t begin = begin_of(call, i);
        const int64_t low = begin < 0 ? -begin : 0;
        int64_t high = (int64_t)y->dim[i] - begin;
        high = high < x->dim[i] ? high : x->dim[i];
        shared.dim[i] = high > low ? (int)(high - low) : 0;
        x_first += low * from[i];
        y_first += (low + begin) * to[i];
    }
    lb_walk_init(&w, &shared);
    memcpy(w.stride[0], to, (size_t)x->rank * sizeof *to);
    memcpy(w.stride[1], from, (size_t)x->rank * sizeof *from);
    for (lb_walk_begin(&w); w.more; lb_walk_next(&w))
        for (int i = 0; i < w.n; i++)
            call->out[0][y_first + w.at[0] + i * w.step[0]] =
                call->in[0][x_first + w.at[1] + i * w.step[1]];
}

static void grad(lb_builder *b, const lb_node *node, const lb_value *dy, lb_value *dx)
{
    const int rank = lb_rank(b, node->in[0]);
    int64_t pads[2 * LB_MAX_RANK];
    lb_error err;
    lb_view view;

    lb_graph_view(b->graph, node, &view);
    if (lb_pads_of(&view, pads, &err) != LB_OK)
        return;
    for (int i = 0; i < 2 * rank; i++)
        pads[i] = -pads[i];
    const lb_value back = lb_int_list(b, pads, 2 * rank);
    dx[0] = lb_binary(b, &lb_op_Pad, dy[0], back);
}

const lb_op lb_op_Pad = {
    .name = "Pad",
    .help = "the input with a constant around it",
    .flags = LB_OP_ONNX,
    .min_in = 2,
    .max_in = 4,
    .n_out = 1,
    .opset_min = 2,
    .opset_max = 22,
    .infer = infer,
    .grad = grad,
    .cost = lb_cost_elements,
    .run = run,
};
