/* op_slice.c: Slice, its gradient, and Gather along one axis.
 *
 * Slice(x, starts, ends, axes, steps): all but x are constants. SliceGrad(dy; starts,
 * steps, dims) puts dy back where it came from in zeros of shape dims. Both see a whole
 * batch only: nothing is cut from its axis. */
#include "ops/cut.h"
#include "ops/op_util.h"

#include <string.h>

/* Start and count along one axis of size `dim`, by ONNX's rules of clamping. */
static void clamp(int64_t dim, int64_t start, int64_t end, int64_t step, lb_cut *c,
                  int axis)
{
    const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? dim : dim - 1;

    start = start < 0 ? start + dim : start;
    end = end < 0 ? end + dim : end;
    start = start < 0 ? 0 : start > high ? high : start;
    end = end < low ? low : end > dim ? dim : end;
    const int64_t span = step > 0 ? end - start : start - end;
    const int64_t size = step > 0 ? step : -step;
    c->start[axis] = start;
    c->step[axis] = step;
    c->count[axis] = span > 0 ? (int)((span + size - 1) / size) : 0;
}

/* Far beyond any dimension at most, and so safe to add to. */
static int64_t near(int64_t x)
{
    const int64_t far = (int64_t)1 << 40;

    return x > far ? far : x < -far ? -far : x;
}

typedef struct arguments {
    int64_t start[LB_MAX_RANK], end[LB_MAX_RANK], axis[LB_MAX_RANK], step[LB_MAX_RANK];
    int n;
} arguments;

static lb_code read_arguments(const lb_view *view, arguments *a, lb_error *err)
{
    int ends = 0, axes = 0, steps = 0;

    LB_TRY(lb_constant_ints(view, 1, "starts", LB_MAX_RANK, a->start, &a->n, err));
    LB_TRY(lb_constant_ints(view, 2, "ends", LB_MAX_RANK, a->end, &ends, err));
    axes = steps = a->n;
    for (int i = 0; i < a->n; i++) {
        a->axis[i] = i;
        a->step[i] = 1;
    }
    if (view->n_in > 3 && view->in[3])
        LB_TRY(lb_constant_ints(view, 3, "axes", LB_MAX_RANK, a->axis, &axes, err));
    if (view->n_in > 4 && view->in[4])
        LB_TRY(lb_constant_ints(view, 4, "steps", LB_MAX_RANK, a->step, &steps, err));
    if (ends != a->n || axes != a->n || steps != a->n)
        return lb_raise(err, LB_ERR_INPUT,
                        "starts, ends, axes and steps must be of one length");
    return LB_OK;
}

lb_code lb_cut_of_slice(const lb_view *view, lb_cut *c, lb_error *err)
{
    const lb_shape *const x = &view->in[0]->shape;
    arguments a = {.n = 0};
    int axis = 0;

    LB_TRY(read_arguments(view, &a, err));
    for (int i = 0; i < x->rank; i++) {
        c->start[i] = 0;
        c->step[i] = 1;
        c->count[i] = x->dim[i];
    }
    for (int i = 0; i < a.n; i++) {
        LB_TRY(lb_check_axis(a.axis[i], x->rank, &axis, err));
        if (a.step[i] == 0)
            return lb_raise(err, LB_ERR_INPUT, "a step of 0 is not allowed");
        const int64_t start = near(a.start[i]), end = near(a.end[i]);
        const int64_t step = near(a.step[i]);
        if (x->dim[axis] == LB_BATCH) {
            if (start != 0 || step != 1 || end < INT32_MAX)
                return lb_raise(err, LB_ERR_UNSUPPORTED, "a batch cannot be cut");
            continue;
        }
        clamp(x->dim[axis], start, end, step, c, axis);
    }
    return LB_OK;
}

static lb_code infer_slice(const lb_view *view, lb_type *out, lb_error *err)
{
    lb_cut c;

    LB_TRY(lb_cut_of_slice(view, &c, err));
    *out = *view->in[0];
    for (int i = 0; i < out->shape.rank; i++)
        out->shape.dim[i] = c.count[i];
    return LB_OK;
}

