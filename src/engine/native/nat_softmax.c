/* nat_softmax.c: Softmax, LogSoftmax and their gradients along the last axis of plain
 * values; the formulas stand in ops/op_softmax.c. */
#include "engine/native/nat_util.h"

#include <math.h>

typedef struct state {
    size_t rows, n;
} state;

static bool accepts(lb_ask *ask)
{
    const int rank = ask->in[0].shape.rank;
    const int64_t axis = lb_attr_int(ask->node, "axis", -1);

    for (int k = 0; k < ask->n_in; k++)
        ask->want_in[k] = LB_PLAIN;
    return lb_nat_floats(ask) && rank > 0 && (axis == -1 || axis == rank - 1);
}

static lb_code create(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    const lb_shape *const x = &ask->in[0].shape;
    state *const s = LB_TAKE(arena, state);

    if (!s)
        return lb_nat_no_memory(err);
    s->n = (size_t)x->dim[x->rank - 1];
    s->rows = s->n ? lb_nat_count(ask) / s->n : 0;
    *out = s;
    return LB_OK;
}

/* Fills e, which may be x, with exp(x - most); returns their sum. */
static double exponentials(const float *x, float most, float *e, size_t n)
{
    double sum = 0;

    for (size_t k = 0; k < n; k++) {
        e[k] = expf(x[k] - most);
        sum += (double)e[k];
    }
    return sum;
}

static float largest(const float *x, size_t n)
{
    float most = x[0];

    for (size_t k = 1; k < n; k++)
        most = x[k] > most ? x[k] : most;
    return most;
}

static void run_softmax(const lb_call *call)
{
    const state *const s = call->state;
    const float *x = call->in[0];
    float *y = call->out[0];

    for (size_t row = 0; row < s->rows; row++, x += s->n, y += s->n) {
        const double sum = exponentials(x, largest(x, s->n), y, s->n);
        for (size_t k = 0; k < s->n; k++)
            y[k] = (float)((double)y[k] / sum);
    }
}

static void run_log_softmax(const lb_call *call)
{
    const state *const s = call->state;
    const float *x = call->in[0];
    float *y = call->out[0];

    for (size_t row = 0; row < s->rows; row++, x += s->n, y += s->n) {
        const float most = largest(x, s->n);
        const double base = (double)most + log(exponentials(x, most, y, s->n));
        for (size_t k = 0; k < s->n; k++)
            y[k] = (float)((double)x[k] - base);
    }
}

static void run_softmax_grad(const lb_call *call)
{
    const state *const s = call->state;
    const float *y = call->in[0], *dy = call->in[1];
    float *dx = call->out[0];

    for (size_t row = 0; row < s->rows; row++, y += s->n, dy += s->n, dx += s->n) {
        double sum = 0;
        for (size_t k = 0; k < s->n; k++)
            sum += (double)dy[k] * (double)y[k];
        for (size_t k = 0; k < s->n; k++)
            dx[k] = (float)((double)y[k] * ((double)dy[k] - sum));
    }
}

static void run_log_softmax_grad(const lb_call *call)
{
    const state *const s = call->state;
    const float *y = call->in[0], *dy = call->in[1];
    float *dx = call->out[0];

    for (size_t row = 0; row < s->rows; row++, y += s->n, dy += s->n, dx += s->n) {
        double sum = 0;
        for (size_t k = 0; k < s->n; k++)
            sum += (double)dy[k];
        for (size_t k = 0; k < s->n; k++)
            dx[k] = (float)((double)dy[k] - (double)expf(y[k]) * sum);
    }
}

const lb_kernel lb_nat_softmax = {.table = "native",
                                  .op = "Softmax",
                                  .accepts = accepts,
                                  .create = create,
                                  .run = run_softmax};

const lb_kernel lb_nat_log_softmax = {.table = "native",
                                      .op = "LogSoftmax",
                                      .accepts = accepts,
                                      .create = create,
                                      .run = run_log_softmax};

const lb_kernel lb_nat_softmax_grad = {.table = "native",
                                       .op = "SoftmaxGrad",
                                       .accepts = accepts,
                                       .create = create,
                                       .run = run_softmax_grad};

const lb_kernel lb_nat_log_softmax_grad = {.table = "native",
                                           .op = "LogSoftmaxGrad",
                                           .accepts = accepts,
                                           .create = create,
                                           .run = run_log_softmax_grad};
