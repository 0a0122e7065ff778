/* nat_activation.c: Relu, Clip and their gradients, element by element in any layout. */
#include "engine/native/nat_util.h"

#include <math.h>

typedef struct state {
    size_t n;
    float low, high;
} state;

/* A limit that is a constant of one number, or the usual one if it is left out. */
static bool limit(const lb_ask *ask, int input, double usual, float *out)
{
    *out = (float)usual;
    if (!ask->has_in[input])
        return true;
    if (!ask->constant[input] || ask->constant[input]->n != 1)
        return false;
    *out = (float)lb_tensor_get(ask->constant[input], 0);
    return true;
}

static bool limits(const lb_ask *ask, int first, state *s)
{
    return limit(ask, first, -INFINITY, &s->low) &&
           limit(ask, first + 1, INFINITY, &s->high);
}

static bool accepts(lb_ask *ask, int n)
{
    ask->in_place = true;
    return lb_nat_alike(ask, n) > 0;
}

static bool accepts_relu(lb_ask *ask)
{
    return accepts(ask, 1);
}

static bool accepts_relu_grad(lb_ask *ask)
{
    return accepts(ask, 2);
}

static bool accepts_clip(lb_ask *ask)
{
    state s;

    if (!limits(ask, 1, &s) || !accepts(ask, 1))
        return false;
    if (s.low > 0 || s.high < 0) /* else the padding of blocks would not stay zero */
        ask->want_in[0] = ask->out_layout[0] = LB_PLAIN;
    return true;
}

static bool accepts_clip_grad(lb_ask *ask)
{
    state s;

    return limits(ask, 2, &s) && accepts(ask, 2);
}

static lb_code create(const lb_ask *ask, int first_limit, lb_arena *arena, void **out,
                      lb_error *err)
{
    state *const s = LB_TAKE(arena, state);

    if (!s)
        return lb_nat_no_memory(err);
    s->n = lb_nat_count(ask);
    if (!limits(ask, first_limit, s))
        return lb_bug(err, "limits that were constant are not");
    *out = s;
    return LB_OK;
}

static lb_code create_clip(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    return create(ask, 1, arena, out, err);
}

static lb_code create_grad(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    return create(ask, 2, arena, out, err);
}

LB_NAT_CLONES static void relu(const float *x, float *y, size_t n)
{
    LB_NAT_LANES
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] < 0 ? 0 : x[i];
}

LB_NAT_CLONES static void relu_grad(const float *y, const float *dy, float *dx, size_t n)
{
    LB_NAT_LANES
    for (size_t i = 0; i < n; i++)
        dx[i] = y[i] > 0 ? dy[i] : 0;
}

LB_NAT_CLONES static void clip(const state *s, const float *x, float *y)
{
    const float low = s->low, high = s->high;
    const size_t n = s->n;

    LB_NAT_LANES
    for (size_t i = 0; i < n; i++) {
        const float v = x[i] < low ? low : x[i];
        y[i] = v > high ? high : v;
    }
}

LB_NAT_CLONES static void clip_grad(const state *s, const float *y, const float *dy,
                                    float *dx)
{
    const float low = s->low, high = s->high;
    const size_t n = s->n;

    LB_NAT_LANES
    for (size_t i = 0; i < n; i++)
        dx[i] = ((y[i] > low) & (y[i] < high)) ? dy[i] : 0;
}

static void run_relu(const lb_call *call)
{
    relu(call->in[0], call->out[0], ((const state *)call->state)->n);
}

static void run_relu_grad(const lb_call *call)
{
    relu_grad(call->in[0], call->in[1], call->out[0], ((const state *)call->state)->n);
}

static void run_clip(const lb_call *call)
{
    clip(call->state, call->in[0], call->out[0]);
}

static void run_clip_grad(const lb_call *call)
{
    clip_grad(call->state, call->in[0], call->in[1], call->out[0]);
}

const lb_kernel lb_nat_relu = {.table = "native",
                               .op = "Relu",
                               .accepts = accepts_relu,
                               .create = create_clip,
                               .run = run_relu};

const lb_kernel lb_nat_relu_grad = {.table = "native",
                                    .op = "ReluGrad",
                                    .accepts = accepts_relu_grad,
                                    .create = create_grad,
                                    .run = run_relu_grad};

const lb_kernel lb_nat_clip = {.table = "native",
                               .op = "Clip",
                               .accepts = accepts_clip,
                               .create = create_clip,
                               .run = run_clip};

const lb_kernel lb_nat_clip_grad = {.table = "native",
                                    .op = "ClipGrad",
                                    .accepts = accepts_clip_grad,
                                    .create = create_grad,
                                    .run = run_clip_grad};
