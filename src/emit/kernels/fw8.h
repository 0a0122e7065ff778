/* fw8.h: the int8 kernels of a network that limbeck has emitted. C99, no memory of their
 * own; int32 sums; shifts of negative numbers are taken to be arithmetic.
 *
 * An element q stands for scale * (q - zero). Maps lie channels-last: element (h, w, c)
 * is at (h * width + w) * channels + c. Zero points of inputs are folded into the biases,
 * so padding is filled with the zero point. */
#ifndef FW8_H
#define FW8_H

#include "fw8_rounding.h"

#include <stdint.h>

#if defined(__GNUC__)
#define FW8_ALIGNED __attribute__((aligned(8)))
#else
#define FW8_ALIGNED
#endif

/* The instruction set that is used, by the compiler's own macros: other ways to the same
 * bytes. Decided here alone; -DFW8_PLAIN: none, C for every processor.
 *
 * FW8_DSP: the DSP instructions of Cortex-M4, M7, M33 and later, within the common files.
 * FW8_MVE: the vectors of Cortex-M52, M55 and M85 (Helium), in files of their own.
 * FW8_WIDE: AVX2 or AArch64's NEON, in files fw_wide_*.c; see fw8_wide.h. They work in a
 * scratch memory of their own, for which NAME.c has room outside the arena.
 * FW8_PACKED: processors that multiply 32 bits by 32 and keep 32: two inputs in one word,
 * in files fw_packed_*.c; FW8_V6M (Cortex-M0, M0+, M23) and FW8_V7M (M3) in assembly,
 * 32-bit RISC-V in C.
 *
 * A set may have kernels of its own, in files fw_SET_*.c; FW8_OWN_... says which, and the
 * common files leave those out. It may have its own order of the weights: FW8_ORDER,
 * which chooses among the arrays of NAME_weights.h. */
#if defined(__GNUC__) && !defined(FW8_PLAIN)
#if defined(__ARM_FEATURE_MVE) && !defined(__ARM_BIG_ENDIAN)
#define FW8_MVE 1
#include <arm_mve.h>
#endif
#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__) && !defined(__ARM_BIG_ENDIAN)
#define FW8_DSP 1
#include <string.h>
#elif defined(__AVX2__) || \
    (defined(__aarch64__) && defined(__ARM_NEON) && !defined(__ARM_BIG_ENDIAN))
#define FW8_WIDE 1
#elif defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M' && \
    !defined(__ARM_BIG_ENDIAN)
#define FW8_PACKED 1
#if defined(__thumb2__)
#define FW8_V7M 1
#else
#define FW8_V6M 1
#endif
#elif defined(__riscv_mul) && __riscv_xlen == 32
#define FW8_PACKED 1
#endif
#endif
#ifndef FW8_MVE
#define FW8_MVE 0
#endif
#ifndef FW8_DSP
#define FW8_DSP 0
#endif
#ifndef FW8_WIDE
#define FW8_WIDE 0
#endif
#ifndef FW8_PACKED
#define FW8_PACKED 0
#endif
#ifndef FW8_V6M
#define FW8_V6M 0
#endif
#ifndef FW8_V7M
#define FW8_V7M 0
#endif

#define FW8_OWN_DOT (FW8_MVE || FW8_WIDE) /* fw8_conv, fw8_pointwise, fw8_dense */
#define FW8_OWN_RUN FW8_PACKED            /* fw8_widen, fw8_run */
#define FW8_OWN_DEPTHWISE FW8_WIDE        /* fw8_depthwise; of FW8_MVE see there */
#define FW8_OWN_ELEMENTWISE FW8_WIDE      /* fw8_add */

#define FW8_PAIRS 0 /* see fw8_layer */
#define FW8_ROWS 1
#if FW8_MVE
#define FW8_ORDER FW8_ROWS
#define FW8_INPUTS 16 /* of a block */
#else
#define FW8_ORDER FW8_PAIRS
#define FW8_INPUTS 4
#endif

