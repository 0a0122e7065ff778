/* fw_softmax8.c: softmax of a vector in fixed point, the one that TensorFlow Lite's int8
 * softmax defines. A number with n integer bits is raw * 2^(n - 31). */
#include "fw8.h"

static int32_t saturate(int64_t v)
{
    return v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : (int32_t)v;
}

/* The product; integer bits add up. */
static int32_t times(int64_t a, int32_t b)
{
    return saturate((a * b + ((int64_t)1 << 30)) >> 31);
}

/* v / 2^n, ties away from zero; n > 0. */
static int32_t divide(int32_t v, int n)
{
    return (int32_t)(((int64_t)v + ((int64_t)1 << (n - 1)) - (v < 0)) >> n);
}

/* exp(a) of a in [-1/4, 0): a series of the fourth degree around -1/8. */
static int32_t exp_near_zero(int32_t a)
{
    const int32_t exp_of_eighth = 1895147668, third = 715827883;
    const int32_t x = a + (1 << 28);
    const int32_t x2 = times(x, x), x3 = times(x2, x), x4 = times(x2, x2);
    const int32_t tail = divide(times(divide(x4, 2) + x3, third) + x2, 1);

    return exp_of_eighth + times(exp_of_eighth, x + tail);
}

/* exp(a) of a <= 0 with five integer bits; the result has none. */
static int32_t exp_below_zero(int32_t a)
{
    /* exp(-2^(i - 2)) */
    static const int32_t power[] = {1672461947, 1302514674, 790015084, 290630308,
                                    39332535,   720401,     242};
    const int32_t quarter = 1 << 24;
    const int32_t rest = (a & (quarter - 1)) - quarter, whole = rest - a;
    int32_t y;
    int i;

    if (a == 0)
        return INT32_MAX;
    y = exp_near_zero(saturate((int64_t)rest * 32));
    for (i = 0; i < 7; i++)
        if (whole & (1 << (24 + i)))
            y = times(y, power[i]);
    return y;
}

/* 1 / (1 + a) of a in [0, 1): three steps of Newton and Raphson. */
static int32_t reciprocal(int32_t a)
{
    const int32_t c48_17 = 1515870810, c32_17 = -1010580540, one = 1 << 29;
    const int32_t half = (int32_t)(((int64_t)a + INT32_MAX + 1) / 2);
    int32_t x = c48_17 + times(half, c32_17); /* two integer bits */
    int i;

    for (i = 0; i < 3; i++)
        x += saturate((int64_t)times(x, one - times(half, x)) * 4);
    return saturate((int64_t)x * 2);
}

static int32_t exp_of(int32_t factor, int shift, int difference)
{
    return exp_below_zero(times((int64_t)difference * ((int64_t)1 << shift), factor));
}

void fw8_softmax(int32_t factor, int shift, int32_t least, int n, const int8_t *x,
                 int8_t *y)
{
    int32_t sum = 0, share; /* sum: twelve integer bits */
    int most = x[0], zeros = 0, i;

    for (i = 1; i < n; i++)
        if (x[i] > most)
            most = x[i];
    for (i = 0; i < n; i++)
        if (x[i] - most >= least)
            sum += divide(exp_of(factor, shift, x[i] - most), 12);
    while (zeros < 31 && !((uint32_t)sum << zeros & 0x80000000u))
        zeros++;
    share = reciprocal((int32_t)(((uint32_t)sum << zeros) - 0x80000000u));
    for (i = 0; i < n; i++) {
        const int32_t v =
            x[i] - most >= least
                ? divide(times(share, exp_of(factor, shift, x[i] - most)), 35 - zeros)
                : 0;
        y[i] = (int8_t)(v > 255 ? 127 : v - 128);
    }
}
