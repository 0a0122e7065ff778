/* requantise.h: the integer arithmetic of int8 inference, one element at a time.
 *
 * Grids and multipliers are those of Jacob et al. 2018, "Quantization and Training of
 * Neural Networks for Efficient Integer-Arithmetic-Only Inference". Two rules of
 * rounding:
 *
 * LB_ROUND_SINGLE rounds once, half up: round(v) = floor(v + 1/2). Additions and average
 * pools are one real expression rounded once. This is what ONNX's QDQ form means, but for
 * ties, and the cheapest on devices.
 *
 * LB_ROUND_TFLITE equals the reference kernels of TensorFlow Lite Micro, byte for byte:
 * two roundings after one another, three rescalings in an addition. */
#ifndef LB_LOWER_REQUANTISE_H
#define LB_LOWER_REQUANTISE_H

#include "base/arena.h"

#include <stdint.h>

typedef enum lb_rounding { LB_ROUND_SINGLE, LB_ROUND_TFLITE } lb_rounding;

/* real = scale (q - zero), q in -128..127. */
typedef struct lb_qparams {
    float scale;
    int zero;
} lb_qparams;

/* q * 2^(shift - 31), q in [2^30, 2^31), or 0. */
typedef struct lb_multiplier {
    int32_t q;
    int shift;
} lb_multiplier;

/* The nearest multiplier to a real number >= 0 (below 2^-32: 0). */
lb_multiplier lb_multiplier_of(double real);

/* round(v * m). single: (v q + 2^(30 - shift)) >> (31 - shift) in 64 bits; m < 2^30. */
int32_t lb_requantise(int32_t v, lb_multiplier m, lb_rounding rounding);

/* y = a + b on three grids. single: ((a - za) factor[0] + (b - zb) factor[1] + 2^(shift -
 * 1)) >> shift, the factors below 2^21, so that 32 bits are enough. tflite: both terms,
 * times 2^20, are rescaled by in[], their sum by out. Then the zero point of y is added.
 */
typedef struct lb_sum_params {
    int32_t factor[2];
    int shift;
    lb_multiplier in[2], out;
} lb_sum_params;

/* False if the scales are too far apart (2^18). */
bool lb_sum_params_of(float a, float b, float y, lb_sum_params *out);

/* a and b without their zero points; the result too, not clamped. */
int32_t lb_sum(const lb_sum_params *p, int32_t a, int32_t b, lb_rounding rounding);

/* exp(beta (x - max)) by fixed point, as TensorFlow Lite's int8 softmax has it: the same
 * under both rules. */
typedef struct lb_softmax_params {
    lb_multiplier scale; /* of a difference, to units of 2^-26 */
    int32_t least;       /* differences below count as 0 */
} lb_softmax_params;

lb_softmax_params lb_softmax_params_of(float scale);
void lb_softmax_int8(const lb_softmax_params *p, const int8_t *x, int n, int8_t *y);

#endif