/* The constants of a running call, as the node's rules see them. */
static void ints_of_call(const lb_ref_call *call, int input, int64_t *out, int n,
                         int64_t usual)
{
    const bool there = input < call->n_in && call->in[input];

    if (there) /* the largest int64, "to the end", is no double */
        lb_narrow(LB_I64, call->in[input], (size_t)n, out);
    for (int i = 0; i < n; i++)
        out[i] = there ? near(out[i]) : usual < 0 ? i : usual;
}

static lb_cut cut_of_call(const lb_ref_call *call)
{
    const lb_shape *const x = &call->in_type[0].shape;
    const int n = (int)lb_elements(&call->in_type[1]);
    arguments a = {.n = n};
    lb_cut c = {0};

    for (int i = 0; i < x->rank; i++) {
        c.step[i] = 1;
        c.count[i] = x->dim[i];
    }
    ints_of_call(call, 1, a.start, n, 0);
    ints_of_call(call, 2, a.end, n, 0);
    ints_of_call(call, 3, a.axis, n, -1);
    ints_of_call(call, 4, a.step, n, 1);
    for (int i = 0; i < n; i++) {
        const int axis = (int)(a.axis[i] < 0 ? a.axis[i] + x->rank : a.axis[i]);
        clamp(x->dim[axis], a.start[i], a.end[i], a.step[i], &c, axis);
    }
    return c;
}

/* Strides of the whole array, and where its cut begins. */
static int64_t begin_cut(lb_walk *w, const lb_shape *whole, const int64_t *start,
                         const int64_t *step)
{
    int64_t strides[LB_MAX_RANK], first = 0;

    lb_strides(whole, strides);
    for (int i = 0; i < whole->rank; i++) {
        w->stride[1][i] = strides[i] * step[i];
        first += strides[i] * start[i];
    }
    return first;
}

static void run_slice(const lb_ref_call *call)
{
    const lb_cut c = cut_of_call(call);
    lb_walk w;

    lb_walk_init(&w, &call->out_type[0].shape);
    lb_walk_operand(&w, 0, &call->out_type[0].shape);
    const int64_t first = begin_cut(&w, &call->in_type[0].shape, c.start, c.step);
    for (lb_walk_begin(&w); w.more; lb_walk_next(&w))
        for (int i = 0; i < w.n; i++)
            call->out[0][w.at[0] + i * w.step[0]] =
                call->in[0][first + w.at[1] + i * w.step[1]];
}

static void grad_slice(lb_builder *b, const lb_node *node, const lb_value *dy,
                       lb_value *dx)
{
    const lb_shape x = lb_type_of(b, node->in[0]).shape;
    int64_t dims[LB_MAX_RANK];
    lb_view view;
    lb_error err;
    lb_cut c;

    lb_graph_view(b->graph, node, &view);
    if (lb_cut_of_slice(&view, &c, &err) != LB_OK)
        return;
    for (int i = 0; i < x.rank; i++)
        dims[i] = x.dim[i];
    const lb_attr attrs[] = {lb_ais("starts", c.start, x.rank),
                             lb_ais("steps", c.step, x.rank),
                             lb_ais("dims", dims, x.rank)};
    dx[0] = lb_add_node(b, &lb_op_SliceGrad, NULL, dy, 1, attrs, 3);
}

static lb_code infer_slice_grad(const lb_view *view, lb_type *out, lb_error *err)
{
    int64_t dims[LB_MAX_RANK];
    const int n = lb_attr_ints(view->node, "dims", dims, LB_MAX_RANK);

    if (n != view->in[0]->shape.rank)
        return lb_bug(err, "SliceGrad without the shape of its result");
    *out = *view->in[0];
    for (int i = 0; i < n; i++)
        out->shape.dim[i] = (int)dims[i];
    return LB_OK;
}

static void run_slice_grad(const lb_ref_call *call)
{
    int64_t start[LB_MAX_RANK] = {0}, step[LB_MAX_RANK] = {0};
    lb_walk w;

    lb_attr_ints(call->node, "starts", start, LB_MAX_RANK);
    lb_attr_ints(call->node, "steps", step, LB_MAX_RANK);
    memset(call->out[0], 0, lb_elements(&call->out_type[0]) * sizeof(double));
    lb_walk_init(&w, &call->in_type[0].shape);
    lb_walk_operand(&w, 0, &call->in_type[0].shape);
    const int64_t first = begin_cut(&w, &call->out_type[0].shape, start, step);
    for (lb_walk_begin(&w); w.more; lb_walk_next(&w))
        for (int i = 0; i < w.n; i++)
            call->out[0][first + w.at[1] + i * w.step[1]] =
                call->in[0][w.at[0] + i * w.step[0]];
}

