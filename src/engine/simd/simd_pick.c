/* simd_pick.c: which instruction set this CPU has. */
#include "engine/kernel.h"
#include "engine/simd/simd_table.h"

extern const lb_simd lb_simd_base;
#if defined(LB_SIMD_X86)
extern const lb_simd lb_simd_avx512, lb_simd_avx2;
#endif

const lb_simd *lb_simd_best(void)
{
#if defined(LB_SIMD_X86)
    if (lb_cpu_block() == 16)
        return &lb_simd_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &lb_simd_avx2;
#endif
    return &lb_simd_base;
}
