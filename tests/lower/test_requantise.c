/* test_requantise.c: the integer arithmetic against its definitions. */
#include "check.h"

#include "base/rng.h"
#include "lower/requantise.h"

#include <stdlib.h>

static void multipliers_are_near(void)
{
    static const double reals[] = {1, 0.5, 0.75, 1.0 / 3, 3e-5, 7.5, 0.999999999999, 1e6};

    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
        const lb_multiplier m = lb_multiplier_of(reals[i]);
        CHECK(m.q >= 1 << 30);
        CHECK_NEAR(ldexp(m.q, m.shift - 31) / reals[i], 1, ldexp(1, -30));
    }
    CHECK(lb_multiplier_of(0).q == 0 && lb_multiplier_of(1e-12).q == 0);
    CHECK(lb_multiplier_of(1).q == 1 << 30 && lb_multiplier_of(1).shift == 1);
}

/* gemmlowp's words: a nudge before the product is halved, then a division that rounds
 * ties away from zero. */
static int32_t twice_rounded(int32_t v, lb_multiplier m)
{
    const int left = m.shift > 0 ? m.shift : 0, right = m.shift < 0 ? -m.shift : 0;
    const int64_t product = (int64_t)v * (INT64_C(1) << left) * m.q;
    const int64_t nudge = product >= 0 ? 1 << 30 : 1 - (1 << 30);
    const int32_t high = (int32_t)((product + nudge) / (INT64_C(1) << 31));
    const int32_t mask = (int32_t)((INT64_C(1) << right) - 1);
    const int32_t threshold = (mask >> 1) + (high < 0);

    return (high >> right) + ((high & mask) > threshold);
}

static void requantising_is_as_defined(void)
{
    lb_rng rng = lb_rng_make(1, LB_RNG_TEST, 0, 0);
    int differ = 0;

    for (int i = 0; i < 200000; i++) {
        const double real = exp(-16 * lb_rng_uniform(&rng) + 1);
        const lb_multiplier m = lb_multiplier_of(real);
        const int32_t v = (int32_t)((lb_rng_uniform(&rng) - 0.5) * fmin(1e9, 400 / real));
        const double exact = floor((double)v * ldexp(m.q, m.shift - 31) + 0.5);
        const int32_t single = lb_requantise(v, m, LB_ROUND_SINGLE);
        const int32_t twice = lb_requantise(v, m, LB_ROUND_TFLITE);
        CHECK((double)single == exact);
        CHECK(twice == twice_rounded(v, m));
        differ += single != twice;
        if (check_failed_here)
            return;
    }
    CHECK(differ > 0); /* they are two rules */
}

static void ties_go_up(void)
{
    const lb_multiplier half = lb_multiplier_of(0.5);

    CHECK(lb_requantise(1, half, LB_ROUND_SINGLE) == 1);
    CHECK(lb_requantise(-1, half, LB_ROUND_SINGLE) == 0);
    CHECK(lb_requantise(-3, half, LB_ROUND_SINGLE) == -1);
    const lb_multiplier quarter = lb_multiplier_of(0.25);
    CHECK(lb_requantise(-2, quarter, LB_ROUND_SINGLE) == 0);
    CHECK(lb_requantise(-2, quarter, LB_ROUND_TFLITE) == -1); /* away from zero */
}

static void sums_are_near(void)
{
    lb_rng rng = lb_rng_make(2, LB_RNG_TEST, 0, 0);
    lb_sum_params p;

    for (int i = 0; i < 20000; i++) {
        const float a = (float)exp(-6 * lb_rng_uniform(&rng));
        const float b = (float)exp(-6 * lb_rng_uniform(&rng));
        const float y = (float)exp(-4 * lb_rng_uniform(&rng));
        const int32_t va = (int32_t)(511 * lb_rng_uniform(&rng)) - 255;
        const int32_t vb = (int32_t)(511 * lb_rng_uniform(&rng)) - 255;
        const double real = ((double)a * va + (double)b * vb) / (double)y;
        CHECK(lb_sum_params_of(a, b, y, &p));
        CHECK(p.factor[0] <= 1 << 21 && p.factor[1] <= 1 << 21);
        CHECK_NEAR(lb_sum(&p, va, vb, LB_ROUND_SINGLE), real, 0.5 + 1e-3);
        CHECK_NEAR(lb_sum(&p, va, vb, LB_ROUND_TFLITE), real, 1);
        if (check_failed_here)
            return;
    }
    CHECK(!lb_sum_params_of(1, 1, 1e-9F, &p));
    CHECK(!lb_sum_params_of(1e-9F, 1e-9F, 1, &p));
}

static void softmax_is_near(void)
{
    lb_rng rng = lb_rng_make(3, LB_RNG_TEST, 0, 0);
    int8_t x[12], y[12];

    for (int i = 0; i < 2000; i++) {
        const float scale = (float)exp(-5 * lb_rng_uniform(&rng));
        const lb_softmax_params p = lb_softmax_params_of(scale);
        const int n = 1 + i % 12;
        double sum = 0;
        int most = -128;
        for (int k = 0; k < n; k++) {
            x[k] = (int8_t)(256 * lb_rng_uniform(&rng) - 128);
            most = x[k] > most ? x[k] : most;
        }
        for (int k = 0; k < n; k++)
            sum += exp((double)scale * (x[k] - most));
        lb_softmax_int8(&p, x, n, y);
        for (int k = 0; k < n; k++)
            CHECK_NEAR(y[k],
                       fmin(127, 256 * exp((double)scale * (x[k] - most)) / sum - 128),
                       0.51);
        if (check_failed_here)
            return;
    }
}

int main(void)
{
    RUN(multipliers_are_near);
    RUN(requantising_is_as_defined);
    RUN(ties_go_up);
    RUN(sums_are_near);
    RUN(softmax_is_near);
    return DONE();
}
