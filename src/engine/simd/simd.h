/* simd.h: one block of floats, as the instruction set that a file is compiled for has it.
 *
 * Every .c file of this folder but simd_pick.c is compiled once for each instruction set
 * (see meson.build): with AVX-512 a block is 16 floats, otherwise 8: with AVX2 one
 * register, elsewhere a vector that the compiler lowers to what there is. LB_SIMD(name)
 * puts the set's name behind a function's. Multiply-adds are fused where the set has
 * them, never by the compiler's choice, so that the result depends on the set alone. */
#ifndef LB_ENGINE_SIMD_SIMD_H
#define LB_ENGINE_SIMD_SIMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__AVX512F__)
#include <immintrin.h>
#define LB_SIMD(name) lb_##name##_avx512
enum { LB_BLOCK = 16 };
typedef __m512 lb_vec;
#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#define LB_SIMD(name) lb_##name##_avx2
enum { LB_BLOCK = 8 };
typedef __m256 lb_vec;
#else
/* vectors are passed between inlined functions only: no calling convention is at stake */
#pragma GCC diagnostic ignored "-Wpsabi"
#define LB_SIMD(name) lb_##name##_base
enum { LB_BLOCK = 8 };
typedef float lb_vec __attribute__((vector_size(8 * sizeof(float))));
#endif

#define LB_INLINE static inline __attribute__((always_inline))

/* The same at any address of a float. */
typedef lb_vec lb_vec_loose __attribute__((aligned(4), may_alias));

LB_INLINE lb_vec lb_load(const float *p)
{
    return *(const lb_vec_loose *)p;
}

LB_INLINE void lb_store(float *p, lb_vec v)
{
    *(lb_vec_loose *)p = v;
}

/* Asks for the line that lies `ahead` floats behind p, which nobody has to own: values of
 * the forward pass have left the cache when the backward pass wants them, and the CPU's
 * own prefetching ends with each page. */
LB_INLINE void lb_fetch(const float *p, size_t ahead)
{
    __builtin_prefetch((const void *)((uintptr_t)p + ahead * sizeof *p));
}

LB_INLINE lb_vec lb_zero(void)
{
    return (lb_vec){0};
}

LB_INLINE lb_vec lb_splat(float x)
{
#if defined(__AVX512F__)
    return _mm512_set1_ps(x);
#elif defined(__AVX2__) && defined(__FMA__)
    return _mm256_set1_ps(x);
#else
    return (lb_vec){x, x, x, x, x, x, x, x};
#endif
}

/* Four floats, as often as they fit; and one of them, as often as it fits. Splats made so
 * spare the load ports. */
LB_INLINE lb_vec lb_quad(const float *p)
{
#if defined(__AVX512F__)
    return _mm512_broadcast_f32x4(_mm_loadu_ps(p));
#elif defined(__AVX2__) && defined(__FMA__)
    return _mm256_broadcast_ps((const __m128 *)(const void *)p);
#else
    return (lb_vec){p[0], p[1], p[2], p[3], p[0], p[1], p[2], p[3]};
#endif
}

LB_INLINE lb_vec lb_quad_third(lb_vec quad)
{
#if defined(__AVX512F__)
    return _mm512_permute_ps(quad, 0xAA);
#elif defined(__AVX2__) && defined(__FMA__)
    return _mm256_permute_ps(quad, 0xAA);
#else
    return lb_splat(quad[2]);
#endif
}

LB_INLINE lb_vec lb_quad_fourth(lb_vec quad)
{
#if defined(__AVX512F__)
    return _mm512_permute_ps(quad, 0xFF);
#elif defined(__AVX2__) && defined(__FMA__)
    return _mm256_permute_ps(quad, 0xFF);
#else
    return lb_splat(quad[3]);
#endif
}

/* a * b + c */
LB_INLINE lb_vec lb_fma(lb_vec a, lb_vec b, lb_vec c)
{
#if defined(__AVX512F__)
    return _mm512_fmadd_ps(a, b, c);
#elif defined(__AVX2__) && defined(__FMA__)
    return _mm256_fmadd_ps(a, b, c);
#else
    return a * b + c;
#endif
}

/* c - a * b */
LB_INLINE lb_vec lb_fnma(lb_vec a, lb_vec b, lb_vec c)
{
#if defined(__AVX512F__)
    return _mm512_fnmadd_ps(a, b, c);
#elif defined(__AVX2__) && defined(__FMA__)
    return _mm256_fnmadd_ps(a, b, c);
#else
    return c - a * b;
#endif
}

/* NaN in a gives b, as x86 has it: put the bound first to keep a NaN. */
LB_INLINE lb_vec lb_max(lb_vec a, lb_vec b)
{
#if defined(__AVX512F__)
    return _mm512_max_ps(a, b);
#elif defined(__AVX2__) && defined(__FMA__)
    return _mm256_max_ps(a, b);
#else
    lb_vec r = b;
    for (int i = 0; i < LB_BLOCK; i++)
        r[i] = a[i] > b[i] ? a[i] : b[i];
    return r;
#endif
}

LB_INLINE lb_vec lb_min(lb_vec a, lb_vec b)
{
#if defined(__AVX512F__)
    return _mm512_min_ps(a, b);
#elif defined(__AVX2__) && defined(__FMA__)
    return _mm256_min_ps(a, b);
#else
    lb_vec r = b;
    for (int i = 0; i < LB_BLOCK; i++)
        r[i] = a[i] < b[i] ? a[i] : b[i];
    return r;
#endif
}

/* v in the lanes where low < t < high, else 0. */
LB_INLINE lb_vec lb_inside(lb_vec t, lb_vec low, lb_vec high, lb_vec v)
{
#if defined(__AVX512F__)
    const __mmask16 above = _mm512_cmp_ps_mask(t, low, _CMP_GT_OQ);
    return _mm512_maskz_mov_ps(_mm512_mask_cmp_ps_mask(above, t, high, _CMP_LT_OQ), v);
#elif defined(__AVX2__) && defined(__FMA__)
    const __m256 above = _mm256_cmp_ps(t, low, _CMP_GT_OQ);
    const __m256 below = _mm256_cmp_ps(t, high, _CMP_LT_OQ);
    return _mm256_and_ps(_mm256_and_ps(above, below), v);
#else
    lb_vec r = v;
    for (int i = 0; i < LB_BLOCK; i++)
        r[i] = t[i] > low[i] && t[i] < high[i] ? v[i] : 0;
    return r;
#endif
}

#endif
