/* op_reduce.c: sums, means and maxima over axes, and their gradients.
 *
 * Reductions take axes as an attribute or as a constant second input; none
 * means all. Over the batch they give each group's share: a mean divides by the size of
 * the whole batch; a maximum over it cannot be had from shares. ReduceTo(dy, like) sums
 * what broadcasting has spread; ExpandLike(dy, x; axes, keepdims, mean) spreads what a
 * reduction has summed. ReduceMaxGrad(x, dy; axes, keepdims) gives dy to the first of the
 * largest elements. */
#include "ops/op_util.h"

#include <math.h>
#include <string.h>

typedef struct axes {
    bool reduced[LB_MAX_RANK];
    bool keep;
} axes;

static lb_code axes_of(const lb_view *view, int rank, axes *a, lb_error *err)
{
    const bool as_input =
        view->n_in > 1 && view->in[1] && (view->node->op->flags & LB_OP_ONNX);
    const bool none_means_none = lb_attr_int(view->node, "noop_with_empty_axes", 0) != 0;
    int64_t list[LB_MAX_RANK];
    int n = lb_attr_ints(view->node, "axes", list, LB_MAX_RANK), axis = 0;

    *a = (axes){.keep = lb_attr_int(view->node, "keepdims", 1) != 0};
    if (as_input)
        LB_TRY(lb_constant_ints(view, 1, "axes", LB_MAX_RANK, list, &n, err));
    if (n > LB_MAX_RANK)
        return lb_raise(err, LB_ERR_INPUT, "%d axes; %d is the most", n, LB_MAX_RANK);
    for (int i = 0; i < rank; i++)
        a->reduced[i] = n == 0 && !none_means_none;
    for (int i = 0; i < n; i++) {
        LB_TRY(lb_check_axis(list[i], rank, &axis, err));
        if (a->reduced[axis])
            return lb_raise(err, LB_ERR_INPUT, "axis %d is named twice", axis);
        a->reduced[axis] = true;
    }
    return LB_OK;
}

static lb_shape reduced_shape(const lb_shape *in, const axes *a)
{
    lb_shape out = {0};

    for (int i = 0; i < in->rank; i++)
        if (!a->reduced[i])
            out.dim[out.rank++] = in->dim[i];
        else if (a->keep)
            out.dim[out.rank++] = 1;
    return out;
}

static lb_code infer_reduce(const lb_view *view, lb_type *out, lb_error *err)
{
    axes a;

    LB_TRY(axes_of(view, view->in[0]->shape.rank, &a, err));
    out->dtype = view->in[0]->dtype;
    out->shape = reduced_shape(&view->in[0]->shape, &a);
    return LB_OK;
}

static lb_code infer_mean(const lb_view *view, lb_type *out, lb_error *err)
{
    if (!lb_dtype_is_float(view->in[0]->dtype))
        return lb_raise(err, LB_ERR_UNSUPPORTED, "the mean of %s",
                        lb_dtype_name(view->in[0]->dtype));
    return infer_reduce(view, out, err);
}

static lb_cost cost_of_input(const lb_view *view, const lb_type *out)
{
    (void)out;
    return (lb_cost){.other = lb_per_sample(view->in[0])};
}

/* The axes of a running call; the node was checked when it was added. */
static axes axes_of_call(const lb_ref_call *call, const lb_shape *whole)
{
    const bool as_input =
        call->n_in > 1 && call->in[1] && (call->node->op->flags & LB_OP_ONNX);
    lb_view view = {.node = call->node, .n_in = 1};
    lb_error err;
    axes a;

    (void)!axes_of(&view, whole->rank, &a, &err);
    if (!as_input)
        return a;
    const size_t n = lb_elements(&call->in_type[1]);
    for (int i = 0; i < whole->rank && n > 0; i++)
        a.reduced[i] = false;
    for (size_t i = 0; i < n; i++) {
        const int axis = (int)call->in[1][i];
        a.reduced[axis < 0 ? axis + whole->rank : axis] = true;
    }
    return a;
}

