/* build.c: the verbs that add named operators to a graph. */
#include "ops/build.h"

#include "ops/op_util.h"
#include "ops/window.h"

static lb_value named(lb_builder *b, const lb_op *op, lb_value x, const char *name)
{
    return lb_add_node(b, op, name, &x, 1, NULL, 0);
}

lb_value lb_conv(lb_builder *b, lb_value x, lb_value w, lb_value bias,
                 const lb_window *window, const char *name)
{
    const lb_value in[] = {x, w, bias};
    lb_attr attrs[LB_WINDOW_ATTRS];
    lb_window_store store;
    const int n = lb_window_attrs(window, true, &store, attrs);

    return lb_add_node(b, &lb_op_Conv, name, in, bias.id ? 3 : 2, attrs, n);
}

lb_value lb_batch_norm(lb_builder *b, lb_value x, lb_value scale, lb_value bias,
                       lb_value mean, lb_value var, double epsilon, double momentum,
                       const char *name)
{
    const lb_value in[] = {x, scale, bias, mean, var};
    const lb_attr attrs[] = {lb_af("epsilon", epsilon), lb_af("momentum", momentum)};

    return lb_add_node(b, &lb_op_BatchNormalization, name, in, 5, attrs, 2);
}

lb_value lb_batch_norm_now(lb_builder *b, lb_value x, lb_value scale, lb_value bias,
                           double epsilon)
{
    const lb_attr attr = lb_af("epsilon", epsilon);
    const lb_value sum = lb_unary(b, &lb_op_BatchNormStats, x);
    const lb_value in[] = {x, sum, lb_nth(b, sum, 1), scale, bias};

    return lb_add_node(b, &lb_op_BatchNormApply, NULL, in, 5, &attr, 1);
}

lb_value lb_gemm(lb_builder *b, lb_value x, lb_value w, lb_value bias, bool trans_a,
                 bool trans_b, const char *name)
{
    const lb_value in[] = {x, w, bias};
    const lb_attr attrs[] = {lb_ai("transA", trans_a), lb_ai("transB", trans_b)};

    return lb_add_node(b, &lb_op_Gemm, name, in, bias.id ? 3 : 2, attrs, 2);
}

lb_value lb_matmul(lb_builder *b, lb_value x, lb_value y)
{
    return lb_binary(b, &lb_op_MatMul, x, y);
}

lb_value lb_add(lb_builder *b, lb_value x, lb_value y)
{
    return lb_binary(b, &lb_op_Add, x, y);
}

lb_value lb_sub(lb_builder *b, lb_value x, lb_value y)
{
    return lb_binary(b, &lb_op_Sub, x, y);
}

lb_value lb_mul(lb_builder *b, lb_value x, lb_value y)
{
    return lb_binary(b, &lb_op_Mul, x, y);
}

lb_value lb_div(lb_builder *b, lb_value x, lb_value y)
{
    return lb_binary(b, &lb_op_Div, x, y);
}

lb_value lb_scale(lb_builder *b, lb_value x, double factor)
{
    if (factor == 1)
        return x;
    const lb_value scalar = lb_scalar(b, lb_type_of(b, x).dtype, factor);
    return lb_mul(b, x, scalar);
}

lb_value lb_neg(lb_builder *b, lb_value x)
{
    return lb_unary(b, &lb_op_Neg, x);
}

lb_value lb_abs(lb_builder *b, lb_value x)
{
    return lb_unary(b, &lb_op_Abs, x);
}

lb_value lb_exp(lb_builder *b, lb_value x)
{
    return lb_unary(b, &lb_op_Exp, x);
}

lb_value lb_ln(lb_builder *b, lb_value x)
{
    return lb_unary(b, &lb_op_Log, x);
}

lb_value lb_sqrt(lb_builder *b, lb_value x)
{
    return lb_unary(b, &lb_op_Sqrt, x);
}

lb_value lb_reciprocal(lb_builder *b, lb_value x)
{
    return lb_unary(b, &lb_op_Reciprocal, x);
}

lb_value lb_pow(lb_builder *b, lb_value x, double exponent)
{
    const lb_value scalar = lb_scalar(b, lb_type_of(b, x).dtype, exponent);

    return lb_binary(b, &lb_op_Pow, x, scalar);
}

lb_value lb_sigmoid(lb_builder *b, lb_value x)
{
    return lb_unary(b, &lb_op_Sigmoid, x);
}

lb_value lb_tanh(lb_builder *b, lb_value x)
{
    return lb_unary(b, &lb_op_Tanh, x);
}

lb_value lb_softplus(lb_builder *b, lb_value x)
{
    return lb_unary(b, &lb_op_Softplus, x);
}

lb_value lb_leaky_relu(lb_builder *b, lb_value x, double alpha, const char *name)
{
    const lb_attr attr = lb_af("alpha", alpha);

    return lb_add_node(b, &lb_op_LeakyRelu, name, &x, 1, &attr, 1);
}

lb_value lb_max(lb_builder *b, lb_value x, lb_value y)
{
    return lb_binary(b, &lb_op_Max, x, y);
}

