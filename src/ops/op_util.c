/* op_util.c: what the operators' rules share: checks, broadcasting, walks. */
#include "ops/op_util.h"

#include <assert.h>
#include <math.h>
#include <string.h>

size_t lb_elements(const lb_type *type)
{
    size_t n = 0;

    return lb_shape_count(&type->shape, &n) ? n : 0;
}

double lb_per_sample(const lb_type *type)
{
    double n = 1;

    for (int i = 0; i < type->shape.rank; i++)
        if (type->shape.dim[i] != LB_BATCH)
            n *= type->shape.dim[i];
    return n;
}

lb_cost lb_cost_elements(const lb_view *view, const lb_type *out)
{
    (void)view;
    return (lb_cost){.other = lb_per_sample(&out[0])};
}

lb_code lb_check_floats(const lb_view *view, lb_error *err)
{
    assert(view->in[0]); /* arity was checked */
    for (int i = 0; i < view->n_in; i++) {
        if (!view->in[i])
            continue;
        if (!lb_dtype_is_float(view->in[i]->dtype))
            return lb_raise(err, LB_ERR_UNSUPPORTED,
                            "input %d is %s; only float32 and float64 are supported", i,
                            lb_dtype_name(view->in[i]->dtype));
        if (view->in[i]->dtype != view->in[0]->dtype)
            return lb_raise(err, LB_ERR_INPUT, "input 0 is %s, but input %d is %s",
                            lb_dtype_name(view->in[0]->dtype), i,
                            lb_dtype_name(view->in[i]->dtype));
    }
    return LB_OK;
}

lb_code lb_check_rank(const lb_view *view, int input, int least, int most, lb_error *err)
{
    const int rank = view->in[input]->shape.rank;
    char text[LB_SHAPE_TEXT];

    if (rank >= least && rank <= most)
        return LB_OK;
    if (least == most)
        return lb_raise(err, LB_ERR_INPUT, "input %d has shape %s; rank %d is wanted",
                        input, lb_shape_text(&view->in[input]->shape, text), least);
    return lb_raise(err, LB_ERR_INPUT, "input %d has shape %s; rank %d to %d is wanted",
                    input, lb_shape_text(&view->in[input]->shape, text), least, most);
}

lb_code lb_check_shape(const lb_view *view, int input, const lb_shape *shape,
                       const char *what, lb_error *err)
{
    char is[LB_SHAPE_TEXT], wanted[LB_SHAPE_TEXT];

    if (lb_shape_equal(&view->in[input]->shape, shape))
        return LB_OK;
    return lb_raise(err, LB_ERR_INPUT, "%s has shape %s, not %s", what,
                    lb_shape_text(&view->in[input]->shape, is),
                    lb_shape_text(shape, wanted));
}

lb_code lb_check_axis(int64_t axis, int rank, int *out, lb_error *err)
{
    if (axis < -rank || axis >= rank)
        return lb_raise(err, LB_ERR_INPUT, "axis must be between %d and %d, not %lld",
                        -rank, rank - 1, (long long)axis);
    *out = (int)(axis < 0 ? axis + rank : axis);
    return LB_OK;
}

lb_code lb_check_size(const lb_shape *shape, lb_error *err)
{
    const bool batched = shape->rank > 0 && shape->dim[0] == LB_BATCH;
    lb_shape bound = *shape;
    char text[LB_SHAPE_TEXT];
    size_t n;

    if (batched)
        bound.dim[0] = 1;
    if (!lb_shape_count(&bound, &n))
        return lb_raise(err, LB_ERR_INPUT, "the result cannot have the shape %s",
                        lb_shape_text(shape, text));
    return LB_OK;
}

lb_code lb_constant_ints(const lb_view *view, int input, const char *what, int most,
                         int64_t *out, int *n, lb_error *err)
{
    const lb_tensor *const t = view->constant[input];

    if (!t)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "%s must be a constant; simplify the network before its export",
                        what);
    if (t->dtype != LB_I64 && t->dtype != LB_I32)
        return lb_raise(err, LB_ERR_INPUT, "%s must be whole numbers, not %s", what,
                        lb_dtype_name(t->dtype));
    if (t->shape.rank > 1 || t->n > (size_t)most)
        return lb_raise(err, LB_ERR_INPUT, "%s has %zu numbers; %d is the most", what,
                        t->n, most);
    *n = (int)t->n;
    for (int i = 0; i < *n; i++)
        out[i] = t->dtype == LB_I64 ? ((const int64_t *)t->data)[i]
                                    : ((const int32_t *)t->data)[i];
    return LB_OK;
}

double lb_scalar_of(const lb_ref_call *call, int input, double usual)
{
    return input < call->n_in && call->in[input] ? call->in[input][0] : usual;
}

static int dim_from_end(const lb_shape *shape, int back)
{
    return back < shape->rank ? shape->dim[shape->rank - 1 - back] : 1;
}