#if defined(__GNUC__)
/* A function of nothing but assembly, of which the compiler must not draw conclusions. */
#if defined(__clang__)
#define FW8_ASSEMBLY __attribute__((naked, noinline))
#else
#define FW8_ASSEMBLY __attribute__((naked, noinline, noipa))
#endif
#define FW8_UNUSED __attribute__((unused)) /* assembly reads it */
#define FW8_UNIFIED ".syntax unified\n"    /* gcc wants to be told for ARMv6-M */
#endif

typedef struct fw8_shape {
    int in_h, in_w, in_c, out_h, out_w, out_c;
    int kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
    int pad_top, pad_left, pad_bottom, pad_right;
    int fill; /* what stands in the padding */
} fw8_shape;

/* From an int32 sum to int8: clamp(round(sum * factor) + zero). One factor for each
 * channel, of which factor[] has the leading 31 bits and shift[] the exponent: the value
 * is q / 2^(33 + shift), by the double rounding q / 2^(31 + shift). */
typedef struct fw8_grid {
    const int32_t *factor;
    const int8_t *shift;
    int zero, low, high;
} fw8_grid;

/* y = a + b, elements on three grids. */
typedef struct fw8_sum {
#if FW8_TFLITE
    int zero_a, zero_b;
    int32_t factor_a, factor_b, factor_y; /* as in fw8_grid */
    int shift_a, shift_b, shift_y;
#else
    int32_t factor_a, factor_b, offset; /* offset: half, and the zero points of a and b */
    int shift;
#endif
    int zero, low, high;
} fw8_sum;

/* A convolution or dense layer. Its channels come in groups of four; weight, bias and the
 * grid's arrays are filled up with zeros to whole groups.
 *
 * weight of all but depthwise, in the order FW8_ORDER. FW8_PAIRS: for each group, for
 * every four inputs k0..k3 (taps by row and column, in each its channels; filled up with
 * zeros), the channels a..d as a0 b0 a2 b2  c0 d0 c2 d2  a1 b1 a3 b3  c1 d1 c3 d3.
 * FW8_ROWS: for each group, for every sixteen inputs (filled up), those of a, b, c and d.
 * Depthwise, in every order: [group][tap][channel].
 */
typedef struct fw8_layer {
    const int8_t *weight;
    const int32_t *bias;
    fw8_grid grid;           /* of the sum */
    int8_t flat;             /* no shift is below 0 */
    int8_t plain;            /* flat, single rounding, low..high is -128..127 */
    int8_t paired;           /* no weight is -128: two products make an int16 */
    const fw8_sum *residual; /* the sum's int8, as a, and the residual; or NULL */
} fw8_layer;

/* z: the residual, like y, or NULL; y may be z. scratch: 4-byte aligned. */

/* scratch: 4 K bytes, K = kernel_h * kernel_w * in_c rounded up to 4; then, if in_c is a
 * multiple of 4, in_c bytes, otherwise 2 K. FW8_MVE: 2 K, K rounded up to 16. y may reach
 * into x if no row of it reaches rows of x that it or a later one needs. */
void fw8_conv(const fw8_shape *s, const fw8_layer *l, const int8_t *x, const int8_t *z,
              void *scratch, int8_t *y);
/* Kernel 1x1, stride 1, no padding. scratch: 4 K bytes, K = in_c rounded up to 4.
 * FW8_MVE: 2 K, K rounded up to 16. y may begin where x begins if out_c <= in_c, and end
 * where x ends if out_c >= in_c. */
void fw8_pointwise(const fw8_shape *s, const fw8_layer *l, const int8_t *x,
                   const int8_t *z, void *scratch, int8_t *y);
/* scratch: 8 bytes for each tap, then ((kernel_h - 1) * dilation_h + 1) rows of
 * (out_w - 1) * stride_w + (kernel_w - 1) * dilation_w + 1 times 8 bytes. y may begin
 * where x begins if no row of y reaches rows of x that the next row of y still needs. */
void fw8_depthwise(const fw8_shape *s, const fw8_layer *l, const int8_t *x,
                   const int8_t *z, void *scratch, int8_t *y);
