/* fw8_ending.h: from the sums of eight channels to their int8: scaled, added to a
 * residual, clamped. */
#ifndef FW8_ENDING_H
#define FW8_ENDING_H

#include "fw8_eight.h"

#if FW8_WIDE

/* y = a + b for eight elements at a time. */
typedef struct fw8_adder {
    fw8_eight factor_a, factor_b, shift, offset, zero;
#if FW8_TFLITE
    fw8_eight zero_a, zero_b, shift_a, shift_b, factor_y;
    const fw8_sum *steep; /* some shift is below 0: the sum itself; or NULL */
#endif
} fw8_adder;

void fw8_adder_make(fw8_adder *adder, const fw8_sum *sum);
fw8_eight fw8_add_steep(const fw8_sum *sum, fw8_eight a, fw8_eight b);

/* Not clamped. */
static inline fw8_eight fw8_add_eight(const fw8_adder *adder, fw8_eight a, fw8_eight b)
{
    fw8_eight v;

#if FW8_TFLITE
    const fw8_eight none = fw8_all(0), unit = fw8_all(1 << 20);
    if (adder->steep)
        return fw8_add_steep(adder->steep, a, b);
    v = fw8_plus(fw8_scale_eight(fw8_times(fw8_minus(a, adder->zero_a), unit),
                                 adder->factor_a, adder->shift_a, none),
                 fw8_scale_eight(fw8_times(fw8_minus(b, adder->zero_b), unit),
                                 adder->factor_b, adder->shift_b, none));
    return fw8_scale_eight(v, adder->factor_y, adder->shift, adder->zero);
#else
    v = fw8_plus(fw8_times(a, adder->factor_a), fw8_times(b, adder->factor_b));
    return fw8_plus(fw8_shifted(fw8_plus(v, adder->offset), adder->shift), adder->zero);
#endif
}

/* How the sums of eight channels, from m on, end; `many` of them are there. */
typedef struct fw8_ending {
    fw8_eight start, factor, shift, zero, low, high;
    fw8_adder adder;         /* if the layer has a residual */
    int last_low, last_high; /* of y: with a residual, behind the addition */
    const fw8_layer *layer;
    int m, many, steep; /* steep: some shift is below 0 */
} fw8_ending;

/* channels: of the layer. start: the biases. */
void fw8_ending_make(fw8_ending *e, const fw8_layer *l, int m, int channels);
/* fw8_end_four where not all eight channels are there, or steep. */
void fw8_end_some(const fw8_ending *e, const fw8_eight sum[4], int first, int end,
                  ptrdiff_t stride, const int8_t *z, int8_t *y);

/* Not clamped, both. */
static inline fw8_eight fw8_end_eight(const fw8_ending *e, fw8_eight sum)
{
    return fw8_scale_eight(fw8_plus(sum, e->start), e->factor, e->shift, e->zero);
}

static inline fw8_eight fw8_add_residual(const fw8_ending *e, fw8_eight v, fw8_eight z)
{
    return fw8_add_eight(&e->adder, fw8_within(v, e->low, e->high), z);
}

/* Positions `first` to `end` of four, `stride` apart from y on; z as y, or NULL. */
static inline void fw8_end_four(const fw8_ending *e, const fw8_eight sum[4], int first,
                                int end, ptrdiff_t stride, const int8_t *z, int8_t *y)
{
    fw8_eight v[4];

    if (e->steep || e->many < 8 || end - first < 4) {
        fw8_end_some(e, sum, first, end, stride, z, y);
        return;
    }
    v[0] = fw8_end_eight(e, sum[0]);
    v[1] = fw8_end_eight(e, sum[1]);
    v[2] = fw8_end_eight(e, sum[2]);
    v[3] = fw8_end_eight(e, sum[3]);
    if (z) {
        v[0] = fw8_add_residual(e, v[0], fw8_load_bytes(z));
        v[1] = fw8_add_residual(e, v[1], fw8_load_bytes(z + stride));
        v[2] = fw8_add_residual(e, v[2], fw8_load_bytes(z + 2 * stride));
        v[3] = fw8_add_residual(e, v[3], fw8_load_bytes(z + 3 * stride));
    }
    fw8_save_four(v, e->last_low, e->last_high, stride, y);
}

#endif
#endif
