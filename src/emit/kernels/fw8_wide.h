/* fw8_wide.h: the sums of eight channels at a time, with AVX2 (and VNNI where there is)
 * or NEON (and its dot product where there is). What the kernels fw_wide_*.c share.
 *
 * Inputs lie in the scratch memory as units, weights in blocks of 8 channels by 4 inputs,
 * both as the instructions want them. */
#ifndef FW8_WIDE_H
#define FW8_WIDE_H

#include "fw8_ending.h"

#if FW8_WIDE

#include <string.h>

#if defined(__AVX2__) && \
    ((defined(__AVX512VNNI__) && defined(__AVX512VL__)) || defined(__AVXVNNI__))
#define FW8_VNNI 1
#else
#define FW8_VNNI 0
#endif
#if defined(__aarch64__) && defined(__ARM_FEATURE_DOTPROD)
#define FW8_NEON_DOT 1
#else
#define FW8_NEON_DOT 0
#endif

/* fw8_unit: an input. FW8_BLOCK: bytes of a block of weights. FW8_MANY: the
 * positions that fw8_dot_many computes, 4 or 8. */
#if FW8_VNNI
typedef uint8_t fw8_unit; /* the element, plus 128 */
enum { FW8_BLOCK = 32, FW8_MANY = 8 };
#elif defined(__AVX2__)
typedef int16_t fw8_unit;
enum { FW8_BLOCK = 64, FW8_MANY = 4 };
#elif FW8_NEON_DOT
typedef int8_t fw8_unit;
enum { FW8_BLOCK = 32, FW8_MANY = 8 };
#else
typedef int16_t fw8_unit;
enum { FW8_BLOCK = 64, FW8_MANY = 4 };
#endif

/* Where the inputs of one position lie: `rows` times `taps` runs of `fours` times four
 * units. The next position is `step` further. */
typedef struct fw8_walk {
    int rows, taps, fours;
    ptrdiff_t row, tap, step;
} fw8_walk;

/* Whether the positions of a column are computed one after the other, not those of a row:
 * fewer of them are left over, or computed twice, where `many` go at a time. */
static inline int fw8_goes_down(const fw8_shape *s, int many)
{
    const int down = s->out_h < many ? 4 * s->out_h : (s->out_h + many - 1) / many * many;
    const int along =
        s->out_w < many ? 4 * s->out_w : (s->out_w + many - 1) / many * many;

    return (int64_t)down * s->out_w < (int64_t)along * s->out_h;
}

/* Lines of positions: how many lines of how many positions, and how far apart they are,
 * in the output, and the lines in the units. */
typedef struct fw8_lines {
    int n, positions;
    ptrdiff_t next, next_line, next_units;
} fw8_lines;

/* right, down: units from one position to the next. */
static inline fw8_lines fw8_lines_of(const fw8_shape *s, int goes_down, ptrdiff_t right,
                                     ptrdiff_t down)
{
    const ptrdiff_t c = s->out_c;
    const fw8_lines rows = {s->out_h, s->out_w, c, s->out_w * c, down};
    const fw8_lines columns = {s->out_w, s->out_h, s->out_w * c, c, right};

    return goes_down ? columns : rows;
}

/* A map that is one column is taken for a row. */
static inline fw8_shape fw8_lying(const fw8_shape *s)
{
    fw8_shape t = *s;

    if (s->in_w != 1 || s->out_w != 1 || s->kernel_w != 1 || s->pad_left != 0)
        return t;
    t.in_w = s->in_h;
    t.out_w = s->out_h;
    t.kernel_w = s->kernel_h;
    t.stride_w = s->stride_h;
    t.dilation_w = s->dilation_h;
    t.pad_left = s->pad_top;
    t.in_h = t.out_h = t.kernel_h = t.stride_h = t.dilation_h = 1;
    t.pad_top = 0;
    return t;
}

/* ------------------------------------------------------------- inputs and weights */

/* n elements as units. */
static inline fw8_unit *fw8_bring(const int8_t *x, ptrdiff_t n, fw8_unit *to)
{
    ptrdiff_t i = 0;

#if FW8_VNNI
    for (; i + 32 <= n; i += 32)
        _mm256_storeu_si256(
            (__m256i *)(void *)(to + i),
            _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)(const void *)(x + i)),
                             _mm256_set1_epi8(-128)));
    for (; i < n; i++)
        to[i] = (uint8_t)(x[i] + 128);
