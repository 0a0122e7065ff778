/* op_norm_train.c: batch norm over the batch at hand, for training.
 *
 *   BatchNormStats(x) -> sum, sumsq: float64 [C], additive over samples
 *   BatchNormApply(x, sum, sumsq, scale, bias; epsilon) -> y
 *   BatchNormTrack(mean, var, sum, sumsq; momentum, spatial) updates mean and var
 *   BatchNormGradStats(x, dy, sum, sumsq, [scale, bias]; epsilon, activation)
 *       -> dscale, dbias, additive
 *   BatchNormGradInput(x, dy, sum, sumsq, scale, dscale, dbias, [bias]; epsilon,
 *       activation) -> dx
 *
 * With n = batch * spatial: mean = sum / n, var = sumsq / n - mean^2 (float64 sums keep
 * the difference exact enough), xhat = (x - mean) / sqrt(var + epsilon),
 * y = scale * xhat + bias, and (Ioffe and Szegedy, 2015)
 *   dx = scale / sqrt(var + epsilon) * (dy - (dbias + xhat * dscale) / n).
 *
 * The gradients take an activation behind the norm with them (see op_norm_fused.c): given
 * the bias they work y out again and count dy only where the activation's slope is 1. */
#include "ops/norm_train.h"

static lb_code infer_stats(const lb_view *view, lb_type *out, lb_error *err)
{
    LB_TRY(lb_norm_check(view, err));
    out[0] = (lb_type){LB_F64, lb_shape_of(1, view->in[0]->shape.dim[1])};
    out[1] = out[0];
    return LB_OK;
}

static lb_code infer_apply(const lb_view *view, lb_type *out, lb_error *err)
{
    LB_TRY(lb_norm_check(view, err));
    LB_TRY(lb_norm_check_channels(view, 1, 5, err));
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

/* With an activation all `most` inputs are there. */
static lb_code check_masked(const lb_view *view, int most, lb_error *err)
{
    double limits[2];

    LB_TRY(lb_check_activation(view, err));
    if (lb_activation_of(view->node, limits) && view->n_in < most)
        return lb_raise(err, LB_ERR_INPUT, "an activation needs %d inputs, not %d", most,
                        view->n_in);
    return LB_OK;
}

static lb_code infer_grad_stats(const lb_view *view, lb_type *out, lb_error *err)
{
    LB_TRY(lb_norm_check(view, err));
    LB_TRY(lb_check_shape(view, 1, &view->in[0]->shape, "dy", err));
    LB_TRY(lb_norm_check_channels(view, 2, view->n_in, err));
    LB_TRY(check_masked(view, 6, err));
    out[0] = (lb_type){view->in[0]->dtype, lb_shape_of(1, view->in[0]->shape.dim[1])};
    out[1] = out[0];
    return LB_OK;
}

static lb_code infer_grad_input(const lb_view *view, lb_type *out, lb_error *err)
{
    LB_TRY(lb_norm_check(view, err));
    LB_TRY(lb_check_shape(view, 1, &view->in[0]->shape, "dy", err));
    LB_TRY(lb_norm_check_channels(view, 2, view->n_in, err));
    LB_TRY(check_masked(view, 8, err));
    *out = *view->in[0];
    return LB_OK;
}

static void run_stats(const lb_ref_call *call)
{
    const lb_norm_extent e = lb_norm_extent_of(call);

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
    const lb_norm_extent e = lb_norm_extent_of(call);

    for (int c = 0; c < e.channels; c++) {
        double mean, inverse;
        lb_norm_moments(call->in[1][c], call->in[2][c], e.n, epsilon, &mean, &inverse);
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

/* What a gradient needs to know of one channel. */
typedef struct channel {
    double mean, inverse, scale, bias, limits[2];
    bool masked;
} channel;

static channel channel_of(const lb_ref_call *call, const lb_norm_extent *e, int c,
                          int scale, int bias)
{
    channel ch = {.scale = 1};

    lb_norm_moments(call->in[2][c], call->in[3][c], e->n,
                    lb_attr_float(call->node, "epsilon", 1e-5), &ch.mean, &ch.inverse);
    ch.masked = lb_activation_of(call->node, ch.limits);
    if (call->n_in > scale)
        ch.scale = call->in[scale][c];
    if (call->n_in > bias)
        ch.bias = call->in[bias][c];
    return ch;
}

/* dy, or 0 where the activation is flat. */
static double passed(const channel *ch, double x, double dy)
{
    const double y = (x - ch->mean) * ch->inverse * ch->scale + ch->bias;

    return !ch->masked || (y > ch->limits[0] && y < ch->limits[1]) ? dy : 0;
}

static void run_grad_stats(const lb_ref_call *call)
{
    const lb_norm_extent e = lb_norm_extent_of(call);

    for (int c = 0; c < e.channels; c++) {
        const channel ch = channel_of(call, &e, c, 4, 5);
        double dscale = 0, dbias = 0;
        for (int n = 0; n < e.samples; n++) {
            const int64_t at = ((int64_t)n * e.channels + c) * e.inner;
            for (int64_t i = at; i < at + e.inner; i++) {
                const double dy = passed(&ch, call->in[0][i], call->in[1][i]);
                dscale += dy * (call->in[0][i] - ch.mean);
                dbias += dy;
            }
        }
        call->out[0][c] = dscale * ch.inverse;
        call->out[1][c] = dbias;
    }
}

static void run_grad_input(const lb_ref_call *call)
{
    const lb_norm_extent e = lb_norm_extent_of(call);

    for (int c = 0; c < e.channels; c++) {
        const channel ch = channel_of(call, &e, c, 4, 7);
        const double dscale = call->in[5][c] / e.n, dbias = call->in[6][c] / e.n;
        const double factor = ch.scale * ch.inverse;
        for (int n = 0; n < e.samples; n++) {
            const int64_t at = ((int64_t)n * e.channels + c) * e.inner;
            for (int64_t i = at; i < at + e.inner; i++) {
                const double xhat = (call->in[0][i] - ch.mean) * ch.inverse;
                const double dy = passed(&ch, call->in[0][i], call->in[1][i]);
                call->out[0][i] = factor * (dy - dbias - xhat * dscale);
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
    .cost = lb_norm_cost,
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
    .cost = lb_norm_cost,
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
    .max_in = 6,
    .n_out = 2,
    .infer = infer_grad_stats,
    .cost = lb_norm_cost,
    .run = run_grad_stats,
};

const lb_op lb_op_BatchNormGradInput = {
    .name = "BatchNormGradInput",
    .help = "gradient of the input of BatchNormApply",
    .flags = LB_OP_FORWARD_ONLY,
    .min_in = 7,
    .max_in = 8,
    .n_out = 1,
    .infer = infer_grad_input,
    .cost = lb_norm_cost,
    .run = run_grad_input,
};