lb_code lb_broadcast(const lb_shape *a, const lb_shape *b, lb_shape *out, lb_error *err)
{
    char x[LB_SHAPE_TEXT], y[LB_SHAPE_TEXT];

    out->rank = a->rank > b->rank ? a->rank : b->rank;
    for (int back = 0; back < out->rank; back++) {
        const int p = dim_from_end(a, back), q = dim_from_end(b, back);
        const int dim = p == 1 ? q : p;
        if (p != 1 && q != 1 && p != q)
            return lb_raise(err, LB_ERR_INPUT, "shapes %s and %s do not go together",
                            lb_shape_text(a, x), lb_shape_text(b, y));
        if (dim == LB_BATCH && back != out->rank - 1)
            return lb_raise(err, LB_ERR_UNSUPPORTED,
                            "shapes %s and %s would move the batch from the first axis",
                            lb_shape_text(a, x), lb_shape_text(b, y));
        out->dim[out->rank - 1 - back] = dim;
    }
    return LB_OK;
}

void lb_strides(const lb_shape *shape, int64_t out[LB_MAX_RANK])
{
    int64_t stride = 1;

    for (int i = shape->rank - 1; i >= 0; i--) {
        out[i] = stride;
        stride *= shape->dim[i];
    }
}

void lb_walk_init(lb_walk *w, const lb_shape *space)
{
    *w = (lb_walk){.rank = space->rank};
    for (int i = 0; i < space->rank; i++)
        w->dim[i] = space->dim[i];
    if (w->rank == 0) {
        w->rank = 1;
        w->dim[0] = 1;
    }
}

void lb_walk_operand(lb_walk *w, int operand, const lb_shape *shape)
{
    int64_t strides[LB_MAX_RANK];

    lb_strides(shape, strides);
    for (int i = 0; i < w->rank; i++) {
        const int own = i - (w->rank - shape->rank);
        const bool moves = own >= 0 && shape->dim[own] != 1;
        w->stride[operand][i] = moves ? strides[own] : 0;
    }
}

void lb_walk_begin(lb_walk *w)
{
    w->n = w->dim[w->rank - 1];
    w->more = true;
    for (int i = 0; i < w->rank; i++) {
        w->index[i] = 0;
        w->more = w->more && w->dim[i] > 0;
    }
    for (int k = 0; k < 3; k++) {
        w->step[k] = w->stride[k][w->rank - 1];
        w->at[k] = 0;
    }
}

void lb_walk_next(lb_walk *w)
{
    for (int i = w->rank - 2; i >= 0; i--) {
        w->index[i]++;
        for (int k = 0; k < 3; k++)
            w->at[k] += w->stride[k][i];
        if (w->index[i] < w->dim[i])
            return;
        for (int k = 0; k < 3; k++)
            w->at[k] -= w->stride[k][i] * w->dim[i];
        w->index[i] = 0;
    }
    w->more = false;
}

lb_value lb_unary(lb_builder *b, const lb_op *op, lb_value x)
{
    return lb_add_node(b, op, NULL, &x, 1, NULL, 0);
}

lb_value lb_binary(lb_builder *b, const lb_op *op, lb_value x, lb_value y)
{
    const lb_value in[] = {x, y};

    return lb_add_node(b, op, NULL, in, 2, NULL, 0);
}

static lb_tensor *new_list(lb_builder *b, lb_dtype dtype, int n)
{
    const lb_shape shape = lb_shape_of(1, n);

    return lb_build_tensor(b, dtype, &shape);
}

lb_value lb_int_list(lb_builder *b, const int64_t *values, int n)
{
    lb_tensor *const t = new_list(b, LB_I64, n);

    for (int i = 0; t && i < n; i++)
        ((int64_t *)t->data)[i] = values[i];
    return t ? lb_constant(b, NULL, t) : (lb_value){0};
}

lb_value lb_filled(lb_builder *b, lb_dtype dtype, int n, double value)
{
    lb_tensor *const t = new_list(b, dtype, n);

    for (size_t i = 0; t && i < t->n; i++)
        lb_tensor_put(t, i, value);
    return t ? lb_constant(b, NULL, t) : (lb_value){0};
}

lb_value lb_reduce_to(lb_builder *b, lb_value dy, lb_value like)
{
    const lb_type from = lb_type_of(b, dy), to = lb_type_of(b, like);

    if (lb_shape_equal(&from.shape, &to.shape))
        return dy;
    return lb_binary(b, &lb_op_ReduceTo, dy, like);
}

lb_code lb_check_activation(const lb_view *view, lb_error *err)
{
    const char *const activation = lb_attr_text(view->node, "activation", "");
    const lb_attr *const params = lb_attr_find(view->node, "activation_params");

    if (strcmp(activation, "") != 0 && strcmp(activation, "Relu") != 0 &&
        strcmp(activation, "Clip") != 0)
        return lb_raise(err, LB_ERR_INPUT,
                        "activation must be empty, Relu or Clip, not '%s'", activation);
    if (strcmp(activation, "Clip") == 0 &&
        (!params || params->kind != LB_ATTR_FLOATS || params->n != 2))
        return lb_raise(err, LB_ERR_INPUT, "Clip needs activation_params: low, high");
    return LB_OK;
}

bool lb_activation_of(const lb_node *node, double limits[2])
{
    const char *const activation = lb_attr_text(node, "activation", "");
    const lb_attr *const params = lb_attr_find(node, "activation_params");

    limits[0] = 0;
    limits[1] = INFINITY;
    if (strcmp(activation, "Clip") == 0 && params) {
        limits[0] = params->floats[0];
        limits[1] = params->floats[1];
    }
    return activation[0] != 0;
}