#elif defined(__AVX2__)
    for (; i + 16 <= n; i += 16)
        _mm256_storeu_si256((__m256i *)(void *)(to + i),
                            _mm256_cvtepi8_epi16(
                                _mm_loadu_si128((const __m128i *)(const void *)(x + i))));
#elif FW8_NEON_DOT
    memcpy(to, x, (size_t)n);
    return to + n;
#else
    for (; i + 8 <= n; i += 8)
        vst1q_s16(to + i, vmovl_s8(vld1_s8(x + i)));
#endif
#if !FW8_VNNI
    for (; i < n; i++)
        to[i] = x[i];
#endif
    return to + n;
}

static inline fw8_unit *fw8_bring_all(int value, ptrdiff_t n, fw8_unit *to)
{
#if FW8_VNNI
    value += 128;
#endif
    while (n-- > 0)
        *to++ = (fw8_unit)value;
    return to;
}

#if FW8_VNNI
static inline __m256i fw8_four_units(const uint8_t *x)
{
    int32_t v;

    memcpy(&v, x, 4);
    return _mm256_set1_epi32(v);
}

static inline __m256i fw8_multiply(__m256i sum, __m256i x, __m256i weight)
{
#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
    return _mm256_dpbusd_epi32(sum, x, weight);
#else
    return _mm256_dpbusd_avx_epi32(sum, x, weight);
#endif
}
#endif

/* What the units make the sums of eight channels too large by; n blocks. */
static inline fw8_eight fw8_excess(const int8_t *weight, ptrdiff_t n)
{
#if FW8_VNNI
    const __m256i *w = (const __m256i *)(const void *)weight;
    const __m256i most = _mm256_set1_epi8(-128); /* 128 without a sign */
    __m256i sum = _mm256_setzero_si256();

    for (; n > 0; n--, w++)
        sum = fw8_multiply(sum, most, _mm256_loadu_si256(w));
    return sum;
#else
    (void)weight;
    (void)n;
    return fw8_all(0);
#endif
}

/* Sixteen weights in the order FW8_PAIRS as a0..a3 b0..b3 c0..c3 d0..d3. */
static inline void fw8_unpair(const int8_t *pairs, int8_t *fours)
{
#if defined(__AVX2__)
    const __m128i order =
        _mm_setr_epi8(0, 8, 2, 10, 1, 9, 3, 11, 4, 12, 6, 14, 5, 13, 7, 15);

    _mm_storeu_si128(
        (__m128i *)(void *)fours,
        _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)pairs), order));
#else
    static const uint8_t order[] = {0, 8, 2, 10, 1, 9, 3, 11, 4, 12, 6, 14, 5, 13, 7, 15};

    vst1q_s8(fours, vqtbl1q_s8(vld1q_s8(pairs), vld1q_u8(order)));
#endif
}

/* A block from eight channels of four weights each. */
static inline void fw8_put_block(const int8_t *fours, int8_t *to)
{
#if FW8_VNNI || FW8_NEON_DOT
    memcpy(to, fours, 32);
#elif defined(__AVX2__)
    const __m128i *const from = (const __m128i *)(const void *)fours;
    __m256i *const block = (__m256i *)(void *)to;

    _mm256_storeu_si256(block, _mm256_cvtepi8_epi16(_mm_loadu_si128(from)));
    _mm256_storeu_si256(block + 1, _mm256_cvtepi8_epi16(_mm_loadu_si128(from + 1)));
#else
    /* by input: eight int16 each */
    static const uint8_t order[] = {0,  4,  8,  12, 16, 20, 24, 28, 1,  5,  9,
                                    13, 17, 21, 25, 29, 2,  6,  10, 14, 18, 22,
                                    26, 30, 3,  7,  11, 15, 19, 23, 27, 31};
    int16_t *const block = (int16_t *)(void *)to;
    int8x16x2_t both;
    int i;

    both.val[0] = vld1q_s8(fours);
    both.val[1] = vld1q_s8(fours + 16);
    for (i = 0; i < 4; i++)
        vst1q_s16(block + 8 * i, vmovl_s8(vqtbl2_s8(both, vld1_u8(order + 8 * i))));
#endif
}

/* --------------------------------------------------------------------------- sums */

#if FW8_VNNI

