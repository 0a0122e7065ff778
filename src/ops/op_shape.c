/* op_shape.c: operators that only rename the axes of the same elements, and Shape.
 *
 * Samples are never mixed: of a batched input the first axis stays the batch. Reshape
 * then takes any number for it, as long as the others make up one sample, because
 * exporters write 0, -1, 1 or the batch they happened to have. */
#include "ops/op_util.h"

#include "ops/build.h"

#include <string.h>

static lb_code refuse_mixing(const lb_view *view, lb_error *err)
{
    char text[LB_SHAPE_TEXT];

    return lb_raise(err, LB_ERR_UNSUPPORTED,
                    "it would mix the samples of an input of shape %s; keep the batch as "
                    "the first axis",
                    lb_shape_text(&view->in[0]->shape, text));
}

/* Fills in dimensions from `first` on out of `target` so that they hold `wanted`
 * elements. */
static bool fit(const lb_shape *in, const int64_t *target, int n, int first,
                lb_shape *out, size_t wanted)
{
    size_t known = 1;
    int open = -1;

    out->rank = n;
    for (int i = first; i < n; i++) {
        const int64_t dim = target[i] == 0 ? (i < in->rank ? in->dim[i] : -2) : target[i];
        if (dim == -1 && open < 0 && target[i] == -1) {
            open = i;
            continue;
        }
        if (dim < 0 || dim > (1 << 30) || !lb_size_mul(known, (size_t)dim, &known))
            return false;
        out->dim[i] = (int)dim;
    }
    if (open < 0)
        return known == wanted;
    if (known == 0 || wanted % known != 0 || wanted / known > 1 << 30)
        return false;
    out->dim[open] = (int)(wanted / known);
    return true;
}

static lb_code infer_reshape(const lb_view *view, lb_type *out, lb_error *err)
{
    const lb_shape *const in = &view->in[0]->shape;
    const bool batched = lb_type_batched(view->in[0]);
    lb_shape sample = *in;
    int64_t target[LB_MAX_RANK];
    char from[LB_SHAPE_TEXT];
    size_t wanted;
    int n = 0;

    LB_TRY(lb_constant_ints(view, 1, "the new shape", LB_MAX_RANK, target, &n, err));
    *out = *view->in[0];
    if (batched)
        sample.dim[0] = 1;
    if (!lb_shape_count(&sample, &wanted) || (batched && n == 0))
        return refuse_mixing(view, err);
    out->shape.dim[0] = LB_BATCH;
    if (!fit(in, target, n, batched ? 1 : 0, &out->shape, wanted)) {
        if (batched)
            return refuse_mixing(view, err);
        return lb_raise(err, LB_ERR_INPUT,
                        "%s does not have the elements of the new shape",
                        lb_shape_text(in, from));
    }
    return LB_OK;
}

static lb_code infer_flatten(const lb_view *view, lb_type *out, lb_error *err)
{
    const lb_shape *const in = &view->in[0]->shape;
    const int64_t axis = lb_attr_int(view->node, "axis", 1);
    const bool batched = lb_type_batched(view->in[0]);
    int64_t left = 1, right = 1;

    if (axis < -in->rank || axis > in->rank)
        return lb_raise(err, LB_ERR_INPUT, "axis must be between %d and %d, not %lld",
                        -in->rank, in->rank, (long long)axis);
    const int cut = (int)(axis < 0 ? axis + in->rank : axis);
    if (batched && cut != 1)
        return refuse_mixing(view, err);
    for (int i = 0; i < in->rank; i++)
        *(i < cut ? &left : &right) *= in->dim[i];
    if (right > 1 << 30 || left > 1 << 30)
        return lb_raise(err, LB_ERR_UNSUPPORTED, "it has too many elements to flatten");
    out->dtype = view->in[0]->dtype;
    out->shape = lb_shape_of(2, batched ? LB_BATCH : (int)left, (int)right);
    return LB_OK;
}

/* Which of `rank` axes the second input names. */
static lb_code read_axes(const lb_view *view, int rank, bool *named, lb_error *err)
{
    int64_t axes[LB_MAX_RANK];
    int n = 0, axis;

    memset(named, 0, LB_MAX_RANK * sizeof *named);
    LB_TRY(lb_constant_ints(view, 1, "axes", LB_MAX_RANK, axes, &n, err));
    for (int i = 0; i < n; i++) {
        LB_TRY(lb_check_axis(axes[i], rank, &axis, err));
        if (named[axis])
            return lb_raise(err, LB_ERR_INPUT, "axis %d is named twice", axis);
        named[axis] = true;
    }
    return LB_OK;
}

