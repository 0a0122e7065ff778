/* fw8_eight.h: eight int32 at a time, with AVX2 or AArch64's NEON. */
#ifndef FW8_EIGHT_H
#define FW8_EIGHT_H

#include "fw8.h"

#if FW8_WIDE

#include <stddef.h>

#if defined(__AVX2__)
#include <immintrin.h>
typedef __m256i fw8_eight; /* int32 */

static inline fw8_eight fw8_all(int32_t v)
{
    return _mm256_set1_epi32(v);
}

static inline fw8_eight fw8_load(const int32_t *from)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)from);
}

static inline void fw8_save(int32_t *to, fw8_eight v)
{
    _mm256_storeu_si256((__m256i *)(void *)to, v);
}

/* Eight int8. */
static inline fw8_eight fw8_load_bytes(const int8_t *from)
{
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)from));
}

static inline fw8_eight fw8_plus(fw8_eight a, fw8_eight b)
{
    return _mm256_add_epi32(a, b);
}

static inline fw8_eight fw8_minus(fw8_eight a, fw8_eight b)
{
    return _mm256_sub_epi32(a, b);
}

static inline fw8_eight fw8_times(fw8_eight a, fw8_eight b)
{
    return _mm256_mullo_epi32(a, b);
}

static inline fw8_eight fw8_most(fw8_eight a, fw8_eight b)
{
    return _mm256_max_epi32(a, b);
}

static inline fw8_eight fw8_within(fw8_eight v, fw8_eight low, fw8_eight high)
{
    return _mm256_min_epi32(_mm256_max_epi32(v, low), high);
}

/* Right, by 0 to 31, of each its own. */
static inline fw8_eight fw8_shifted(fw8_eight v, fw8_eight shift)
{
    return _mm256_srav_epi32(v, shift);
}

/* fw8_scale; no shift may be below 0. */
static inline fw8_eight fw8_scale_eight(fw8_eight v, fw8_eight factor, fw8_eight shift,
                                        fw8_eight zero)
{
    const __m256i even = _mm256_mul_epi32(v, factor);
    const __m256i odd =
        _mm256_mul_epi32(_mm256_srli_epi64(v, 32), _mm256_srli_epi64(factor, 32));
#if FW8_TFLITE
    const __m256i half = _mm256_set1_epi64x((int64_t)1 << 30), one = fw8_all(1);
    const __m256i high =
        _mm256_blend_epi32(_mm256_srli_epi64(_mm256_add_epi64(even, half), 31),
                           _mm256_slli_epi64(_mm256_add_epi64(odd, half), 1), 0xaa);
    const __m256i is_shifted = _mm256_cmpgt_epi32(shift, _mm256_setzero_si256());
    const __m256i below = _mm256_and_si256(_mm256_srai_epi32(high, 31), is_shifted);
    /* a count of -1 gives 0 */
    const __m256i round = _mm256_sllv_epi32(one, _mm256_sub_epi32(shift, one));
    return fw8_plus(_mm256_srav_epi32(fw8_plus(fw8_plus(high, below), round), shift),
                    zero);
#else
    const __m256i high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
    const __m256i twice = fw8_plus(fw8_plus(zero, zero), fw8_all(1));
    return _mm256_srai_epi32(fw8_plus(_mm256_srav_epi32(high, shift), twice), 1);
#endif
}

/* Four times eight int8, clamped, `stride` apart. */
static inline void fw8_save_four(const fw8_eight v[4], int low_end, int high_end,
                                 ptrdiff_t stride, int8_t *to)
{
    const __m256i ends = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m256i words = _mm256_packs_epi16(_mm256_packs_epi32(v[0], v[1]),
                                             _mm256_packs_epi32(v[2], v[3]));
    const __m256i bytes = _mm256_permutevar8x32_epi32(
        _mm256_min_epi8(_mm256_max_epi8(words, _mm256_set1_epi8((char)low_end)),
                        _mm256_set1_epi8((char)high_end)),
        ends);
    const __m128i low = _mm256_castsi256_si128(bytes);
    const __m128i high = _mm256_extracti128_si256(bytes, 1);

    _mm_storel_epi64((__m128i *)(void *)to, low);
    _mm_storeh_pd((double *)(void *)(to + stride), _mm_castsi128_pd(low));
    _mm_storel_epi64((__m128i *)(void *)(to + 2 * stride), high);
    _mm_storeh_pd((double *)(void *)(to + 3 * stride), _mm_castsi128_pd(high));
}

#else