/* The sums of eight channels at FW8_MANY positions. */
static inline void fw8_dot_many(const fw8_walk *v, const fw8_unit *x,
                                const int8_t *weight, fw8_eight *sum)
{
    const __m256i *w = (const __m256i *)(const void *)weight;
    const ptrdiff_t step = v->step;
    __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a, e = a, f = a, g = a, h = a;
    int i, j, k;

    for (i = 0; i < v->rows; i++)
        for (j = 0; j < v->taps; j++) {
            const uint8_t *p = x + i * v->row + j * v->tap, *q = p + 4 * step;
            for (k = v->fours; k > 0; k--, p += 4, q += 4, w++) {
                const __m256i u = _mm256_loadu_si256(w);
                a = fw8_multiply(a, fw8_four_units(p), u);
                b = fw8_multiply(b, fw8_four_units(p + step), u);
                c = fw8_multiply(c, fw8_four_units(p + 2 * step), u);
                d = fw8_multiply(d, fw8_four_units(p + 3 * step), u);
                e = fw8_multiply(e, fw8_four_units(q), u);
                f = fw8_multiply(f, fw8_four_units(q + step), u);
                g = fw8_multiply(g, fw8_four_units(q + 2 * step), u);
                h = fw8_multiply(h, fw8_four_units(q + 3 * step), u);
            }
        }
    sum[0] = a;
    sum[1] = b;
    sum[2] = c;
    sum[3] = d;
    sum[4] = e;
    sum[5] = f;
    sum[6] = g;
    sum[7] = h;
}

/* At one position. */
static inline fw8_eight fw8_dot_one(const fw8_walk *v, const fw8_unit *x,
                                    const int8_t *weight)
{
    const __m256i *w = (const __m256i *)(const void *)weight;
    __m256i a = _mm256_setzero_si256();
    int i, j, k;

    for (i = 0; i < v->rows; i++)
        for (j = 0; j < v->taps; j++) {
            const uint8_t *p = x + i * v->row + j * v->tap;
            for (k = v->fours; k > 0; k--, p += 4, w++)
                a = fw8_multiply(a, fw8_four_units(p), _mm256_loadu_si256(w));
        }
    return a;
}

#elif defined(__AVX2__)

/* In a register: it is used more than once, and loads are what there are too many of. */
static inline __m256i fw8_kept(__m256i v)
{
    __asm__("" : "+x"(v));
    return v;
}

/* Four units in each half of the register. */
static inline __m256i fw8_four_units(const int16_t *x)
{
    int64_t v;

    memcpy(&v, x, 8);
    return _mm256_set1_epi64x(v);
}

static inline __m256i fw8_multiply(__m256i sum, __m256i x, __m256i weight)
{
    return _mm256_add_epi32(sum, _mm256_madd_epi16(x, weight));
}

/* Each channel's two partial sums together: of channels 0..3 and of 4..7. */
static inline __m256i fw8_join(__m256i low, __m256i high)
{
    return _mm256_permute4x64_epi64(_mm256_hadd_epi32(low, high), 0xd8);
}

static inline void fw8_dot_many(const fw8_walk *v, const fw8_unit *x,
                                const int8_t *weight, fw8_eight *sum)
{
    const __m256i *w = (const __m256i *)(const void *)weight;
    const ptrdiff_t step = v->step;
    __m256i a0 = _mm256_setzero_si256(), b0 = a0, c0 = a0, d0 = a0;
    __m256i a1 = a0, b1 = a0, c1 = a0, d1 = a0;
    int i, j, k;

    for (i = 0; i < v->rows; i++)
        for (j = 0; j < v->taps; j++) {
            const int16_t *p = x + i * v->row + j * v->tap;
            for (k = v->fours; k > 0; k--, p += 4, w += 2) {
                const __m256i u0 = fw8_kept(_mm256_loadu_si256(w));
                const __m256i u1 = fw8_kept(_mm256_loadu_si256(w + 1));
                const __m256i pa = fw8_four_units(p);
                const __m256i pb = fw8_four_units(p + step);
                const __m256i pc = fw8_four_units(p + 2 * step);
                const __m256i pd = fw8_four_units(p + 3 * step);
                a0 = fw8_multiply(a0, pa, u0);
                a1 = fw8_multiply(a1, pa, u1);
                b0 = fw8_multiply(b0, pb, u0);
                b1 = fw8_multiply(b1, pb, u1);
                c0 = fw8_multiply(c0, pc, u0);
                c1 = fw8_multiply(c1, pc, u1);
                d0 = fw8_multiply(d0, pd, u0);
                d1 = fw8_multiply(d1, pd, u1);
            }
        }
    sum[0] = fw8_join(a0, a1);
    sum[1] = fw8_join(b0, b1);
    sum[2] = fw8_join(c0, c1);
    sum[3] = fw8_join(d0, d1);
}

