/* simd_peak.c: what a thread can do at most: multiply-adds in registers, and a stream of
 * floats from memory and back. */
#include "engine/simd/simd_protos.h"

/* Independent sums: enough for the latency of a multiply-add, and no more than there are
 * registers. */
#if defined(__AVX2__) && defined(__FMA__)
enum { SUMS = 12 };
#else
enum { SUMS = 4 };
#endif
enum { AT_ONCE = 64 };

float LB_SIMD(peak)(size_t rounds, float scale, double *flops)
{
    const lb_vec factor = lb_splat(scale), add = lb_splat(1 - scale);
    lb_vec sum[SUMS];
    float all[LB_BLOCK], total = 0;

#pragma GCC unroll 12
    for (int i = 0; i < SUMS; i++)
        sum[i] = lb_splat((float)i);
    for (size_t r = 0; r < rounds; r++)
        for (int k = 0; k < AT_ONCE; k++) {
#pragma GCC unroll 12
            for (int i = 0; i < SUMS; i++)
                sum[i] = lb_fma(sum[i], factor, add);
        }
    for (int i = 1; i < SUMS; i++)
        sum[0] = sum[0] + sum[i];
    lb_store(all, sum[0]);
    for (int i = 0; i < LB_BLOCK; i++)
        total += all[i];
    *flops = 2.0 * (double)rounds * AT_ONCE * SUMS * LB_BLOCK;
    return total;
}

void LB_SIMD(triad)(size_t n, float scale, const float *b, const float *c, float *a)
{
    const lb_vec s = lb_splat(scale);

    for (size_t i = 0; i < n; i += LB_BLOCK)
        lb_store(a + i, lb_fma(s, lb_load(c + i), lb_load(b + i)));
}
