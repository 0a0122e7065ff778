/* requantise.c: multipliers, additions and the softmax of int8 inference. */
#include "lower/requantise.h"

#include <math.h>

lb_multiplier lb_multiplier_of(double real)
{
    int shift = 0;

    if (!(real > 0))
        return (lb_multiplier){0};
    int64_t q = llround(ldexp(frexp(real, &shift), 31));
    if (q == INT64_C(1) << 31) {
        q /= 2;
        shift++;
    }
    if (shift < -31)
        return (lb_multiplier){0};
    return (lb_multiplier){.q = (int32_t)q, .shift = shift};
}

/* round(a b / 2^31), ties up. */
static int64_t high_product(int64_t a, int32_t b)
{
    return (a * b + (INT64_C(1) << 30)) >> 31;
}

/* round(v / 2^n), ties away from zero. */
static int64_t divide_by_power(int64_t v, int n)
{
    const int64_t half = n > 0 ? INT64_C(1) << (n - 1) : 0;

    return (v + half - (v < 0 && n > 0)) >> n;
}

int32_t lb_requantise(int32_t v, lb_multiplier m, lb_rounding rounding)
{
    if (rounding == LB_ROUND_SINGLE)
        return (int32_t)(((int64_t)v * m.q + (INT64_C(1) << (30 - m.shift))) >>
                         (31 - m.shift));
    const int64_t raised = m.shift > 0 ? (int64_t)v * (INT64_C(1) << m.shift) : v;
    return (int32_t)divide_by_power(high_product(raised, m.q),
                                    m.shift < 0 ? -m.shift : 0);
}

bool lb_sum_params_of(float a, float b, float y, lb_sum_params *out)
{
    enum { BITS = 20, LIFT = 20 };
    const double most = (double)(a > b ? a : b);
    int exponent;

    frexp(most / (double)y, &exponent);
    out->shift = BITS + 1 - exponent; /* the larger factor lies in [2^20, 2^21] */
    if (out->shift < 1 || out->shift > 30)
        return false;
    out->factor[0] = (int32_t)lround(ldexp((double)a / (double)y, out->shift));
    out->factor[1] = (int32_t)lround(ldexp((double)b / (double)y, out->shift));
    out->in[0] = lb_multiplier_of((double)a / (2 * most));
    out->in[1] = lb_multiplier_of((double)b / (2 * most));
    out->out = lb_multiplier_of(2 * most / ldexp((double)y, LIFT));
    return true;
}

int32_t lb_sum(const lb_sum_params *p, int32_t a, int32_t b, lb_rounding rounding)
{
    enum { LIFT = 1 << 20 };

    if (rounding == LB_ROUND_SINGLE) {
        const int32_t v = a * p->factor[0] + b * p->factor[1];
        return (v + (1 << (p->shift - 1))) >> p->shift;
    }
    const int32_t first = lb_requantise(a * LIFT, p->in[0], rounding);
    const int32_t second = lb_requantise(b * LIFT, p->in[1], rounding);
    return lb_requantise(first + second, p->out, rounding);
}

/* Fixed point: a number with n integer bits is raw * 2^(n - 31). */

static int32_t saturate(int64_t v)
{
    return v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : (int32_t)v;
}

/* The raw product of numbers with n and m integer bits, which has n + m of them. */
static int32_t times(int32_t a, int32_t b)
{
    return saturate(high_product(a, b));
}

/* exp(a) for a in [-1/4, 0), no integer bits: a Taylor series of the fourth degree around
 * -1/8. */
static int32_t exp_near_zero(int32_t a)
{
    const int32_t exp_of_eighth = 1895147668, third = 715827883;
    const int32_t x = a + (1 << 28);
    const int32_t x2 = times(x, x), x3 = times(x2, x), x4 = times(x2, x2);
    const int32_t quarter = (int32_t)divide_by_power(x4, 2);
    const int32_t tail = (int32_t)divide_by_power(times(quarter + x3, third) + x2, 1);

    return exp_of_eighth + times(exp_of_eighth, x + tail);
}

/* exp(a) for a <= 0 with five integer bits; the result has none. */
static int32_t exp_below_zero(int32_t a)
{
    /* exp(-2^(i - 2)) */
    static const int32_t power[] = {1672461947, 1302514674, 790015084, 290630308,
                                    39332535,   720401,     242};
    enum { FRACTION = 26, QUARTER = 1 << (FRACTION - 2) };
    const int32_t rest = (a & (QUARTER - 1)) - QUARTER;
    const int32_t whole = rest - a;
    int32_t y = exp_near_zero(saturate((int64_t)rest * 32));

    if (a == 0)
        return INT32_MAX;
    for (int i = 0; i < 7; i++)
        if (whole & (1 << (FRACTION - 2 + i)))
            y = times(y, power[i]);
    return y;
}

/* 1 / (1 + a) for a in [0, 1), no integer bits: three steps of Newton and Raphson. */
static int32_t reciprocal(int32_t a)
{
    const int32_t c48_17 = 1515870810, c32_17 = -1010580540, one = 1 << 29;
    const int32_t half = (int32_t)(((int64_t)a + INT32_MAX + 1) / 2);
    int32_t x = c48_17 + times(half, c32_17); /* two integer bits */

    for (int i = 0; i < 3; i++)
        x += saturate((int64_t)times(x, one - times(half, x)) * 4);
    return saturate((int64_t)x * 2);
}

lb_softmax_params lb_softmax_params_of(float scale)
{
    enum { INTEGER_BITS = 5 };
    const double most = (double)INT32_MAX;
    lb_softmax_params p;

    p.scale =
        lb_multiplier_of(fmax(1, fmin(ldexp((double)scale, 31 - INTEGER_BITS), most)));
    p.least = -(int32_t)floor(((1 << INTEGER_BITS) - 1) *
                              ldexp(1, 31 - INTEGER_BITS - p.scale.shift));
    return p;
}

/* exp of a difference to the largest element. */
static int32_t exp_of(const lb_softmax_params *p, int32_t difference)
{
    return exp_below_zero(saturate(
        high_product((int64_t)difference * (INT64_C(1) << p->scale.shift), p->scale.q)));
}

static int leading_zeros(uint32_t v)
{
    int n = 0;

    for (; n < 32 && !(v & 0x80000000U); n++)
        v <<= 1;
    return n;
}

void lb_softmax_int8(const lb_softmax_params *p, const int8_t *x, int n, int8_t *y)
{
    enum { SUM_BITS = 12 };
    int32_t sum = 0; /* SUM_BITS integer bits */
    int8_t most = x[0];

    for (int i = 1; i < n; i++)
        most = x[i] > most ? x[i] : most;
    for (int i = 0; i < n; i++)
        if (x[i] - most >= p->least)
            sum += (int32_t)divide_by_power(exp_of(p, x[i] - most), SUM_BITS);
    const int zeros = leading_zeros((uint32_t)sum);
    const int32_t share = reciprocal((int32_t)(((uint32_t)sum << zeros) - 0x80000000U));
    for (int i = 0; i < n; i++) {
        int64_t v = 0;
        if (x[i] - most >= p->least)
            v = divide_by_power(times(share, exp_of(p, x[i] - most)),
                                SUM_BITS - zeros + 31 - 8);
        y[i] = (int8_t)(v - 128 > 127 ? 127 : v - 128);
    }
}
