/* op_norm_train.c: batch norm over the batch at hand, for training.
 *
 *   BatchNormStats(x) -> sum, sumsq: float64 [C], additive over samples
 *   BatchNormApply(x, sum, sumsq, scale, bias; epsilon) -> y
 *   BatchNormTrack(mean, var, sum, sumsq; momentum, spatial) updates mean and var
 *   BatchNormGradStats(x, dy, sum, sumsq; epsilon) -> dscale, dbias, additive
 *   BatchNormGradInput(x, dy, sum, sumsq, scale, dscale, dbias; epsilon) -> dx
 *
 * With n = batch * spatial: mean = sum / n, var = sumsq / n - mean^2 (float64 sums keep
 * the difference exact enough), xhat = (x - mean) / sqrt(var + epsilon),
 * y = scale * xhat + bias, and (Ioffe and Szegedy, 2015)
 *   dx = scale / sqrt(var + epsilon) * (dy - (dbias + xhat * dscale) / n). */
#include "ops/op_util.h"

#include <math.h>

static lb_code check_x(const lb_view *view, lb_error *err)
{
    if (!lb_dtype_is_float(view->in[0]->dtype))
        return lb_raise(err, LB_ERR_INPUT, "input 0 is %s, not a float",
                        lb_dtype_name(view->in[0]->dtype));
    return lb_check_rank(view, 0, 2, LB_MAX_RANK, err);
}

/* Inputs from..to-1 are [C]. */
static lb_code check_channels(const lb_view *view, int from, int to, lb_error *err)
{
    const lb_shape channels = lb_shape_of(1, view->in[0]->shape.dim[1]);

    for (int i = from; i < to; i++)
        LB_TRY(lb_check_shape(view, i, &channels, "a statistic", err));
    return LB_OK;
}

static lb_code infer_stats(const lb_view *view, lb_type *out, lb_error *err)
{
    LB_TRY(check_x(view, err));
    out[0] = (lb_type){LB_F64, lb_shape_of(1, view->in[0]->shape.dim[1])};
    out[1] = out[0];
    return LB_OK;
}

static lb_code infer_apply(const lb_view *view, lb_type *out, lb_error *err)
{
    LB_TRY(check_x(view, err));
    LB_TRY(check_channels(view, 1, 5, err));
    *out = *view->in[0];
    return LB_OK;
}

static lb_code infer_track(const lb_view *view, lb_type *out, lb_error *err)
{
    for (int i = 1; i < 4; i++)
        LB_TRY(lb_check_shape(view, i, &view->in[0]->shape, "a statistic", err));
    out[0] = *view->in[0];
    out[1] = *view->in[1];
    return LB_OK;
}

static lb_code infer_grad_stats(const lb_view *view, lb_type *out, lb_error *err)
{
    LB_TRY(check_x(view, err));
    LB_TRY(lb_check_shape(view, 1, &view->in[0]->shape, "dy", err));
    LB_TRY(check_channels(view, 2, 4, err));
    out[0] = (lb_type){view->in[0]->dtype, lb_shape_of(1, view->in[0]->shape.dim[1])};
    out[1] = out[0];
    return LB_OK;
}

static lb_code infer_grad_input(const lb_view *view, lb_type *out, lb_error *err)
{
    LB_TRY(check_x(view, err));
    LB_TRY(lb_check_shape(view, 1, &view->in[0]->shape, "dy", err));
    LB_TRY(check_channels(view, 2, 7, err));
    *out = *view->in[0];
    return LB_OK;
}

static lb_cost cost_of_x(const lb_view *view, const lb_type *out)
{
    (void)out;
    return (lb_cost){.other = lb_per_sample(view->in[0])};
}

typedef struct extent {
    int samples, channels;
    int64_t inner; /* elements of one channel of one sample */
    double n;      /* elements of a channel in the whole batch */
} extent;

static extent extent_of(const lb_ref_call *call)
{
    const lb_shape *const x = &call->in_type[0].shape;
    extent e = {.samples = x->dim[0], .channels = x->dim[1], .inner = 1};

    for (int i = 2; i < x->rank; i++)
        e.inner *= x->dim[i];
    e.n = (double)(call->batched_in[0] ? call->batch : e.samples) * (double)e.inner;
    return e;
}

/* Mean and 1 / sqrt(var + epsilon) of a channel. */
static void moments(double sum, double sumsq, double n, double epsilon, double *mean,
                    double *inverse)
{
    *mean = sum / n;
    const double var = sumsq / n - *mean * *mean;
    *inverse = 1 / sqrt((var > 0 ? var : 0) + epsilon);
}

static void run_stats(const lb_ref_call *call)
{
    const extent e = extent_of(call);

    for (int c = 0; c < e.channels; c++) {
        double sum = 0, sumsq = 0;
        for (int n = 0; n < e.samples; n++) {
            const double *const x = call->in[0] + ((int64_t)n * e.channels + c) * e.inner;
            for (int64_t i = 0; i < e.inner; i++) {
                sum += x[i];
                sumsq += x[i] * x[i];
            }
        }
        call->out[0][c] = sum;
        call->out[1][c] = sumsq;
    }
}

static void run_apply(const lb_ref_call *call)
{
    const double epsilon = lb_attr_float(call->node, "epsilon", 1e-5);
    const extent e = extent_of(call);

    for (int c = 0; c < e.channels; c++) {
        double mean, inverse;
        moments(call->in[1][c], call->in[2][c], e.n, epsilon, &mean, &inverse);
        for (int n = 0; n < e.samples; n++) {
            const int64_t at = ((int64_t)n * e.channels + c) * e.inner;
            for (int64_t i = at; i < at + e.inner; i++)
                call->out[0][i] =
                    (call->in[0][i] - mean) * inverse * call->in[3][c] + call->in[4][c];
        }
    }
}

