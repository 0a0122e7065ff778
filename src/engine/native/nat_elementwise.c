/* nat_elementwise.c: Relu, ReluGrad, Add, Sub and Mul of equal shapes, on the raw memory
 * of whatever layout the operands share. Padding stays zero: each maps zeros to zero. */
#include "engine/native/nat_util.h"

typedef struct state {
    size_t n;
} state;

/* All operands float32 of one shape; blocked if any of them is. */
static bool accept_equal(lb_ask *ask)
{
    lb_layout layout = LB_PLAIN;

    for (int k = 0; k < ask->n_in; k++) {
        if (!ask->has_in[k] || ask->in[k].dtype != LB_F32 ||
            !lb_shape_equal(&ask->in[k].shape, &ask->out[0].shape) ||
            ask->batched_in[k] != ask->batched_out[0])
            return false;
        if (ask->in_layout[k] == LB_BLOCKED)
            layout = LB_BLOCKED;
    }
    for (int k = 0; k < ask->n_in; k++)
        ask->want_in[k] = layout;
    ask->out_layout[0] = layout;
    ask->in_place = true;
    return true;
}

static lb_code create(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    const state s = {lb_nat_count(ask, &ask->out[0], ask->out_layout[0])};

    return lb_nat_keep(arena, &s, sizeof s, out, err);
}

LB_CLONES
static void relu(const lb_call *call)
{
    const size_t n = ((const state *)call->state)->n;
    const float *const x = call->in[0];
    float *const y = call->out[0];

    for (size_t i = 0; i < n; i++)
        y[i] = x[i] < 0 ? 0 : x[i];
}

LB_CLONES
static void relu_grad(const lb_call *call)
{
    const size_t n = ((const state *)call->state)->n;
    const float *const y = call->in[0], *const dy = call->in[1];
    float *const dx = call->out[0];

    for (size_t i = 0; i < n; i++)
        dx[i] = y[i] > 0 ? dy[i] : 0;
}

LB_CLONES
static void add(const lb_call *call)
{
    const size_t n = ((const state *)call->state)->n;
    const float *const a = call->in[0], *const b = call->in[1];
    float *const y = call->out[0];

    for (size_t i = 0; i < n; i++)
        y[i] = a[i] + b[i];
}

LB_CLONES
static void sub(const lb_call *call)
{
    const size_t n = ((const state *)call->state)->n;
    const float *const a = call->in[0], *const b = call->in[1];
    float *const y = call->out[0];

    for (size_t i = 0; i < n; i++)
        y[i] = a[i] - b[i];
}

LB_CLONES
static void mul(const lb_call *call)
{
    const size_t n = ((const state *)call->state)->n;
    const float *const a = call->in[0], *const b = call->in[1];
    float *const y = call->out[0];

    for (size_t i = 0; i < n; i++)
        y[i] = a[i] * b[i];
}

#define ROW(symbol, operator, function) \
    const lb_kernel lb_nat_##symbol = {.table = "native", \
                                       .op = operator, \
                                       .accepts = accept_equal, \
                                       .create = create, \
                                       .run = function}

ROW(relu, "Relu", relu);
ROW(relu_grad, "ReluGrad", relu_grad);
ROW(add, "Add", add);
ROW(sub, "Sub", sub);
ROW(mul, "Mul", mul);