lb_value lb_min(lb_builder *b, lb_value x, lb_value y)
{
    return lb_binary(b, &lb_op_Min, x, y);
}

lb_value lb_step_above(lb_builder *b, lb_value x, double threshold)
{
    const lb_attr attr = lb_af("threshold", threshold);

    return lb_add_node(b, &lb_op_StepAbove, NULL, &x, 1, &attr, 1);
}

lb_value lb_stop_gradient(lb_builder *b, lb_value x)
{
    return lb_unary(b, &lb_op_StopGradient, x);
}

lb_value lb_batch_gather(lb_builder *b, lb_value x, int batch)
{
    const lb_attr attr = lb_ai("batch", batch);

    return lb_add_node(b, &lb_op_BatchGather, NULL, &x, 1, &attr, 1);
}

lb_value lb_batch_rows(lb_builder *b, lb_value x)
{
    return lb_unary(b, &lb_op_BatchRows, x);
}

lb_value lb_relu(lb_builder *b, lb_value x, const char *name)
{
    return named(b, &lb_op_Relu, x, name);
}

lb_value lb_clip(lb_builder *b, lb_value x, double low, double high, const char *name)
{
    const lb_dtype dtype = lb_type_of(b, x).dtype;
    const lb_value min = lb_scalar(b, dtype, low);
    const lb_value max = lb_scalar(b, dtype, high);
    const lb_value in[] = {x, min, max};

    return lb_add_node(b, &lb_op_Clip, name, in, 3, NULL, 0);
}

lb_value lb_max_pool(lb_builder *b, lb_value x, const lb_window *window, const char *name)
{
    lb_attr attrs[LB_WINDOW_ATTRS];
    lb_window_store store;
    const int n = lb_window_attrs(window, false, &store, attrs);

    return lb_add_node(b, &lb_op_MaxPool, name, &x, 1, attrs, n);
}

lb_value lb_average_pool(lb_builder *b, lb_value x, const lb_window *window,
                         bool count_include_pad, const char *name)
{
    lb_attr attrs[LB_WINDOW_ATTRS + 1];
    lb_window_store store;
    int n = lb_window_attrs(window, false, &store, attrs);

    attrs[n++] = lb_ai("count_include_pad", count_include_pad);
    return lb_add_node(b, &lb_op_AveragePool, name, &x, 1, attrs, n);
}

lb_value lb_global_average_pool(lb_builder *b, lb_value x, const char *name)
{
    return named(b, &lb_op_GlobalAveragePool, x, name);
}

lb_value lb_global_max_pool(lb_builder *b, lb_value x, const char *name)
{
    return named(b, &lb_op_GlobalMaxPool, x, name);
}

lb_value lb_conv_transpose(lb_builder *b, lb_value x, lb_value w, lb_value bias,
                           const lb_window *window, const int extra[2], const char *name)
{
    const lb_value in[] = {x, w, bias};
    const int64_t list[] = {extra[0], window->n > 1 ? extra[1] : 0};
    lb_attr attrs[LB_WINDOW_ATTRS + 1];
    lb_window_store store;
    int n = lb_window_attrs(window, true, &store, attrs);

    attrs[n++] = lb_ais("output_padding", list, window->n);
    return lb_add_node(b, &lb_op_ConvTranspose, name, in, bias.id ? 3 : 2, attrs, n);
}

lb_value lb_resize(lb_builder *b, lb_value x, const int factor[2], const char *name)
{
    const lb_attr attrs[] = {lb_at("mode", "nearest"),
                             lb_at("coordinate_transformation_mode", "asymmetric"),
                             lb_at("nearest_mode", "floor")};
    const int rank = lb_rank(b, x);
    const lb_value scales = lb_filled(b, LB_F32, rank, 1);
    const lb_value in[] = {x, {0}, scales};

    for (int i = 2; scales.id && i < rank; i++)
        lb_tensor_put(b->graph->values[scales.id].tensor, (size_t)i, factor[i - 2]);
    return lb_add_node(b, &lb_op_Resize, name, in, 3, attrs, 3);
}

/* The batch goes out as -1, which every reader of ONNX infers. */
lb_value lb_reshape(lb_builder *b, lb_value x, const lb_shape *shape)
{
    int64_t dims[LB_MAX_RANK];

    for (int i = 0; i < shape->rank; i++)
        dims[i] = shape->dim[i] == LB_BATCH ? -1 : shape->dim[i];
    const lb_value target = lb_int_list(b, dims, shape->rank);
    return lb_binary(b, &lb_op_Reshape, x, target);
}

lb_value lb_flatten(lb_builder *b, lb_value x, const char *name)
{
    const lb_attr axis = lb_ai("axis", 1);

    return lb_add_node(b, &lb_op_Flatten, name, &x, 1, &axis, 1);
}

lb_value lb_transpose(lb_builder *b, lb_value x, const int *perm, int n)
{
    int64_t list[LB_MAX_RANK] = {0};

    for (int i = 0; i < n && i < LB_MAX_RANK; i++)
        list[i] = perm[i];
    const lb_attr attr = lb_ais("perm", list, n);
    return lb_add_node(b, &lb_op_Transpose, NULL, &x, 1, &attr, 1);
}