#if FW8_MVE /* which has the usual cases itself */
void fw8_depthwise_common(const fw8_shape *s, const fw8_layer *l, const int8_t *x,
                          const int8_t *z, void *scratch, int8_t *y);
#endif
/* scratch: 2 K bytes, K = the inputs rounded up to 4. FW8_MVE: K, rounded up to 16. */
void fw8_dense(const fw8_shape *s, const fw8_layer *l, const int8_t *x, void *scratch,
               int8_t *y);
/* The same for weights of 4 bits, two to a byte; that of l is not looked at. packed: as
 * weight, but each group filled up to eights: of w0..w7 the bytes w0 w4,
 * w1 w5, w2 w6, w3 w7, the first of each in the low half. They are unpacked as 16 times
 * what they are, which the bias and the factors of l take into account, so that sums are
 * as large as those of whole bytes; by the double rounding as they are. tile: channels
 * that are unpacked at once, whole groups; of depthwise all.
 *
 * room: 4-byte aligned, for the weights of a tile in bytes. If a tile is not all, there
 * are then, rounded up to 4 each, of a convolution the tile's results of a row; of a
 * pointwise layer those of FW8_POSITIONS positions, and their inputs; of a dense layer
 * all results. scratch: as the kernel above wants it. */
enum { FW8_POSITIONS = 16 };
void fw8_conv4(const fw8_shape *s, const fw8_layer *l, const int8_t *packed, int tile,
               const int8_t *x, const int8_t *z, void *room, void *scratch, int8_t *y);
void fw8_pointwise4(const fw8_shape *s, const fw8_layer *l, const int8_t *packed,
                    int tile, const int8_t *x, const int8_t *z, void *room, void *scratch,
                    int8_t *y);
void fw8_depthwise4(const fw8_shape *s, const fw8_layer *l, const int8_t *packed,
                    int tile, const int8_t *x, const int8_t *z, void *room, void *scratch,
                    int8_t *y);
void fw8_dense4(const fw8_shape *s, const fw8_layer *l, const int8_t *packed, int tile,
                const int8_t *x, void *room, void *scratch, int8_t *y);

/* The window's largest element; both grids are one. Clamped to low..high. */
void fw8_max_pool(const fw8_shape *s, int low, int high, const int8_t *x, int8_t *y);
/* grid: one factor, of a sum over the window, its padding included; or (by_taps) one for
 * each number of taps inside the input, from 1 on. By the double rounding: whole numbers
 * are divided, ties away from zero, and the factors are not looked at. */
void fw8_average_pool(const fw8_shape *s, const fw8_grid *grid, int by_taps, int zero_x,
                      const int8_t *x, int8_t *y);
/* Element by element, n of them; y may be an input. */
void fw8_add(const fw8_sum *sum, int n, const int8_t *a, const int8_t *b, int8_t *y);
void fw8_activation(const fw8_grid *grid, int zero_x, int n, const int8_t *x, int8_t *y);
/* s->fill stands around x. */
void fw8_pad(const fw8_shape *s, const int8_t *x, int8_t *y);
/* in_c channels of x become the channels of y from first on; grid: NULL if x is on the
 * grid of y already. */
void fw8_concat(const fw8_shape *s, const fw8_grid *grid, int zero_x, int first,
                const int8_t *x, int8_t *y);
/* Element i in the order [C,H,W] stays element i. */
void fw8_copy(const fw8_shape *s, const int8_t *x, int8_t *y);
/* exp(x - most) / sum in fixed point, on the grid of scale 1/256 and zero -128. A
 * difference times 2^shift times factor / 2^31 is in units of 2^-26; those below least
 * count as 0. y may be x. */
void fw8_softmax(int32_t factor, int shift, int32_t least, int n, const int8_t *x,
                 int8_t *y);

/* What the kernels share. */

static inline int fw8_clamp(int32_t v, int low, int high)
{
    return v < low ? low : v > high ? high : (int)v;
}