/* How many elements a mean over these axes covers, in the whole batch. */
static double count_of(const lb_ref_call *call, const lb_shape *whole, const axes *a,
                       bool batched)
{
    double n = 1;

    for (int i = 0; i < whole->rank; i++)
        if (a->reduced[i])
            n *= i == 0 && batched ? call->batch : whole->dim[i];
    return n;
}

/* Operand 0 walks over the whole, operand 1 over its reduction. */
static void walk_reduction(lb_walk *w, const lb_shape *whole, const axes *a)
{
    axes kept = *a;

    kept.keep = true;
    const lb_shape small = reduced_shape(whole, &kept);
    lb_walk_init(w, whole);
    lb_walk_operand(w, 0, whole);
    lb_walk_operand(w, 1, &small);
}

static void add_rows(lb_walk *w, const double *x, double *y)
{
    for (lb_walk_begin(w); w->more; lb_walk_next(w)) {
        double sum = 0;
        if (w->step[1] == 0) {
            for (int i = 0; i < w->n; i++)
                sum += x[w->at[0] + i * w->step[0]];
            y[w->at[1]] += sum;
        } else {
            for (int i = 0; i < w->n; i++)
                y[w->at[1] + i * w->step[1]] += x[w->at[0] + i * w->step[0]];
        }
    }
}

static void run_sum(const lb_ref_call *call)
{
    const axes a = axes_of_call(call, &call->in_type[0].shape);
    lb_walk w;

    memset(call->out[0], 0, lb_elements(&call->out_type[0]) * sizeof(double));
    walk_reduction(&w, &call->in_type[0].shape, &a);
    add_rows(&w, call->in[0], call->out[0]);
}

static void run_mean(const lb_ref_call *call)
{
    const axes a = axes_of_call(call, &call->in_type[0].shape);
    const double n = count_of(call, &call->in_type[0].shape, &a, call->batched_in[0]);
    const size_t count = lb_elements(&call->out_type[0]);

    run_sum(call);
    for (size_t i = 0; i < count; i++)
        call->out[0][i] /= n;
}

static lb_code infer_reduce_to(const lb_view *view, lb_type *out, lb_error *err)
{
    lb_shape both;

    LB_TRY(lb_broadcast(&view->in[0]->shape, &view->in[1]->shape, &both, err));
    LB_TRY(lb_check_shape(view, 0, &both, "dy", err));
    out->dtype = view->in[0]->dtype;
    out->shape = view->in[1]->shape;
    return LB_OK;
}

static void run_reduce_to(const lb_ref_call *call)
{
    lb_walk w;

    memset(call->out[0], 0, lb_elements(&call->out_type[0]) * sizeof(double));
    lb_walk_init(&w, &call->in_type[0].shape);
    lb_walk_operand(&w, 0, &call->in_type[0].shape);
    lb_walk_operand(&w, 1, &call->out_type[0].shape);
    add_rows(&w, call->in[0], call->out[0]);
}

static lb_code infer_expand(const lb_view *view, lb_type *out, lb_error *err)
{
    axes a;

    LB_TRY(axes_of(view, view->in[1]->shape.rank, &a, err));
    const lb_shape wanted = reduced_shape(&view->in[1]->shape, &a);
    LB_TRY(lb_check_shape(view, 0, &wanted, "dy", err));
    *out = *view->in[1];
    return LB_OK;
}

static void run_expand(const lb_ref_call *call)
{
    const lb_shape *const whole = &call->out_type[0].shape;
    const axes a = axes_of_call(call, whole);
    const bool mean = lb_attr_int(call->node, "mean", 0) != 0;
    const double n = mean ? count_of(call, whole, &a, call->batched_in[1]) : 1;
    lb_walk w;

    walk_reduction(&w, whole, &a);
    for (lb_walk_begin(&w); w.more; lb_walk_next(&w))
        for (int i = 0; i < w.n; i++)
            call->out[0][w.at[0] + i * w.step[0]] =
                call->in[0][w.at[1] + i * w.step[1]] / n;
}

