/* nat_binary.c: Add, Sub and Mul of equal shapes in any layout, and Mul by one number. */
#include "engine/native/nat_util.h"

typedef struct state {
    size_t n;
    bool by_number; /* input 1 is one number */
} state;

static bool accepts(lb_ask *ask)
{
    ask->in_place = true;
    return lb_nat_alike(ask, 2) > 0;
}

static bool is_number(const lb_ask *ask)
{
    size_t n = 0;

    return !ask->batched_in[1] && lb_shape_count(&ask->in[1].shape, &n) && n == 1 &&
           !lb_shape_equal(&ask->in[1].shape, &ask->out[0].shape);
}

static bool accepts_mul(lb_ask *ask)
{
    return is_number(ask) ? lb_nat_alike(ask, 1) > 0 : accepts(ask);
}

static lb_code create(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    state *const s = LB_TAKE(arena, state);

    if (!s)
        return lb_nat_no_memory(err);
    *s = (state){.n = lb_nat_count(ask), .by_number = is_number(ask)};
    *out = s;
    return LB_OK;
}

LB_NAT_CLONES static void add(const float *a, const float *b, float *y, size_t n)
{
    LB_NAT_LANES
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] + b[i];
}

LB_NAT_CLONES static void sub(const float *a, const float *b, float *y, size_t n)
{
    LB_NAT_LANES
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] - b[i];
}

LB_NAT_CLONES static void mul(const float *a, const float *b, float *y, size_t n)
{
    LB_NAT_LANES
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] * b[i];
}

LB_NAT_CLONES static void scale(const float *a, float factor, float *y, size_t n)
{
    LB_NAT_LANES
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] * factor;
}

static void run_add(const lb_call *call)
{
    add(call->in[0], call->in[1], call->out[0], ((const state *)call->state)->n);
}

static void run_sub(const lb_call *call)
{
    sub(call->in[0], call->in[1], call->out[0], ((const state *)call->state)->n);
}

static void run_mul(const lb_call *call)
{
    const state *const s = call->state;

    if (s->by_number)
        scale(call->in[0], *(const float *)call->in[1], call->out[0], s->n);
    else
        mul(call->in[0], call->in[1], call->out[0], s->n);
}

const lb_kernel lb_nat_add = {
    .table = "native", .op = "Add", .accepts = accepts, .create = create, .run = run_add};

const lb_kernel lb_nat_sub = {
    .table = "native", .op = "Sub", .accepts = accepts, .create = create, .run = run_sub};

const lb_kernel lb_nat_mul = {.table = "native",
                              .op = "Mul",
                              .accepts = accepts_mul,
                              .create = create,
                              .run = run_mul};