/* floor(v * factor / 2^32); factor is not negative. */
static inline int32_t fw8_high(int32_t v, int32_t factor)
{
#if FW8_V6M /* its multiply keeps the lower 32 bits */
    const uint32_t v_low = (uint32_t)v & 0xffff, low = (uint32_t)factor & 0xffff;
    const int32_t v_high = v >> 16, high = factor >> 16;
    const int32_t a = v_high * (int32_t)low + (int32_t)(v_low * low >> 16);
    const uint32_t b = v_low * (uint32_t)high + ((uint32_t)a & 0xffff);

    return v_high * high + (a >> 16) + (int32_t)(b >> 16);
#else
    return (int32_t)(((int64_t)v * factor) >> 32);
#endif
}

/* round(v * factor / 2^(33 + shift)) + zero, by the double rounding / 2^(31 + shift). */
#if FW8_TFLITE
static inline int32_t fw8_scale(int32_t v, int32_t factor, int shift, int zero)
{
#if FW8_V6M
    if (shift > 0) {
        const uint32_t low = (uint32_t)v * (uint32_t)factor;
        const int32_t near = fw8_high(v, factor) * 2 + (int32_t)(((low >> 30) + 1) >> 1);
        return ((near + (near >> 31) + (1 << (shift - 1))) >> shift) + zero;
    }
#endif
    const int64_t raised = shift < 0 ? v * ((int64_t)1 << -shift) : v;
    const int32_t high = (int32_t)((raised * factor + ((int64_t)1 << 30)) >> 31);

    if (shift <= 0)
        return high + zero;
    return ((high + (high >> 31) + (1 << (shift - 1))) >> shift) + zero;
}
#else
static inline int32_t fw8_scale(int32_t v, int32_t factor, int shift, int zero)
{
    /* one multiply that keeps the high word, where the processor has it */
    if (shift >= 0)
        return ((fw8_high(v, factor) >> shift) + 2 * zero + 1) >> 1;
    return (int32_t)(((int64_t)v * factor + ((int64_t)1 << (32 + shift))) >>
                     (33 + shift)) +
           zero;
}
#endif

/* The sum before it is clamped. */
static inline int32_t fw8_sum_of(const fw8_sum *s, int a, int b)
{
#if FW8_TFLITE
    const int32_t v = fw8_scale((a - s->zero_a) * (1 << 20), s->factor_a, s->shift_a, 0);
    const int32_t w = fw8_scale((b - s->zero_b) * (1 << 20), s->factor_b, s->shift_b, 0);
    return fw8_scale(v + w, s->factor_y, s->shift_y, s->zero);
#else
    return ((a * s->factor_a + b * s->factor_b + s->offset) >> s->shift) + s->zero;
#endif
}

/* y = a + b of n elements. The sum is a copy: y might be where it lies, for all C knows.
 */
static inline void fw8_add_elements(fw8_sum sum, int n, const int8_t *a, const int8_t *b,
                                    int8_t *y)
{
    int i;

    for (i = 0; i < n; i++)
        y[i] = (int8_t)fw8_clamp(fw8_sum_of(&sum, a[i], b[i]), sum.low, sum.high);
}

/* The int8 of one sum of channel m; z: its residual, or NULL. */
static inline int8_t fw8_finish(const fw8_layer *l, int m, int32_t sum, const int8_t *z)
{
    const fw8_grid *const g = &l->grid;
    const int v =
        fw8_clamp(fw8_scale(sum, g->factor[m], g->shift[m], g->zero), g->low, g->high);

    if (!z)
        return (int8_t)v;
    return (int8_t)fw8_clamp(fw8_sum_of(l->residual, v, *z), l->residual->low,
                             l->residual->high);
}

#if FW8_DSP
/* Four bytes from anywhere. */
static inline uint32_t fw8_word(const int8_t *x)
{
    uint32_t word;

    memcpy(&word, x, 4);
    return word;
}

/* Bytes 0 and 2 as two int16; bytes 1 and 3. */
static inline uint32_t fw8_even(uint32_t word)
{
    uint32_t pair;

    __asm__("sxtb16 %0, %1" : "=r"(pair) : "r"(word));
    return pair;
}