static lb_code infer_max(const lb_view *view, lb_type *out, lb_error *err)
{
    char text[LB_SHAPE_TEXT];
    axes a;

    LB_TRY(axes_of(view, view->in[0]->shape.rank, &a, err));
    if (lb_type_batched(view->in[0]) && a.reduced[0])
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "a maximum over the batch cannot be had from groups of it");
    for (int i = 0; i < view->in[0]->shape.rank; i++)
        if (a.reduced[i] && view->in[0]->shape.dim[i] == 0)
            return lb_raise(err, LB_ERR_INPUT, "the maximum of no elements: %s",
                            lb_shape_text(&view->in[0]->shape, text));
    return infer_reduce(view, out, err);
}

static lb_code infer_max_grad(const lb_view *view, lb_type *out, lb_error *err)
{
    axes a;

    LB_TRY(lb_check_floats(view, err));
    LB_TRY(axes_of(view, view->in[0]->shape.rank, &a, err));
    const lb_shape wanted = reduced_shape(&view->in[0]->shape, &a);
    LB_TRY(lb_check_shape(view, 1, &wanted, "dy", err));
    *out = *view->in[0];
    return LB_OK;
}

/* Two walks: over the results, operand 1 over where each lies in the whole; and over the
 * elements behind one result. */
static void walk_extremes(const lb_shape *whole, const axes *a, lb_walk *results,
                          lb_walk *behind)
{
    lb_shape kept = *whole, gone = *whole;

    for (int i = 0; i < whole->rank; i++)
        if (a->reduced[i])
            kept.dim[i] = 1;
        else
            gone.dim[i] = 1;
    lb_walk_init(results, &kept);
    lb_walk_operand(results, 0, &kept);
    lb_walk_operand(results, 1, whole);
    lb_walk_init(behind, &gone);
    lb_walk_operand(behind, 0, whole);
}

/* Where the first of the largest elements is, counted from x; NaN counts as the largest,
 * so that it is seen. */
static int64_t first_largest(lb_walk *behind, const double *x)
{
    int64_t best = 0;

    for (lb_walk_begin(behind); behind->more; lb_walk_next(behind))
        for (int i = 0; i < behind->n; i++) {
            const int64_t at = behind->at[0] + i * behind->step[0];
            if (!(x[at] <= x[best]) && !isnan(x[best]))
                best = at;
        }
    return best;
}

static void run_max(const lb_ref_call *call)
{
    const lb_shape *const whole = &call->in_type[0].shape;
    const axes a = axes_of_call(call, whole);
    lb_walk w, behind;

    walk_extremes(whole, &a, &w, &behind);
    for (lb_walk_begin(&w); w.more; lb_walk_next(&w))
        for (int i = 0; i < w.n; i++) {
            const double *const x = call->in[0] + w.at[1] + i * w.step[1];
            call->out[0][w.at[0] + i * w.step[0]] = x[first_largest(&behind, x)];
        }
}

static void run_max_grad(const lb_ref_call *call)
{
    const lb_shape *const whole = &call->in_type[0].shape;
    const axes a = axes_of_call(call, whole);
    lb_walk w, behind;

    memset(call->out[0], 0, lb_elements(&call->out_type[0]) * sizeof(double));
    walk_extremes(whole, &a, &w, &behind);
    for (lb_walk_begin(&w); w.more; lb_walk_next(&w))
        for (int i = 0; i < w.n; i++) {
            const int64_t at = w.at[1] + i * w.step[1];
            const int64_t best = first_largest(&behind, call->in[0] + at);
            call->out[0][at + best] = call->in[1][w.at[0] + i * w.step[0]];
        }
}

/* The axes that a node reduces, as attributes of its gradient; returns their number, -1
 * if the node is not whole. */
static int axis_list(lb_builder *b, const lb_node *node, int64_t list[LB_MAX_RANK],
                     bool *keep)
{
    const int rank = lb_rank(b, node->in[0]);
    int n = 0;
    lb_error err;
    lb_view view;
    axes a;

    lb_graph_view(b->graph, node, &view);
    if (axes_of(&view, rank, &a, &err) != LB_OK)
        return -1;
    for (int i = 0; i < rank; i++)
        if (a.reduced[i])
            list[n++] = i;
    *keep = a.keep;
    return n;
}