static lb_code infer_gather(const lb_view *view, lb_type *out, lb_error *err)
{
    const lb_shape *const x = &view->in[0]->shape, *const at = &view->in[1]->shape;
    const lb_tensor *const indices = view->constant[1];
    int axis = 0;

    LB_TRY(lb_check_axis(lb_attr_int(view->node, "axis", 0), x->rank, &axis, err));
    if (!indices || lb_dtype_is_float(indices->dtype))
        return lb_raise(err, LB_ERR_UNSUPPORTED, "indices must be constant numbers");
    if (x->dim[axis] == LB_BATCH)
        return lb_raise(err, LB_ERR_UNSUPPORTED, "a batch cannot be picked from");
    for (size_t i = 0; i < indices->n; i++) {
        const double index = lb_tensor_get(indices, i);
        if (!(index >= -x->dim[axis] && index < x->dim[axis]))
            return lb_raise(err, LB_ERR_INPUT, "index %g is outside of %d elements",
                            index, x->dim[axis]);
    }
    if (x->rank - 1 + at->rank > LB_MAX_RANK)
        return lb_raise(err, LB_ERR_UNSUPPORTED, "the result has rank %d; %d is the most",
                        x->rank - 1 + at->rank, LB_MAX_RANK);
    *out = (lb_type){.dtype = view->in[0]->dtype};
    for (int i = 0; i < axis; i++)
        out->shape.dim[out->shape.rank++] = x->dim[i];
    for (int i = 0; i < at->rank; i++)
        out->shape.dim[out->shape.rank++] = at->dim[i];
    for (int i = axis + 1; i < x->rank; i++)
        out->shape.dim[out->shape.rank++] = x->dim[i];
    return lb_check_size(&out->shape, err);
}

static void run_gather(const lb_ref_call *call)
{
    const lb_shape *const x = &call->in_type[0].shape;
    const int64_t given = lb_attr_int(call->node, "axis", 0);
    const int axis = (int)(given < 0 ? given + x->rank : given);
    const size_t n = lb_elements(&call->in_type[1]);
    const size_t dim = (size_t)x->dim[axis];
    size_t outer = 1, inner = 1;
    double *y = call->out[0];

    for (int i = 0; i < x->rank; i++)
        *(i < axis ? &outer : &inner) *= i == axis ? 1 : (size_t)x->dim[i];
    for (size_t o = 0; o < outer; o++)
        for (size_t i = 0; i < n; i++, y += inner) {
            const double index = call->in[1][i];
            const size_t at = (size_t)(index < 0 ? index + (double)dim : index);
            if (inner > 0)
                memcpy(y, call->in[0] + (o * dim + at) * inner, inner * sizeof *y);
        }
}

const lb_op lb_op_Slice = {
    .name = "Slice",
    .help = "a part of the input, at constant places",
    .flags = LB_OP_ONNX,
    .min_in = 3,
    .max_in = 5,
    .n_out = 1,
    .opset_min = 1,
    .opset_max = 22,
    .infer = infer_slice,
    .grad = grad_slice,
    .cost = lb_cost_elements,
    .run = run_slice,
};

const lb_op lb_op_SliceGrad = {
    .name = "SliceGrad",
    .help = "gradient of Slice: dy in zeros",
    .flags = LB_OP_FORWARD_ONLY,
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .infer = infer_slice_grad,
    .cost = lb_cost_elements,
    .run = run_slice_grad,
};

const lb_op lb_op_Gather = {
    .name = "Gather",
    .help = "elements of an axis, picked by constant indices",
    .flags = LB_OP_ONNX | LB_OP_FOLD_ONLY | LB_OP_FORWARD_ONLY,
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .opset_min = 1,
    .opset_max = 22,
    .infer = infer_gather,
    .cost = lb_cost_elements,
    .run = run_gather,
};