static inline uint32_t fw8_odd(uint32_t word)
{
    uint32_t pair;

    __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(word));
    return pair;
}
#endif

#if FW8_MVE
/* n bytes; the arrays do not overlap, or `to` lies before. */
static inline void fw8_move(int8_t *to, const int8_t *from, int n)
{
    __asm__ volatile("wlstp.8 lr, %2, 2f\n"
                     "1:\n"
                     "vldrb.8 q0, [%1], #16\n"
                     "vstrb.8 q0, [%0], #16\n"
                     "letp lr, 1b\n"
                     "2:\n"
                     : "+r"(to), "+r"(from)
                     : "r"(n)
                     : "lr", "q0", "memory");
}

static inline void fw8_fill(int8_t *to, int value, int n)
{
    __asm__ volatile("vdup.8 q0, %1\n"
                     "wlstp.8 lr, %2, 2f\n"
                     "1:\n"
                     "vstrb.8 q0, [%0], #16\n"
                     "letp lr, 1b\n"
                     "2:\n"
                     : "+r"(to)
                     : "r"(value), "r"(n)
                     : "lr", "q0", "memory");
}

/* fw8_scale of four, with shifts that are not below 0. */
static inline int32x4_t fw8_scale_four(int32x4_t v, int32x4_t factor, int32x4_t shift,
                                       int zero)
{
#if FW8_TFLITE
    const int32x4_t right = vnegq_s32(shift);
    const int32x4_t high = vqrdmulhq_s32(v, factor);
    /* ties away from zero: below it, one less before half is added */
    const int32x4_t less = vshrq_n_s32(vandq_s32(high, right), 31);

    return vaddq_n_s32(vrshlq_s32(vqaddq_s32(high, less), right), zero);
#else
    /* ~shift is -(shift + 1) */
    return vaddq_n_s32(vrshlq_s32(vmulhq_s32(v, factor), vmvnq_s32(shift)), zero);
#endif
}

/* fw8_sum_of four, clamped. */
static inline int32x4_t fw8_sum_four(const fw8_sum *s, int32x4_t a, int32x4_t b)
{
    int32x4_t v;
#if FW8_TFLITE
    a = vshlq_n_s32(vsubq_n_s32(a, s->zero_a), 20);
    b = vshlq_n_s32(vsubq_n_s32(b, s->zero_b), 20);
    a = fw8_scale_four(a, vdupq_n_s32(s->factor_a), vdupq_n_s32(s->shift_a), 0);
    b = fw8_scale_four(b, vdupq_n_s32(s->factor_b), vdupq_n_s32(s->shift_b), 0);
    v = vaddq_s32(a, b);
    if (s->shift_y < 0) /* far below 2^31 even so */
        v = vshlq_r_s32(v, -s->shift_y);
    v = fw8_scale_four(v, vdupq_n_s32(s->factor_y),
                       vdupq_n_s32(s->shift_y < 0 ? 0 : s->shift_y), s->zero);
#else
    v = vmlaq_n_s32(vdupq_n_s32(s->offset), a, s->factor_a);
    v = vshlq_r_s32(vmlaq_n_s32(v, b, s->factor_b), -s->shift);
    v = vaddq_n_s32(v, s->zero);
#endif
    return vminq_s32(vmaxq_s32(v, vdupq_n_s32(s->low)), vdupq_n_s32(s->high));
}
#endif

#if FW8_PACKED
/* Groups of four channels of one or two positions, one after the other. */
typedef struct fw8_job {
    const int32_t *column, *end; /* see fw8_run */
    const int8_t *weight;
    const int32_t *bias, *factor;
    const int8_t *shift;
    int8_t *y;    /* the first position; the second is `stride` further */
    int stride;   /* 0: there is no second */
    int offset;   /* twice the zero point, plus 1 */
    int32_t none; /* sums up to this one become -128 */
    int groups;
    int32_t *sum; /* or NULL: the sums as they are, 2 * channel + position, not y */
} fw8_job;

void fw8_run_job(const fw8_job *j);

