/* rng.c: SplitMix64 streams. */
#include "base/rng.h"

#include <math.h>

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

lb_rng lb_rng_make(uint64_t seed, lb_rng_use use, uint64_t a, uint64_t b)
{
    uint64_t s = mix(seed + 0x9e3779b97f4a7c15u);

    s = mix(s ^ ((uint64_t)use * 0xd6e8feb86659fd93u));
    s = mix(s ^ (a + 0x9e3779b97f4a7c15u));
    s = mix(s ^ (b * 0xca5a826395121157u + 0x632be59bd9b4e019u));
    return (lb_rng){s};
}

uint64_t lb_rng_next(lb_rng *rng)
{
    rng->state += 0x9e3779b97f4a7c15u;
    return mix(rng->state);
}

double lb_rng_uniform(lb_rng *rng)
{
    return (double)(lb_rng_next(rng) >> 11) * 0x1p-53;
}

uint64_t lb_rng_below(lb_rng *rng, uint64_t n)
{
    const uint64_t reject = (0u - n) % n; /* 2^64 mod n values at the bottom */
    uint64_t r;

    do
        r = lb_rng_next(rng);
    while (r < reject);
    return r % n;
}

double lb_rng_normal(lb_rng *rng)
{
    const double u = 1.0 - lb_rng_uniform(rng); /* never 0 */
    const double v = lb_rng_uniform(rng);

    return sqrt(-2.0 * log(u)) * cos(6.283185307179586476925 * v);
}

void lb_rng_shuffle(lb_rng *rng, int32_t *order, int n)
{
    for (int i = n - 1; i > 0; i--) {
        const int j = (int)lb_rng_below(rng, (uint64_t)i + 1);
        const int32_t t = order[i];
        order[i] = order[j];
        order[j] = t;
    }
}
