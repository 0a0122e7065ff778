/* nat_element.c: functions of one number and their slopes, element by element; the
 * formulas stand in ops/op_element.c. In any layout where 0 gives 0, so that the padding
 * of blocks stays zero; the others plain. */
#include "engine/native/nat_util.h"

#include <math.h>

typedef struct state {
    size_t n;
    float number; /* alpha, threshold or exponent */
} state;

/* The constant that a function depends on, 0 if on none; false if it is not known. */
static bool number_of(const lb_ask *ask, float *out)
{
    const char *const op = ask->node->op->name;
    const int exponent = ask->n_in - 1;

    *out = 0;
    if (strcmp(op, "Pow") == 0 || strcmp(op, "PowGrad") == 0) {
        if (!ask->constant[exponent] || ask->constant[exponent]->n != 1)
            return false;
        *out = (float)lb_tensor_get(ask->constant[exponent], 0);
    } else if (strcmp(op, "StepAbove") == 0) {
        *out = (float)lb_attr_float(ask->node, "threshold", 0);
    } else {
        *out = (float)lb_attr_float(ask->node, "alpha", 0.01);
    }
    return true;
}

/* lb_nat_alike wants floats throughout, but an exponent may be of any type. */
static bool alike(lb_ask *ask, int n)
{
    lb_ask floats = *ask;

    floats.n_in = n;
    if (!lb_nat_alike(&floats, n))
        return false;
    floats.n_in = ask->n_in;
    *ask = floats;
    ask->in_place = true;
    return true;
}

/* f(0) = 0. */
static bool accepts_through_zero(lb_ask *ask)
{
    float number;

    return number_of(ask, &number) && alike(ask, 1);
}

static bool accepts_plain(lb_ask *ask)
{
    if (!accepts_through_zero(ask))
        return false;
    ask->want_in[0] = ask->out_layout[0] = LB_PLAIN;
    return true;
}

/* 0 to the power 0 is 1, and a threshold may lie below 0. */
static bool accepts_by_number(lb_ask *ask)
{
    const bool step = strcmp(ask->node->op->name, "StepAbove") == 0;
    float number;

    if (!number_of(ask, &number))
        return false;
    return (step ? number >= 0 : number > 0) ? accepts_through_zero(ask)
                                             : accepts_plain(ask);
}

/* A slope times a dy of 0. */
static bool accepts_slope(lb_ask *ask)
{
    float number;

    return number_of(ask, &number) && alike(ask, 2);
}

static lb_code create(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    state *const s = LB_TAKE(arena, state);

    if (!s)
        return lb_nat_no_memory(err);
    s->n = lb_nat_count(ask);
    if (!number_of(ask, &s->number))
        return lb_bug(err, "a number that was constant is not");
    *out = s;
    return LB_OK;
}

static float sigmoid(float x)
{
    const float e = expf(-fabsf(x));

    return (x >= 0 ? 1 : e) / (1 + e);
}

/* Small whole exponents, as losses have them, need no logarithm. */
static float power(float x, float exponent)
{
    if (exponent == 2)
        return x * x;
    return exponent == 1 ? x : powf(x, exponent);
}

static float power_slope(float x, float exponent)
{
    return x == 0 && exponent < 1 ? 0 : exponent * power(x, exponent - 1);
}

/* Functions that compilers vectorise are compiled for several generations of CPUs. */
#define FUNCTION(how, name, formula) \
    how static void name##_of(const float *from, float number, float *y, size_t n) \
    { \
        (void)number; \
        LB_NAT_LANES \
        for (size_t i = 0; i < n; i++) { \
            const float x = from[i]; \
            y[i] = (formula); \
        } \
    } \
    static void run_##name(const lb_call *call) \
    { \
        const state *const s = call->state; \
        name##_of(call->in[0], s->number, call->out[0], s->n); \
    }
#define SLOPE(how, name, formula) \
    how static void name##_slope(const float *from, const float *dy, float number, \
                                 float *dx, size_t n) \
    { \
        (void)number; \
        LB_NAT_LANES \
        for (size_t i = 0; i < n; i++) { \
            const float v = from[i]; \
            dx[i] = dy[i] * (formula); \
        } \
    } \
    static void run_##name##_grad(const lb_call *call) \
    { \
        const state *const s = call->state; \
        name##_slope(call->in[0], call->in[1], s->number, call->out[0], s->n); \
    }
#define ONCE /* calls of the C library: nothing to vectorise */

FUNCTION(ONCE, exp, expf(x))
FUNCTION(ONCE, log, logf(x))
FUNCTION(LB_NAT_CLONES, sqrt, sqrtf(x))
FUNCTION(LB_NAT_CLONES, abs, fabsf(x))
FUNCTION(LB_NAT_CLONES, sign, (float)((x > 0) - (x < 0)))
FUNCTION(LB_NAT_CLONES, neg, -x)
FUNCTION(LB_NAT_CLONES, reciprocal, 1 / x)
FUNCTION(ONCE, sigmoid, sigmoid(x))
FUNCTION(ONCE, tanh, tanhf(x))
FUNCTION(ONCE, softplus, (x > 0 ? x : 0) + log1pf(expf(-fabsf(x))))
FUNCTION(ONCE, pow, power(x, number))
FUNCTION(LB_NAT_CLONES, leaky, x < 0 ? x * number : x)
FUNCTION(LB_NAT_CLONES, step, x > number ? 1.0f : 0.0f)
FUNCTION(LB_NAT_CLONES, stop, x)
SLOPE(LB_NAT_CLONES, log, v > 0 ? 1 / v : 0)
SLOPE(LB_NAT_CLONES, sqrt, v > 0 ? 0.5f / v : 0)
SLOPE(LB_NAT_CLONES, reciprocal, 0 - v * v)
SLOPE(LB_NAT_CLONES, sigmoid, v - v * v)
SLOPE(LB_NAT_CLONES, tanh, 1 - v * v)
SLOPE(ONCE, pow, power_slope(v, number))
SLOPE(LB_NAT_CLONES, leaky, v < 0 ? number : 1)

#define KERNEL(symbol, operator, which) \
    const lb_kernel lb_nat_##symbol = {.table = "native", \
                                       .op = operator, \
                                       .accepts = accepts_##which, \
                                       .create = create, \
                                       .run = run_##symbol};

KERNEL(exp, "Exp", plain)
KERNEL(log, "Log", plain)
KERNEL(log_grad, "LogGrad", slope)
KERNEL(sqrt, "Sqrt", through_zero)
KERNEL(sqrt_grad, "SqrtGrad", slope)
KERNEL(abs, "Abs", through_zero)
KERNEL(sign, "Sign", through_zero)
KERNEL(neg, "Neg", through_zero)
KERNEL(reciprocal, "Reciprocal", plain)
KERNEL(reciprocal_grad, "ReciprocalGrad", slope)
KERNEL(sigmoid, "Sigmoid", plain)
KERNEL(sigmoid_grad, "SigmoidGrad", slope)
KERNEL(tanh, "Tanh", through_zero)
KERNEL(tanh_grad, "TanhGrad", slope)
KERNEL(softplus, "Softplus", plain)
KERNEL(pow, "Pow", by_number)
KERNEL(pow_grad, "PowGrad", slope)
KERNEL(leaky, "LeakyRelu", through_zero)
KERNEL(leaky_grad, "LeakyReluGrad", slope)
KERNEL(step, "StepAbove", by_number)
KERNEL(stop, "StopGradient", through_zero)