/* A channel of a row of a 3x3 depthwise convolution. */
typedef struct fw8_deep_job {
    const int32_t *rows[3]; /* words of the inputs of two adjacent outputs */
    const int32_t *weight;
    int32_t bias, both; /* both: times 2^16 + 1 */
    int32_t factor_low, factor_high;
    int32_t shift, offset, none; /* as in fw8_job */
    int8_t *y;
    int step;   /* bytes from one output to the next */
    int stride; /* words from two outputs to the next two */
    int n;
} fw8_deep_job;

void fw8_run_deep_job(const fw8_deep_job *j);
/* fw8_depthwise where it has a faster way; otherwise 0, and nothing is done. */
int fw8_packed_depthwise(const fw8_shape *s, const fw8_layer *l, const int8_t *x,
                         const int8_t *z, void *scratch, int8_t *y);
#endif

#if FW8_V6M || FW8_V7M
/* Groups of four outputs of a dense layer, one after the other. */
typedef struct fw8_dense_job {
    const int16_t *x, *end; /* for every four inputs k0 k2 k1 k3 */
    const int8_t *weight;
    const int32_t *bias, *factor;
    const int8_t *shift;
    int8_t *y;
    int offset, groups; /* as in fw8_job */
    int32_t *sum;       /* or NULL: the sums as they are, not y */
    int32_t none;
} fw8_dense_job;

void fw8_run_dense_job(const fw8_dense_job *j);
#endif

#if !FW8_OWN_DOT
/* Two positions of n inputs each (filled up with zeros to a multiple of 4) as int16 in
 * the order of fw8_run. FW8_PACKED: as words p + q * 2^16 of position p and q, in the
 * order k0 k2 k1 k3. */
void fw8_widen(const int8_t *x0, const int8_t *x1, int n, int16_t *column);

/* All channels of one or two (positions) adjacent outputs. column: for every four inputs
 * k0..k3 of positions p and q p0 p2 q0 q2 p1 p3 q1 q3; `blocks` times four inputs. */
void fw8_run(const fw8_layer *l, int channels, const int16_t *column, int blocks,
             int positions, const int8_t *z, int8_t *y);

/* Its group from channel m on: sum[2 * channel + position]. */
static inline void fw8_finish_group(const fw8_layer *l, int channels, int m,
                                    int positions, const int32_t *sum, const int8_t *z,
                                    int8_t *y)
{
    const int many = channels - m < 4 ? channels - m : 4;
    int i, p;

    for (p = 0; p < positions; p++)
        for (i = 0; i < many; i++) {
            const int at = p * channels + m + i;
            y[at] = fw8_finish(l, m + i, sum[2 * i + p], z ? z + at : 0);
        }
}
#endif

/* Weights of a group of n inputs. */
static inline int fw8_group(int n)
{
    return 4 * ((n + FW8_INPUTS - 1) / FW8_INPUTS * FW8_INPUTS);
}

/* How a layer with weights of 4 bits divides its room. */
typedef struct fw8_room {
    int8_t *weight, *result, *input;
} fw8_room;

static inline fw8_room fw8_divide(void *room, int weights, int results)
{
    fw8_room r;

    r.weight = (int8_t *)room;
    r.result = r.weight + weights;
    r.input = r.result + (results + 3) / 4 * 4;
    return r;
}

/* Channels m to m + many of l as a layer of their own, unpacked to `weight`; n: weights
 * of a group. */
fw8_layer fw8_unpack(const fw8_layer *l, const int8_t *packed, int n, int m, int many,
                     int8_t *weight);

/* A part of a map, of shape s, tile by tile of its channels; its residuals and results
 * are where the whole map has them. */
typedef void fw8_kernel(const fw8_shape *s, const fw8_layer *l, const int8_t *x,
                        const int8_t *z, void *scratch, int8_t *y);
void fw8_run_tiles(fw8_kernel *run, fw8_shape s, const fw8_layer *l, const int8_t *packed,
                   int n, int tile, const int8_t *x, const int8_t *z, const fw8_room *r,
                   void *scratch, int8_t *y);

#endif
