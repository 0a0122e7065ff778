/* op_update.c: SgdUpdate(param, velocity, grad, lr, [scale]; momentum, weight_decay,
 * nesterov) replaces param and velocity by the rules of torch.optim.SGD; scale, usually
 * 1, is what clipping leaves of the gradient:
 *
 *   g = scale * grad + weight_decay * param
 *   velocity = momentum * velocity + g      (it starts at 0)
 *   param -= lr * (nesterov ? g + momentum * velocity : velocity) */
#include "ops/op_util.h"

static bool is_number(const lb_view *view, int i)
{
    size_t n;

    return lb_shape_count(&view->in[i]->shape, &n) && n == 1;
}

static lb_code infer(const lb_view *view, lb_type *out, lb_error *err)
{
    LB_TRY(lb_check_floats(view, err));
    LB_TRY(lb_check_shape(view, 1, &view->in[0]->shape, "the velocity", err));
    LB_TRY(lb_check_shape(view, 2, &view->in[0]->shape, "the gradient", err));
    if (!is_number(view, 3))
        return lb_raise(err, LB_ERR_INPUT, "the learning rate must be one number");
    if (view->n_in > 4 && view->in[4] && !is_number(view, 4))
        return lb_raise(err, LB_ERR_INPUT, "the gradient's scale must be one number");
    out[0] = *view->in[0];
    out[1] = *view->in[1];
    return LB_OK;
}

static void run(const lb_ref_call *call)
{
    const double momentum = lb_attr_float(call->node, "momentum", 0);
    const double decay = lb_attr_float(call->node, "weight_decay", 0);
    const bool nesterov = lb_attr_int(call->node, "nesterov", 0) != 0;
    const size_t n = lb_elements(&call->out_type[0]);
    const double lr = call->in[3][0], scale = lb_scalar_of(call, 4, 1);

    for (size_t i = 0; i < n; i++) {
        const double param = call->in[0][i];
        const double g = scale * call->in[2][i] + decay * param;
        const double velocity = momentum * call->in[1][i] + g;
        call->out[0][i] = param - lr * (nesterov ? g + momentum * velocity : velocity);
        call->out[1][i] = velocity;
    }
}

const lb_op lb_op_SgdUpdate = {
    .name = "SgdUpdate",
    .help = "one step of stochastic gradient descent with momentum",
    .flags = LB_OP_FORWARD_ONLY | LB_OP_UPDATE,
    .min_in = 4,
    .max_in = 5,
    .n_out = 2,
    .infer = infer,
    .cost = lb_cost_elements,
    .run = run,
};
