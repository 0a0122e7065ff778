/* op_norm_fused.c: batch norm in training with what stands around it.
 *
 *   FusedBatchNorm(x, sum, sumsq, scale, bias, [z]; epsilon, activation) -> y
 *   BatchNormGradJoin(dy, x, sum, sumsq, [y], [more]; epsilon, activation)
 *       -> g, dscale, dbias
 *
 * y is what BatchNormApply gives, plus z, through the activation. Join adds the gradients
 * of two branches, g = dy + more, lets it through where y says that the activation's
 * slope is 1, and sums up g as BatchNormGradStats does. */
#include "ops/norm_train.h"

static lb_code check_map(const lb_view *view, int input, const char *what, lb_error *err)
{
    if (view->n_in <= input || !view->in[input])
        return LB_OK;
    return lb_check_shape(view, input, &view->in[0]->shape, what, err);
}

static lb_code infer_fused(const lb_view *view, lb_type *out, lb_error *err)
{
    LB_TRY(lb_norm_check(view, err));
    LB_TRY(lb_norm_check_channels(view, 1, 5, err));
    LB_TRY(check_map(view, 5, "the residual", err));
    *out = *view->in[0];
    return lb_check_activation(view, err);
}

static lb_code infer_join(const lb_view *view, lb_type *out, lb_error *err)
{
    LB_TRY(lb_norm_check(view, err));
    LB_TRY(check_map(view, 1, "x", err));
    LB_TRY(lb_norm_check_channels(view, 2, 4, err));
    LB_TRY(check_map(view, 4, "y", err));
    LB_TRY(check_map(view, 5, "the other gradient", err));
    out[0] = *view->in[0];
    out[1] = (lb_type){view->in[0]->dtype, lb_shape_of(1, view->in[0]->shape.dim[1])};
    out[2] = out[1];
    return lb_check_activation(view, err);
}

static void run_fused(const lb_ref_call *call)
{
    const double epsilon = lb_attr_float(call->node, "epsilon", 1e-5);
    const lb_norm_extent e = lb_norm_extent_of(call);
    const double *const z = call->n_in > 5 ? call->in[5] : NULL;
    double limits[2];
    const bool clips = lb_activation_of(call->node, limits);

    for (int c = 0; c < e.channels; c++) {
        double mean, inverse;
        lb_norm_moments(call->in[1][c], call->in[2][c], e.n, epsilon, &mean, &inverse);
        for (int n = 0; n < e.samples; n++) {
            const int64_t at = ((int64_t)n * e.channels + c) * e.inner;
            for (int64_t i = at; i < at + e.inner; i++) {
                double y = (call->in[0][i] - mean) * inverse * call->in[3][c] +
                           call->in[4][c] + (z ? z[i] : 0);
                if (clips && y < limits[0])
                    y = limits[0];
                if (clips && y > limits[1])
                    y = limits[1];
                call->out[0][i] = y;
            }
        }
    }
}

/* g; its sums are taken over what was written. */
static void run_join(const lb_ref_call *call)
{
    const double epsilon = lb_attr_float(call->node, "epsilon", 1e-5);
    const lb_norm_extent e = lb_norm_extent_of(call);
    const double *const y = call->n_in > 4 ? call->in[4] : NULL;
    const double *const more = call->n_in > 5 ? call->in[5] : NULL;
    double limits[2];
    const bool masks = lb_activation_of(call->node, limits) && y;

    for (int c = 0; c < e.channels; c++) {
        double mean, inverse, dscale = 0, dbias = 0;
        lb_norm_moments(call->in[2][c], call->in[3][c], e.n, epsilon, &mean, &inverse);
        for (int n = 0; n < e.samples; n++) {
            const int64_t at = ((int64_t)n * e.channels + c) * e.inner;
            for (int64_t i = at; i < at + e.inner; i++) {
                const bool passes = !masks || (y[i] > limits[0] && y[i] < limits[1]);
                const double sum = call->in[0][i] + (more ? more[i] : 0);
                call->out[0][i] = passes ? sum : 0;
                dscale += call->out[0][i] * (call->in[1][i] - mean);
                dbias += call->out[0][i];
            }
        }
        call->out[1][c] = dscale * inverse;
        call->out[2][c] = dbias;
    }
}

const lb_op lb_op_FusedBatchNorm = {
    .name = "FusedBatchNorm",
    .help = "batch norm over the batch, residual addition and activation in one",
    .flags = LB_OP_FORWARD_ONLY,
    .min_in = 5,
    .max_in = 6,
    .n_out = 1,
    .infer = infer_fused,
    .cost = lb_norm_cost,
    .run = run_fused,
};

const lb_op lb_op_BatchNormGradJoin = {
    .name = "BatchNormGradJoin",
    .help = "sum of two gradients through an activation, and BatchNormGradStats of it",
    .flags = LB_OP_FORWARD_ONLY,
    .min_in = 4,
    .max_in = 6,
    .n_out = 3,
    .infer = infer_join,
    .cost = lb_norm_cost,
    .run = run_join,
};