static inline fw8_eight fw8_dot_one(const fw8_walk *v, const fw8_unit *x,
                                    const int8_t *weight)
{
    const __m256i *w = (const __m256i *)(const void *)weight;
    __m256i a = _mm256_setzero_si256(), b = a;
    int i, j, k;

    for (i = 0; i < v->rows; i++)
        for (j = 0; j < v->taps; j++) {
            const int16_t *p = x + i * v->row + j * v->tap;
            for (k = v->fours; k > 0; k--, p += 4, w += 2) {
                const __m256i units = fw8_four_units(p);
                a = fw8_multiply(a, units, _mm256_loadu_si256(w));
                b = fw8_multiply(b, units, _mm256_loadu_si256(w + 1));
            }
        }
    return fw8_join(a, b);
}

#elif FW8_NEON_DOT

static inline int8x16_t fw8_four_units(const int8_t *x)
{
    int32_t v;

    memcpy(&v, x, 4);
    return vreinterpretq_s8_s32(vdupq_n_s32(v));
}

static inline void fw8_dot_many(const fw8_walk *v, const fw8_unit *x,
                                const int8_t *weight, fw8_eight *sum)
{
    const ptrdiff_t step = v->step;
    int i, j, k, p;

    for (p = 0; p < FW8_MANY; p++)
        sum[p] = fw8_all(0);
    for (i = 0; i < v->rows; i++)
        for (j = 0; j < v->taps; j++) {
            const int8_t *at = x + i * v->row + j * v->tap;
            for (k = v->fours; k > 0; k--, at += 4, weight += FW8_BLOCK) {
                const int8x16_t low = vld1q_s8(weight), high = vld1q_s8(weight + 16);
                for (p = 0; p < FW8_MANY; p++) {
                    const int8x16_t units = fw8_four_units(at + p * step);
                    sum[p].val[0] = vdotq_s32(sum[p].val[0], low, units);
                    sum[p].val[1] = vdotq_s32(sum[p].val[1], high, units);
                }
            }
        }
}

static inline fw8_eight fw8_dot_one(const fw8_walk *v, const fw8_unit *x,
                                    const int8_t *weight)
{
    fw8_eight sum = fw8_all(0);
    int i, j, k;

    for (i = 0; i < v->rows; i++)
        for (j = 0; j < v->taps; j++) {
            const int8_t *at = x + i * v->row + j * v->tap;
            for (k = v->fours; k > 0; k--, at += 4, weight += FW8_BLOCK) {
                const int8x16_t units = fw8_four_units(at);
                sum.val[0] = vdotq_s32(sum.val[0], vld1q_s8(weight), units);
                sum.val[1] = vdotq_s32(sum.val[1], vld1q_s8(weight + 16), units);
            }
        }
    return sum;
}

#else

/* Four units of one position by a block. */
static inline fw8_eight fw8_multiply(fw8_eight sum, int16x4_t x, const int16x8_t w[4])
{
    sum.val[0] = vmlal_lane_s16(sum.val[0], vget_low_s16(w[0]), x, 0);
    sum.val[1] = vmlal_high_lane_s16(sum.val[1], w[0], x, 0);
    sum.val[0] = vmlal_lane_s16(sum.val[0], vget_low_s16(w[1]), x, 1);
    sum.val[1] = vmlal_high_lane_s16(sum.val[1], w[1], x, 1);
    sum.val[0] = vmlal_lane_s16(sum.val[0], vget_low_s16(w[2]), x, 2);
    sum.val[1] = vmlal_high_lane_s16(sum.val[1], w[2], x, 2);
    sum.val[0] = vmlal_lane_s16(sum.val[0], vget_low_s16(w[3]), x, 3);
    sum.val[1] = vmlal_high_lane_s16(sum.val[1], w[3], x, 3);
    return sum;
}

static inline void fw8_dot_many(const fw8_walk *v, const fw8_unit *x,
                                const int8_t *weight, fw8_eight *sum)
{
    const int16_t *w = (const int16_t *)(const void *)weight;
    const ptrdiff_t step = v->step;
    fw8_eight a = fw8_all(0), b = a, c = a, d = a;
    int i, j, k;

    for (i = 0; i < v->rows; i++)
        for (j = 0; j < v->taps; j++) {
            const int16_t *p = x + i * v->row + j * v->tap;
            for (k = v->fours; k > 0; k--, p += 4, w += 32) {
                const int16x8_t u[4] = {vld1q_s16(w), vld1q_s16(w + 8), vld1q_s16(w + 16),
                                        vld1q_s16(w + 24)};
                a = fw8_multiply(a, vld1_s16(p), u);
                b = fw8_multiply(b, vld1_s16(p + step), u);
                c = fw8_multiply(c, vld1_s16(p + 2 * step), u);
                d = fw8_multiply(d, vld1_s16(p + 3 * step), u);
            }
        }
    sum[0] = a;
    sum[1] = b;
    sum[2] = c;
    sum[3] = d;
}

