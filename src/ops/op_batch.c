/* op_batch.c: the batch as an ordinary axis, and back.
 *
 * BatchGather turns a batched [N,D...] into [batch,D...], of which losses that compare
 * samples with each other make their [batch,batch] matrices. Each group of samples gives
 * its own rows among zeros as its share; the sum of the shares is the whole batch.
 * BatchRows hands each group its rows of such an array. Each is the other's gradient. A
 * plan must be compiled for exactly `batch` samples. */
#include "ops/op_util.h"

#include "ops/build.h"

#include <string.h>

static lb_code infer_gather(const lb_view *view, lb_type *out, lb_error *err)
{
    const int64_t batch = lb_attr_int(view->node, "batch", 0);
    char text[LB_SHAPE_TEXT];

    LB_TRY(lb_check_floats(view, err));
    if (!lb_type_batched(view->in[0]))
        return lb_raise(err, LB_ERR_INPUT, "its input is %s; it has no batch to gather",
                        lb_shape_text(&view->in[0]->shape, text));
    if (batch < 1 || batch > 1 << 24)
        return lb_raise(err, LB_ERR_INPUT, "batch must be between 1 and %d, not %lld",
                        1 << 24, (long long)batch);
    *out = *view->in[0];
    out->shape.dim[0] = (int)batch;
    return lb_check_size(&out->shape, err);
}

static lb_code infer_rows(const lb_view *view, lb_type *out, lb_error *err)
{
    char text[LB_SHAPE_TEXT];

    LB_TRY(lb_check_floats(view, err));
    if (lb_type_batched(view->in[0]) || view->in[0]->shape.rank == 0)
        return lb_raise(err, LB_ERR_INPUT,
                        "its input is %s; [batch,...] is wanted, batch a number",
                        lb_shape_text(&view->in[0]->shape, text));
    *out = *view->in[0];
    out->shape.dim[0] = LB_BATCH;
    return LB_OK;
}

/* Rows at hand that the whole array of `batch` rows has; all, in a plan that fits. */
static size_t rows_of(const lb_ref_call *call, const lb_type *part, const lb_type *whole)
{
    const int left = whole->shape.dim[0] - call->first;
    const int n = part->shape.dim[0];

    return left < 0 ? 0 : (size_t)(left < n ? left : n);
}

static void run_gather(const lb_ref_call *call)
{
    const lb_type *const whole = &call->out_type[0];
    const size_t n = lb_elements(whole), row = n / (size_t)whole->shape.dim[0];
    const size_t rows = rows_of(call, &call->in_type[0], whole);

    memset(call->out[0], 0, n * sizeof(double));
    if (rows > 0)
        memcpy(call->out[0] + (size_t)call->first * row, call->in[0],
               rows * row * sizeof(double));
}

static void run_rows(const lb_ref_call *call)
{
    const lb_type *const whole = &call->in_type[0];
    const size_t n = lb_elements(&call->out_type[0]);
    const size_t rows = rows_of(call, &call->out_type[0], whole);
    const size_t row = n / (size_t)call->out_type[0].shape.dim[0];

    memset(call->out[0], 0, n * sizeof(double));
    if (rows > 0)
        memcpy(call->out[0], call->in[0] + (size_t)call->first * row,
               rows * row * sizeof(double));
}

static void grad_gather(lb_builder *b, const lb_node *node, const lb_value *dy,
                        lb_value *dx)
{
    (void)node;
    dx[0] = lb_batch_rows(b, dy[0]);
}

static void grad_rows(lb_builder *b, const lb_node *node, const lb_value *dy,
                      lb_value *dx)
{
    dx[0] = lb_batch_gather(b, dy[0], lb_dim(b, node->in[0], 0));
}

const lb_op lb_op_BatchGather = {
    .name = "BatchGather",
    .help = "the whole batch as an array of `batch` rows",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .infer = infer_gather,
    .grad = grad_gather,
    .run = run_gather,
};

const lb_op lb_op_BatchRows = {
    .name = "BatchRows",
    .help = "an array of `batch` rows as a batch",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .infer = infer_rows,
    .grad = grad_rows,
    .run = run_rows,
};
