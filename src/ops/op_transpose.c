/* op_transpose.c: Transpose: axis i of the result is axis perm[i] of the input. */
#include "ops/op_util.h"

#include "ops/build.h"

static lb_code perm_of(const lb_node *node, int rank, int *perm, lb_error *err)
{
    int64_t given[LB_MAX_RANK];
    const int n = lb_attr_ints(node, "perm", given, LB_MAX_RANK);
    bool seen[LB_MAX_RANK] = {false};

    for (int i = 0; i < rank && n == 0; i++)
        perm[i] = rank - 1 - i;
    if (n == 0)
        return LB_OK;
    if (n != rank)
        return lb_raise(err, LB_ERR_INPUT, "perm must name %d axes, not %d", rank, n);
    for (int i = 0; i < rank; i++) {
        if (given[i] < 0 || given[i] >= rank || seen[given[i]])
            return lb_raise(err, LB_ERR_INPUT,
                            "perm must name each of the axes 0 to %d once", rank - 1);
        seen[given[i]] = true;
        perm[i] = (int)given[i];
    }
    return LB_OK;
}

static lb_code infer(const lb_view *view, lb_type *out, lb_error *err)
{
    const lb_shape *const in = &view->in[0]->shape;
    int perm[LB_MAX_RANK] = {0};

    LB_TRY(perm_of(view->node, in->rank, perm, err));
    *out = *view->in[0];
    for (int i = 0; i < in->rank; i++)
        out->shape.dim[i] = in->dim[perm[i]];
    if (lb_type_batched(view->in[0]) && perm[0] != 0)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "the batch must stay the first axis, but perm begins with %d",
                        perm[0]);
    return LB_OK;
}

static void run(const lb_ref_call *call)
{
    const lb_shape *const in = &call->in_type[0].shape;
    int64_t strides[LB_MAX_RANK];
    int perm[LB_MAX_RANK] = {0};
    lb_error err;
    lb_walk w;

    if (perm_of(call->node, in->rank, perm, &err) != LB_OK)
        return;
    lb_strides(in, strides);
    lb_walk_init(&w, &call->out_type[0].shape);
    lb_walk_operand(&w, 0, &call->out_type[0].shape);
    for (int i = 0; i < in->rank; i++)
        w.stride[1][i] = strides[perm[i]];
    for (lb_walk_begin(&w); w.more; lb_walk_next(&w))
        for (int i = 0; i < w.n; i++)
            call->out[0][w.at[0] + i * w.step[0]] = call->in[0][w.at[1] + i * w.step[1]];
}

static void grad(lb_builder *b, const lb_node *node, const lb_value *dy, lb_value *dx)
{
    const int rank = lb_rank(b, node->in[0]);
    int perm[LB_MAX_RANK] = {0}, back[LB_MAX_RANK] = {0};
    lb_error err;

    if (perm_of(node, rank, perm, &err) != LB_OK)
        return;
    for (int i = 0; i < rank; i++)
        back[perm[i]] = i;
    dx[0] = lb_transpose(b, dy[0], back, rank);
}

const lb_op lb_op_Transpose = {
    .name = "Transpose",
    .help = "the axes in another order",
    .flags = LB_OP_ONNX,
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .opset_min = 1,
    .opset_max = 22,
    .infer = infer,
    .grad = grad,
    .cost = lb_cost_elements,
    .run = run,
};
