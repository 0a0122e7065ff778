/* nat_broadcast.c: operators of two inputs with ONNX's broadcasting, over plain arrays.
 * Equal shapes of Add, Sub and Mul are nat_binary.c's. */
#include "engine/native/nat_walk.h"

#include <math.h>

typedef struct state {
    lb_nat_walk walk; /* operands: result, x, y */
    bool first;       /* ExtremeMask: the input asked for is the first */
} state;

static bool accepts(lb_ask *ask)
{
    if (ask->n_in != 2 || !lb_nat_floats(ask))
        return false;
    ask->want_in[0] = ask->want_in[1] = LB_PLAIN;
    return true;
}

static bool wants(const lb_ask *ask, int64_t least)
{
    return lb_attr_int(ask->node, "least", 0) == least;
}

static bool accepts_max_mask(lb_ask *ask)
{
    return wants(ask, 0) && accepts(ask);
}

static bool accepts_min_mask(lb_ask *ask)
{
    return wants(ask, 1) && accepts(ask);
}

static lb_code create(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    const lb_shape *const space = &ask->out[0].shape;
    ptrdiff_t stride[LB_NAT_OPERANDS][LB_MAX_RANK] = {{0}};
    state *const s = LB_TAKE(arena, state);

    if (!s)
        return lb_nat_no_memory(err);
    s->first = lb_attr_int(ask->node, "index", 0) == 0;
    lb_nat_spread(space, space, stride[0]);
    for (int k = 0; k < 2; k++)
        lb_nat_spread(space, &ask->in[k].shape, stride[k + 1]);
    lb_nat_walk_make(&s->walk, space, 3, stride);
    *out = s;
    return LB_OK;
}

/* A row of results; an operand that does not move along it is one number. */
#define ROW(name, formula) \
    LB_NAT_CLONES static void name##_row(const float *a, bool a_moves, const float *b, \
                                         bool b_moves, float *out, size_t n) \
    { \
        const float a0 = *a, b0 = *b; \
        if (a_moves && b_moves) { \
            LB_NAT_LANES \
            for (size_t i = 0; i < n; i++) { \
                const float x = a[i], y = b[i]; \
                out[i] = (formula); \
            } \
        } else if (a_moves) { \
            LB_NAT_LANES \
            for (size_t i = 0; i < n; i++) { \
                const float x = a[i], y = b0; \
                out[i] = (formula); \
            } \
        } else { \
            LB_NAT_LANES \
            for (size_t i = 0; i < n; i++) { \
                const float x = a0, y = b_moves ? b[i] : b0; \
                out[i] = (formula); \
            } \
        } \
    }
#define RUN(name) \
    static void run_##name(const lb_call *call) \
    { \
        const lb_nat_walk *const w = &((const state *)call->state)->walk; \
        const float *const x = call->in[0], *const y = call->in[1]; \
        float *const out = call->out[0]; \
        lb_nat_spot at; \
        for (lb_nat_begin(w, &at); at.more; lb_nat_next(w, &at)) \
            name##_row(x + at.at[1], w->step[1] != 0, y + at.at[2], w->step[2] != 0, \
                       out + at.at[0], w->n); \
    }

ROW(add, x + y)
ROW(sub, x - y)
ROW(mul, x *y)
ROW(div, x / y)
/* NaN on either side is the result */
ROW(max, y > x || isnan(y) ? y : x)
ROW(min, y < x || isnan(y) ? y : x)
/* 1 where x is the first of the two that gives the result, or y, the second, alone */
ROW(max_first, y > x || isnan(y) ? 0.0f : 1.0f)
ROW(min_first, y < x || isnan(y) ? 0.0f : 1.0f)
ROW(max_second, x >= y || isnan(x) ? 0.0f : 1.0f)
ROW(min_second, x <= y || isnan(x) ? 0.0f : 1.0f)
RUN(add)
RUN(sub)
RUN(mul)
RUN(div)
RUN(max)
RUN(min)
RUN(max_first)
RUN(min_first)
RUN(max_second)
RUN(min_second)

static void run_max_mask(const lb_call *call)
{
    if (((const state *)call->state)->first)
        run_max_first(call);
    else
        run_max_second(call);
}

static void run_min_mask(const lb_call *call)
{
    if (((const state *)call->state)->first)
        run_min_first(call);
    else
        run_min_second(call);
}

#define KERNEL(symbol, operator, which, runs) \
    const lb_kernel lb_nat_##symbol = {.table = "native", \
                                       .op = operator, \
                                       .accepts = which, \
                                       .create = create, \
                                       .run = run_##runs};

KERNEL(add_spread, "Add", accepts, add)
KERNEL(sub_spread, "Sub", accepts, sub)
KERNEL(mul_spread, "Mul", accepts, mul)
KERNEL(div, "Div", accepts, div)
KERNEL(max, "Max", accepts, max)
KERNEL(min, "Min", accepts, min)
KERNEL(max_mask, "ExtremeMask", accepts_max_mask, max_mask)
KERNEL(min_mask, "ExtremeMask", accepts_min_mask, min_mask)