static void grad_max(lb_builder *b, const lb_node *node, const lb_value *dy, lb_value *dx)
{
    const lb_value in[] = {node->in[0], dy[0]};
    int64_t list[LB_MAX_RANK] = {0};
    bool keep = false;
    const int n = axis_list(b, node, list, &keep);
    const lb_attr attrs[] = {lb_ais("axes", list, n), lb_ai("keepdims", keep)};

    if (n > 0)
        dx[0] = lb_add_node(b, &lb_op_ReduceMaxGrad, NULL, in, 2, attrs, 2);
    else if (n == 0)
        dx[0] = dy[0];
}

static void grad_reduce(lb_builder *b, const lb_node *node, lb_value dy, lb_value *dx,
                        bool mean)
{
    const lb_value in[] = {dy, node->in[0]};
    int64_t list[LB_MAX_RANK] = {0};
    bool keep = false;
    const int n = axis_list(b, node, list, &keep);
    const lb_attr attrs[] = {lb_ais("axes", list, n), lb_ai("keepdims", keep),
                             lb_ai("mean", mean)};

    if (n > 0)
        dx[0] = lb_add_node(b, &lb_op_ExpandLike, NULL, in, 2, attrs, 3);
    else if (n == 0)
        dx[0] = dy;
}

static void grad_sum(lb_builder *b, const lb_node *node, const lb_value *dy, lb_value *dx)
{
    grad_reduce(b, node, dy[0], dx, false);
}

static void grad_mean(lb_builder *b, const lb_node *node, const lb_value *dy,
                      lb_value *dx)
{
    grad_reduce(b, node, dy[0], dx, true);
}

const lb_op lb_op_ReduceMean = {
    .name = "ReduceMean",
    .help = "mean over axes",
    .flags = LB_OP_ONNX,
    .min_in = 1,
    .max_in = 2,
    .n_out = 1,
    .opset_min = 1,
    .opset_max = 22,
    .infer = infer_mean,
    .grad = grad_mean,
    .cost = cost_of_input,
    .run = run_mean,
};

const lb_op lb_op_ReduceSum = {
    .name = "ReduceSum",
    .help = "sum over axes",
    .flags = LB_OP_ONNX,
    .min_in = 1,
    .max_in = 2,
    .n_out = 1,
    .opset_min = 1,
    .opset_max = 22,
    .infer = infer_reduce,
    .grad = grad_sum,
    .cost = cost_of_input,
    .run = run_sum,
};

const lb_op lb_op_ReduceMax = {
    .name = "ReduceMax",
    .help = "largest element over axes",
    .flags = LB_OP_ONNX,
    .min_in = 1,
    .max_in = 2,
    .n_out = 1,
    .opset_min = 1,
    .opset_max = 22,
    .infer = infer_max,
    .grad = grad_max,
    .cost = cost_of_input,
    .run = run_max,
};

const lb_op lb_op_ReduceMaxGrad = {
    .name = "ReduceMaxGrad",
    .help = "gradient of ReduceMax, from x and dy",
    .flags = LB_OP_FORWARD_ONLY,
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .infer = infer_max_grad,
    .cost = cost_of_input,
    .run = run_max_grad,
};

const lb_op lb_op_ReduceTo = {
    .name = "ReduceTo",
    .help = "dy summed down to the shape of the second input",
    .flags = LB_OP_FORWARD_ONLY,
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .infer = infer_reduce_to,
    .cost = cost_of_input,
    .run = run_reduce_to,
};

const lb_op lb_op_ExpandLike = {
    .name = "ExpandLike",
    .help = "gradient of ReduceSum and ReduceMean",
    .flags = LB_OP_FORWARD_ONLY,
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .infer = infer_expand,
    .cost = lb_cost_elements,
    .run = run_expand,
};