static inline fw8_eight fw8_dot_one(const fw8_walk *v, const fw8_unit *x,
                                    const int8_t *weight)
{
    const int16_t *w = (const int16_t *)(const void *)weight;
    fw8_eight a = fw8_all(0);
    int i, j, k;

    for (i = 0; i < v->rows; i++)
        for (j = 0; j < v->taps; j++) {
            const int16_t *p = x + i * v->row + j * v->tap;
            for (k = v->fours; k > 0; k--, p += 4, w += 32) {
                const int16x8_t u[4] = {vld1q_s16(w), vld1q_s16(w + 8), vld1q_s16(w + 16),
                                        vld1q_s16(w + 24)};
                a = fw8_multiply(a, vld1_s16(p), u);
            }
        }
    return a;
}

#endif

/* The sums of eight channels at one position, from weights in the order FW8_PAIRS, n
 * times four inputs; those of channels 4 to 7 are `apart` further. */
static inline fw8_eight fw8_dot_pairs(const fw8_unit *x, const int8_t *weight,
                                      ptrdiff_t apart, ptrdiff_t n)
{
#if defined(__AVX2__) && !FW8_VNNI
    const __m128i order =
        _mm_setr_epi8(0, 8, 2, 10, 1, 9, 3, 11, 4, 12, 6, 14, 5, 13, 7, 15);
    __m256i a = _mm256_setzero_si256(), b = a;

    for (; n > 0; n--, x += 4, weight += 16) {
        const __m128i *const low = (const __m128i *)(const void *)weight;
        const __m128i *const high = (const __m128i *)(const void *)(weight + apart);
        const __m256i units = fw8_four_units(x);
        a = fw8_multiply(
            a, units,
            _mm256_cvtepi8_epi16(_mm_shuffle_epi8(_mm_loadu_si128(low), order)));
        b = fw8_multiply(
            b, units,
            _mm256_cvtepi8_epi16(_mm_shuffle_epi8(_mm_loadu_si128(high), order)));
    }
    return fw8_join(a, b);
#elif FW8_VNNI
    const __m256i most = _mm256_set1_epi8(-128); /* as in fw8_excess */
    const __m256i order = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 8, 2, 10, 1, 9, 3, 11, 4, 12, 6, 14, 5, 13, 7, 15));
    __m256i sum = _mm256_setzero_si256(), excess = sum;

    for (; n > 0; n--, x += 4, weight += 16) {
        const __m128i *const low = (const __m128i *)(const void *)weight;
        const __m128i *const high = (const __m128i *)(const void *)(weight + apart);
        const __m256i pairs = _mm256_inserti128_si256(
            _mm256_castsi128_si256(_mm_loadu_si128(low)), _mm_loadu_si128(high), 1);
        const __m256i w = _mm256_shuffle_epi8(pairs, order);
        sum = fw8_multiply(sum, fw8_four_units(x), w);
        excess = fw8_multiply(excess, most, w);
    }
    return fw8_minus(sum, excess);
#else
    const fw8_walk walk = {1, 1, 1, 0, 0, 0};
    fw8_eight sum = fw8_all(0);
    int8_t fours[32], block[FW8_BLOCK];

    for (; n > 0; n--, x += 4, weight += 16) {
        fw8_unpair(weight, fours);
        fw8_unpair(weight + apart, fours + 16);
        fw8_put_block(fours, block);
        sum = fw8_plus(sum, fw8_dot_one(&walk, x, block));
    }
    return sum;
#endif
}

/* Depthwise: eight units (AVX2: of two taps) times as many weights. */
static inline fw8_eight fw8_deep_multiply(fw8_eight sum, const int16_t *x,
                                          const int16_t *weight)
{
#if defined(__AVX2__)
    return _mm256_add_epi32(
        sum,
        _mm256_madd_epi16(_mm256_loadu_si256((const __m256i *)(const void *)x),
                          _mm256_loadu_si256((const __m256i *)(const void *)weight)));
#else
    const int16x8_t a = vld1q_s16(x), b = vld1q_s16(weight);

    return fw8_both(vmlal_s16(sum.val[0], vget_low_s16(a), vget_low_s16(b)),
                    vmlal_high_s16(sum.val[1], a, b));
#endif
}

#endif
#endif
