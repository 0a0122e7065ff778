/* op_matmul.c: MatMul, the product of the last two axes; the axes before them broadcast.
 * MatMulGradWeight(a, dy) is the gradient of an unbatched [K,N] on the right: the sum of
 * a^T dy over everything before, additive over samples. */
#include "ops/op_util.h"

#include "ops/build.h"

#include <string.h>

/* The axes before the last two. */
static lb_shape leading(const lb_shape *shape)
{
    lb_shape lead = *shape;

    lead.rank -= 2;
    return lead;
}

static lb_code infer_matmul(const lb_view *view, lb_type *out, lb_error *err)
{
    char at[LB_SHAPE_TEXT], bt[LB_SHAPE_TEXT];

    LB_TRY(lb_check_floats(view, err));
    LB_TRY(lb_check_rank(view, 0, 2, LB_MAX_RANK, err));
    LB_TRY(lb_check_rank(view, 1, 2, LB_MAX_RANK, err));
    const lb_shape *const a = &view->in[0]->shape, *const b = &view->in[1]->shape;
    const int k = a->dim[a->rank - 1], n = b->dim[b->rank - 1];
    if (k != b->dim[b->rank - 2])
        return lb_raise(err, LB_ERR_INPUT, "%s and %s cannot be multiplied",
                        lb_shape_text(a, at), lb_shape_text(b, bt));
    const lb_shape a_lead = leading(a), b_lead = leading(b);
    out->dtype = view->in[0]->dtype;
    LB_TRY(lb_broadcast(&a_lead, &b_lead, &out->shape, err));
    out->shape.dim[out->shape.rank++] = a->dim[a->rank - 2];
    out->shape.dim[out->shape.rank++] = n;
    const bool batched = lb_type_batched(view->in[0]) || lb_type_batched(view->in[1]);
    for (int i = 1; i < out->shape.rank; i++)
        if (out->shape.dim[i] == LB_BATCH)
            return lb_raise(err, LB_ERR_UNSUPPORTED,
                            "the product of %s and %s would move the batch from the "
                            "first axis",
                            lb_shape_text(a, at), lb_shape_text(b, bt));
    if (batched && !lb_type_batched(out))
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "the product of %s and %s would mix samples",
                        lb_shape_text(a, at), lb_shape_text(b, bt));
    return lb_check_size(&out->shape, err);
}

static lb_cost cost_matmul(const lb_view *view, const lb_type *out)
{
    const lb_shape *const a = &view->in[0]->shape;

    return (lb_cost){.macs = lb_per_sample(out) * a->dim[a->rank - 1]};
}

static void multiply(const double *a, const double *b, double *y, const int size[3])
{
    const int m = size[0], k = size[1], n = size[2];

    memset(y, 0, (size_t)m * (size_t)n * sizeof *y);
    for (int i = 0; i < m; i++)
        for (int j = 0; j < k; j++) {
            const double factor = a[(int64_t)i * k + j];
            for (int l = 0; l < n; l++)
                y[(int64_t)i * n + l] += factor * b[(int64_t)j * n + l];
        }
}

static void run_matmul(const lb_ref_call *call)
{
    const lb_shape *const a = &call->in_type[0].shape, *const b = &call->in_type[1].shape;
    const lb_shape space = leading(&call->out_type[0].shape);
    const lb_shape a_lead = leading(a), b_lead = leading(b);
    const int size[] = {a->dim[a->rank - 2], a->dim[a->rank - 1], b->dim[b->rank - 1]};
    const int64_t a_size = (int64_t)size[0] * size[1];
    const int64_t b_size = (int64_t)size[1] * size[2];
    const int64_t y_size = (int64_t)size[0] * size[2];
    lb_walk w;

    lb_walk_init(&w, &space);
    lb_walk_operand(&w, 0, &space);
    lb_walk_operand(&w, 1, &a_lead);
    lb_walk_operand(&w, 2, &b_lead);
    for (lb_walk_begin(&w); w.more; lb_walk_next(&w))
        for (int i = 0; i < w.n; i++)
            multiply(call->in[0] + (w.at[1] + i * w.step[1]) * a_size,
                     call->in[1] + (w.at[2] + i * w.step[2]) * b_size,
                     call->out[0] + (w.at[0] + i * w.step[0]) * y_size, size);
}

static lb_value swap_last(lb_builder *b, lb_value x)
{
    const int rank = lb_rank(b, x);
    int perm[LB_MAX_RANK];

    for (int i = 0; i < rank; i++)
        perm[i] = i;
    perm[rank - 1] = rank - 2;
    perm[rank - 2] = rank - 1;
    return lb_transpose(b, x, perm, rank);
}

static void grad_matmul(lb_builder *b, const lb_node *node, const lb_value *dy,
                        lb_value *dx)
{
    const lb_value right = swap_last(b, node->in[1]);
    const lb_value da = lb_matmul(b, dy[0], right);

    dx[0] = lb_reduce_to(b, da, node->in[0]);
    if (lb_rank(b, node->in[1]) == 2) {
        dx[1] = lb_binary(b, &lb_op_MatMulGradWeight, node->in[0], dy[0]);
        return;
    }
    const lb_value left = swap_last(b, node->in[0]);
    const lb_value db = lb_matmul(b, left, dy[0]);
    dx[1] = lb_reduce_to(b, db, node->in[1]);
}

static lb_code infer_weight(const lb_view *view, lb_type *out, lb_error *err)
{
    LB_TRY(lb_check_floats(view, err));
    LB_TRY(lb_check_rank(view, 0, 2, LB_MAX_RANK, err));
    const lb_shape *const a = &view->in[0]->shape, *const dy = &view->in[1]->shape;
    lb_shape wanted = *a;
    wanted.dim[a->rank - 1] = dy->rank ? dy->dim[dy->rank - 1] : 1;
    LB_TRY(lb_check_shape(view, 1, &wanted, "dy", err));
    out->dtype = view->in[0]->dtype;
    out->shape = lb_shape_of(2, a->dim[a->rank - 1], dy->dim[dy->rank - 1]);
    return LB_OK;
}

static lb_cost cost_weight(const lb_view *view, const lb_type *out)
{
    return (lb_cost){.macs = lb_per_sample(view->in[0]) * out[0].shape.dim[1]};
}

static void run_weight(const lb_ref_call *call)
{
    const int k = call->out_type[0].shape.dim[0], n = call->out_type[0].shape.dim[1];
    const size_t rows = k ? lb_elements(&call->in_type[0]) / (size_t)k : 0;

    memset(call->out[0], 0, (size_t)k * (size_t)n * sizeof(double));
    for (size_t row = 0; row < rows; row++)
        for (int i = 0; i < k; i++) {
            const double factor = call->in[0][row * (size_t)k + (size_t)i];
            const double *const dy = call->in[1] + row * (size_t)n;
            for (int j = 0; j < n; j++)
                call->out[0][(int64_t)i * n + j] += factor * dy[j];
        }
}

const lb_op lb_op_MatMul = {
    .name = "MatMul",
    .help = "matrix product of the last two axes",
    .flags = LB_OP_ONNX,
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .opset_min = 1,
    .opset_max = 22,
    .infer = infer_matmul,
    .grad = grad_matmul,
    .cost = cost_matmul,
    .run = run_matmul,
};

const lb_op lb_op_MatMulGradWeight = {
    .name = "MatMulGradWeight",
    .help = "gradient of MatMul with respect to a matrix on the right",
    .flags = LB_OP_FORWARD_ONLY,
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .infer = infer_weight,
    .cost = cost_weight,
    .run = run_weight,
};