/* PyTorch's rule: the running variance is the unbiased one. */
static void run_track(const lb_ref_call *call)
{
    const double keep = lb_attr_float(call->node, "momentum", 0.9);
    const double n = (double)call->batch * (double)lb_attr_int(call->node, "spatial", 1);
    const size_t channels = lb_elements(&call->in_type[0]);

    for (size_t c = 0; c < channels; c++) {
        const double mean = call->in[2][c] / n;
        double var = call->in[3][c] / n - mean * mean;
        var = var > 0 ? var : 0;
        if (n > 1)
            var *= n / (n - 1);
        call->out[0][c] = call->in[0][c] * keep + mean * (1 - keep);
        call->out[1][c] = call->in[1][c] * keep + var * (1 - keep);
    }
}

static void run_grad_stats(const lb_ref_call *call)
{
    const double epsilon = lb_attr_float(call->node, "epsilon", 1e-5);
    const extent e = extent_of(call);

    for (int c = 0; c < e.channels; c++) {
        double mean, inverse, dscale = 0, dbias = 0;
        moments(call->in[2][c], call->in[3][c], e.n, epsilon, &mean, &inverse);
        for (int n = 0; n < e.samples; n++) {
            const int64_t at = ((int64_t)n * e.channels + c) * e.inner;
            for (int64_t i = at; i < at + e.inner; i++) {
                dscale += call->in[1][i] * (call->in[0][i] - mean);
                dbias += call->in[1][i];
            }
        }
        call->out[0][c] = dscale * inverse;
        call->out[1][c] = dbias;
    }
}

static void run_grad_input(const lb_ref_call *call)
{
    const double epsilon = lb_attr_float(call->node, "epsilon", 1e-5);
    const extent e = extent_of(call);

    for (int c = 0; c < e.channels; c++) {
        double mean, inverse;
        moments(call->in[2][c], call->in[3][c], e.n, epsilon, &mean, &inverse);
        const double dscale = call->in[5][c] / e.n, dbias = call->in[6][c] / e.n;
        const double factor = call->in[4][c] * inverse;
        for (int n = 0; n < e.samples; n++) {
            const int64_t at = ((int64_t)n * e.channels + c) * e.inner;
            for (int64_t i = at; i < at + e.inner; i++) {
                const double xhat = (call->in[0][i] - mean) * inverse;
                call->out[0][i] = factor * (call->in[1][i] - dbias - xhat * dscale);
            }
        }
    }
}

/* sum and sumsq depend on x; that path is part of dx already, so Stats itself passes
 * nothing on. */
static void grad_apply(lb_builder *b, const lb_node *node, const lb_value *dy,
                       lb_value *dx)
{
    const lb_attr epsilon = lb_af("epsilon", lb_attr_float(node, "epsilon", 1e-5));
    const lb_value for_stats[] = {node->in[0], dy[0], node->in[1], node->in[2]};
    const lb_value dscale =
        lb_add_node(b, &lb_op_BatchNormGradStats, NULL, for_stats, 4, &epsilon, 1);
    const lb_value dbias = lb_nth(b, dscale, 1);
    const lb_value for_input[] = {node->in[0], dy[0],  node->in[1], node->in[2],
                                  node->in[3], dscale, dbias};

    dx[0] = lb_add_node(b, &lb_op_BatchNormGradInput, NULL, for_input, 7, &epsilon, 1);
    dx[3] = dscale;
    dx[4] = dbias;
}

const lb_op lb_op_BatchNormStats = {
    .name = "BatchNormStats",
    .help = "sum and sum of squares of each channel",
    .flags = LB_OP_FORWARD_ONLY,
    .min_in = 1,
    .max_in = 1,
    .n_out = 2,
    .infer = infer_stats,
    .cost = cost_of_x,
    .run = run_stats,
};

const lb_op lb_op_BatchNormApply = {
    .name = "BatchNormApply",
    .help = "batch norm with the statistics of the whole batch",
    .min_in = 5,
    .max_in = 5,
    .n_out = 1,
    .infer = infer_apply,
    .grad = grad_apply,
    .cost = cost_of_x,
    .run = run_apply,
};

const lb_op lb_op_BatchNormTrack = {
    .name = "BatchNormTrack",
    .help = "updates the running mean and variance",
    .flags = LB_OP_FORWARD_ONLY | LB_OP_UPDATE,
    .min_in = 4,
    .max_in = 4,
    .n_out = 2,
    .infer = infer_track,
    .run = run_track,
};

const lb_op lb_op_BatchNormGradStats = {
    .name = "BatchNormGradStats",
    .help = "gradients of the scale and bias of BatchNormApply",
    .flags = LB_OP_FORWARD_ONLY,
    .min_in = 4,
    .max_in = 4,
    .n_out = 2,
    .infer = infer_grad_stats,
    .cost = cost_of_x,
    .run = run_grad_stats,
};

const lb_op lb_op_BatchNormGradInput = {
    .name = "BatchNormGradInput",
    .help = "gradient of the input of BatchNormApply",
    .flags = LB_OP_FORWARD_ONLY,
    .min_in = 7,
    .max_in = 7,
    .n_out = 1,
    .infer = infer_grad_input,
    .cost = cost_of_x,
    .run = run_grad_input,
};