lb_value lb_concat(lb_builder *b, const lb_value *x, int n, int axis)
{
    const lb_attr attr = lb_ai("axis", axis);

    return lb_add_node(b, &lb_op_Concat, NULL, x, n, &attr, 1);
}

lb_value lb_softmax(lb_builder *b, lb_value x, int axis)
{
    const lb_attr attr = lb_ai("axis", axis);

    return lb_add_node(b, &lb_op_Softmax, NULL, &x, 1, &attr, 1);
}

lb_value lb_log_softmax(lb_builder *b, lb_value x, int axis)
{
    const lb_attr attr = lb_ai("axis", axis);

    return lb_add_node(b, &lb_op_LogSoftmax, NULL, &x, 1, &attr, 1);
}

static int copy_axes(const int *axes, int n, int64_t *list)
{
    for (int i = 0; i < n && i < LB_MAX_RANK; i++)
        list[i] = axes[i];
    return n < LB_MAX_RANK ? n : LB_MAX_RANK;
}

lb_value lb_reduce_mean(lb_builder *b, lb_value x, const int *axes, int n, bool keepdims)
{
    int64_t list[LB_MAX_RANK] = {0};
    const lb_attr attrs[] = {lb_ai("keepdims", keepdims),
                             lb_ais("axes", list, copy_axes(axes, n, list))};

    return lb_add_node(b, &lb_op_ReduceMean, NULL, &x, 1, attrs, n ? 2 : 1);
}

lb_value lb_reduce_max(lb_builder *b, lb_value x, const int *axes, int n, bool keepdims)
{
    int64_t list[LB_MAX_RANK] = {0};
    const lb_attr attrs[] = {lb_ai("keepdims", keepdims),
                             lb_ais("axes", list, copy_axes(axes, n, list))};

    return lb_add_node(b, &lb_op_ReduceMax, NULL, &x, 1, attrs, n ? 2 : 1);
}

lb_value lb_reduce_sum(lb_builder *b, lb_value x, const int *axes, int n, bool keepdims)
{
    int64_t list[LB_MAX_RANK] = {0};
    const lb_attr attr = lb_ai("keepdims", keepdims);
    const int n_axes = copy_axes(axes, n, list);
    const lb_value axis_list = n ? lb_int_list(b, list, n_axes) : (lb_value){0};
    const lb_value in[] = {x, axis_list};

    return lb_add_node(b, &lb_op_ReduceSum, NULL, in, n ? 2 : 1, &attr, 1);
}

lb_value lb_mean_all(lb_builder *b, lb_value x)
{
    return lb_reduce_mean(b, x, NULL, 0, false);
}

lb_value lb_sum_all(lb_builder *b, lb_value x)
{
    return lb_reduce_sum(b, x, NULL, 0, false);
}

lb_value lb_one_hot(lb_builder *b, lb_value labels, lb_dtype dtype, int depth, double on,
                    double off)
{
    const int64_t n = depth;
    const lb_value count = lb_int_list(b, &n, 1);
    const lb_value values = lb_filled(b, dtype, 2, off);
    const lb_value in[] = {labels, count, values};

    if (values.id)
        lb_tensor_put(b->graph->values[values.id].tensor, 1, on);
    return lb_add_node(b, &lb_op_OneHot, NULL, in, 3, NULL, 0);
}

static lb_value ones(lb_builder *b, lb_value like)
{
    const lb_type type = lb_type_of(b, like);

    if (type.shape.rank == 0)
        return lb_scalar(b, type.dtype, 1);
    lb_tensor *const t = lb_build_tensor(b, type.dtype, &type.shape);
    if (!t)
        return (lb_value){0};
    for (size_t i = 0; i < t->n; i++)
        lb_tensor_put(t, i, 1);
    return lb_constant(b, NULL, t);
}

const lb_diff_verbs lb_op_verbs = {.one = ones, .add = lb_add};

void lb_sgd_update(lb_builder *b, lb_value param, lb_value grad, lb_value velocity,
                   const lb_sgd_rule *rule)
{
    const lb_value in[] = {param, velocity, grad, rule->lr, rule->scale};
    const lb_attr attrs[] = {lb_af("momentum", rule->momentum),
                             lb_af("weight_decay", rule->weight_decay),
                             lb_ai("nesterov", rule->nesterov)};

    lb_add_node(b, &lb_op_SgdUpdate, NULL, in, rule->scale.id ? 5 : 4, attrs, 3);
}

lb_value lb_clip_norm(lb_builder *b, const lb_value *grad, int n, double most)
{
    lb_value sum = {0};

    for (int i = 0; i < n; i++) {
        const lb_value square = lb_sum_all(b, lb_mul(b, grad[i], grad[i]));
        sum = i == 0 ? square : lb_add(b, sum, square);
    }
    if (n == 0)
        return sum;
    const lb_dtype dtype = lb_type_of(b, sum).dtype;
    const lb_value norm = lb_add(b, lb_sqrt(b, sum), lb_scalar(b, dtype, 1e-6));
    return lb_min(b, lb_scale(b, lb_reciprocal(b, norm), most), lb_scalar(b, dtype, 1));
}