#include <arm_neon.h>
typedef int32x4x2_t fw8_eight;

static inline fw8_eight fw8_both(int32x4_t a, int32x4_t b)
{
    fw8_eight v;

    v.val[0] = a;
    v.val[1] = b;
    return v;
}

static inline fw8_eight fw8_all(int32_t v)
{
    return fw8_both(vdupq_n_s32(v), vdupq_n_s32(v));
}

static inline fw8_eight fw8_load(const int32_t *from)
{
    return fw8_both(vld1q_s32(from), vld1q_s32(from + 4));
}

static inline void fw8_save(int32_t *to, fw8_eight v)
{
    vst1q_s32(to, v.val[0]);
    vst1q_s32(to + 4, v.val[1]);
}

static inline fw8_eight fw8_load_bytes(const int8_t *from)
{
    const int16x8_t v = vmovl_s8(vld1_s8(from));

    return fw8_both(vmovl_s16(vget_low_s16(v)), vmovl_s16(vget_high_s16(v)));
}

static inline fw8_eight fw8_plus(fw8_eight a, fw8_eight b)
{
    return fw8_both(vaddq_s32(a.val[0], b.val[0]), vaddq_s32(a.val[1], b.val[1]));
}

static inline fw8_eight fw8_minus(fw8_eight a, fw8_eight b)
{
    return fw8_both(vsubq_s32(a.val[0], b.val[0]), vsubq_s32(a.val[1], b.val[1]));
}

static inline fw8_eight fw8_times(fw8_eight a, fw8_eight b)
{
    return fw8_both(vmulq_s32(a.val[0], b.val[0]), vmulq_s32(a.val[1], b.val[1]));
}

static inline fw8_eight fw8_most(fw8_eight a, fw8_eight b)
{
    return fw8_both(vmaxq_s32(a.val[0], b.val[0]), vmaxq_s32(a.val[1], b.val[1]));
}

static inline fw8_eight fw8_within(fw8_eight v, fw8_eight low, fw8_eight high)
{
    return fw8_both(vminq_s32(vmaxq_s32(v.val[0], low.val[0]), high.val[0]),
                    vminq_s32(vmaxq_s32(v.val[1], low.val[1]), high.val[1]));
}

static inline fw8_eight fw8_shifted(fw8_eight v, fw8_eight shift)
{
    return fw8_both(vshlq_s32(v.val[0], vnegq_s32(shift.val[0])),
                    vshlq_s32(v.val[1], vnegq_s32(shift.val[1])));
}

static inline int32x4_t fw8_scale_four(int32x4_t v, int32x4_t factor, int32x4_t shift,
                                       int32x4_t zero)
{
    const int64x2_t low = vmull_s32(vget_low_s32(v), vget_low_s32(factor));
    const int64x2_t top = vmull_high_s32(v, factor);
    const int32x4_t down = vnegq_s32(shift);
#if FW8_TFLITE
    /* rounded half up; then half away from zero, where anything is shifted out */
    const int32x4_t high = vrshrn_high_n_s64(vrshrn_n_s64(low, 31), top, 31);
    const int32x4_t below =
        vandq_s32(vshrq_n_s32(high, 31), vreinterpretq_s32_u32(vcltzq_s32(down)));
    return vaddq_s32(vrshlq_s32(vaddq_s32(high, below), down), zero);
#else
    const int32x4_t high = vshrn_high_n_s64(vshrn_n_s64(low, 32), top, 32);
    return vaddq_s32(vrshrq_n_s32(vshlq_s32(high, down), 1), zero);
#endif
}

static inline fw8_eight fw8_scale_eight(fw8_eight v, fw8_eight factor, fw8_eight shift,
                                        fw8_eight zero)
{
    return fw8_both(fw8_scale_four(v.val[0], factor.val[0], shift.val[0], zero.val[0]),
                    fw8_scale_four(v.val[1], factor.val[1], shift.val[1], zero.val[1]));
}

static inline void fw8_save_four(const fw8_eight v[4], int low_end, int high_end,
                                 ptrdiff_t stride, int8_t *to)
{
    const int8x8_t low = vdup_n_s8((int8_t)low_end), high = vdup_n_s8((int8_t)high_end);
    int i;

    for (i = 0; i < 4; i++) {
        const int16x8_t words =
            vcombine_s16(vqmovn_s32(v[i].val[0]), vqmovn_s32(v[i].val[1]));
        vst1_s8(to + i * stride, vmin_s8(vmax_s8(vqmovn_s16(words), low), high));
    }
}

#endif

#endif
#endif