static lb_code infer_squeeze(const lb_view *view, lb_type *out, lb_error *err)
{
    const lb_shape *const in = &view->in[0]->shape;
    const bool chosen = view->n_in > 1 && view->in[1];
    bool named[LB_MAX_RANK] = {false};

    if (chosen)
        LB_TRY(read_axes(view, in->rank, named, err));
    *out = (lb_type){.dtype = view->in[0]->dtype};
    for (int i = 0; i < in->rank; i++) {
        if (chosen && named[i] && in->dim[i] == LB_BATCH)
            return refuse_mixing(view, err);
        if (chosen && named[i] && in->dim[i] != 1)
            return lb_raise(err, LB_ERR_INPUT, "axis %d has size %d, not 1", i,
                            in->dim[i]);
        if (chosen ? !named[i] : in->dim[i] != 1)
            out->shape.dim[out->shape.rank++] = in->dim[i];
    }
    return LB_OK;
}

static lb_code infer_unsqueeze(const lb_view *view, lb_type *out, lb_error *err)
{
    const lb_shape *const in = &view->in[0]->shape;
    bool named[LB_MAX_RANK];
    int64_t axes[LB_MAX_RANK];
    int n = 0, next = 0;

    LB_TRY(lb_constant_ints(view, 1, "axes", LB_MAX_RANK, axes, &n, err));
    if (in->rank + n > LB_MAX_RANK)
        return lb_raise(err, LB_ERR_UNSUPPORTED, "the result has rank %d; %d is the most",
                        in->rank + n, LB_MAX_RANK);
    LB_TRY(read_axes(view, in->rank + n, named, err));
    *out = (lb_type){.dtype = view->in[0]->dtype, .shape = {.rank = in->rank + n}};
    for (int i = 0; i < out->shape.rank; i++)
        out->shape.dim[i] = named[i] ? 1 : in->dim[next++];
    return lb_type_batched(view->in[0]) && named[0] ? refuse_mixing(view, err) : LB_OK;
}

static void range_of_shape(const lb_node *node, int rank, int *first, int *end)
{
    const int64_t start = lb_attr_int(node, "start", 0);
    const int64_t stop = lb_attr_int(node, "end", rank);
    const int64_t from = start < 0 ? start + rank : start;
    const int64_t to = stop < 0 ? stop + rank : stop;

    *first = from < 0 ? 0 : from > rank ? rank : (int)from;
    *end = to < *first ? *first : to > rank ? rank : (int)to;
}

static lb_code infer_shape(const lb_view *view, lb_type *out, lb_error *err)
{
    int first, end;

    (void)err;
    range_of_shape(view->node, view->in[0]->shape.rank, &first, &end);
    *out = (lb_type){LB_I64, lb_shape_of(1, end - first)};
    return LB_OK;
}

/* Of a batch, the first number is -1, which Reshape takes for the batch again. */
static void run_shape(const lb_ref_call *call)
{
    int first, end;

    range_of_shape(call->node, call->in_type[0].shape.rank, &first, &end);
    for (int i = first; i < end; i++)
        call->out[0][i - first] = call->in_type[0].shape.dim[i];
}

static void run_copy(const lb_ref_call *call)
{
    const size_t n = lb_elements(&call->out_type[0]);

    if (n > 0 && call->out[0] != call->in[0])
        memmove(call->out[0], call->in[0], n * sizeof(double));
}

static void grad_reshape(lb_builder *b, const lb_node *node, const lb_value *dy,
                         lb_value *dx)
{
    const lb_shape shape = lb_type_of(b, node->in[0]).shape;

    dx[0] = lb_reshape(b, dy[0], &shape);
}

const lb_op lb_op_Reshape = {
    .name = "Reshape",
    .help = "the same elements under another shape",
    .flags = LB_OP_ONNX,
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .opset_min = 5,
    .opset_max = 22,
    .infer = infer_reshape,
    .grad = grad_reshape,
    .run = run_copy,
};

const lb_op lb_op_Flatten = {
    .name = "Flatten",
    .help = "all axes from one on as a single one",
    .flags = LB_OP_ONNX,
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .opset_min = 1,
    .opset_max = 22,
    .infer = infer_flatten,
    .grad = grad_reshape,
    .run = run_copy,
};

const lb_op lb_op_Squeeze = {
    .name = "Squeeze",
    .help = "without axes of size 1",
    .flags = LB_OP_ONNX,
    .min_in = 1,
    .max_in = 2,
    .n_out = 1,
    .opset_min = 1,
    .opset_max = 22,
    .infer = infer_squeeze,
    .grad = grad_reshape,
    .run = run_copy,
};

const lb_op lb_op_Unsqueeze = {
    .name = "Unsqueeze",
    .help = "with more axes of size 1",
    .flags = LB_OP_ONNX,
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .opset_min = 1,
    .opset_max = 22,
    .infer = infer_unsqueeze,
    .grad = grad_reshape,
    .run = run_copy,
};

const lb_op lb_op_Shape = {
    .name = "Shape",
    .help = "the input's shape as numbers; the batch is -1",
    .flags = LB_OP_ONNX | LB_OP_FOLD_ONLY | LB_OP_SHAPE_ONLY | LB_OP_FORWARD_ONLY,
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .opset_min = 1,
    .opset_max = 22,
    .infer = infer_shape,
    .run = run_shape,
};
