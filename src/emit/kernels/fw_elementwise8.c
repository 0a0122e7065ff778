/* fw_elementwise8.c: addition, and the change of grid of an activation. */
#include "fw8.h"

#if !FW8_OWN_ELEMENTWISE
void fw8_add(const fw8_sum *sum, int n, const int8_t *a, const int8_t *b, int8_t *y)
{
    const fw8_sum s = *sum; /* y might be where it lies, for all that C knows */
    int i = 0;

#if FW8_MVE
    for (; i + 4 <= n; i += 4)
        vstrbq_s32(y + i, fw8_sum_four(&s, vldrbq_s32(a + i), vldrbq_s32(b + i)));
#endif
    fw8_add_elements(s, n - i, a + i, b + i, y + i);
}
#endif

void fw8_activation(const fw8_grid *grid, int zero_x, int n, const int8_t *x, int8_t *y)
{
    const int32_t factor = grid->factor[0];
    const int shift = grid->shift[0];
    const int zero = grid->zero, low = grid->low, high = grid->high;
    int i = 0;

#if FW8_MVE
    for (; shift >= 0 && i + 4 <= n; i += 4) {
        const int32x4_t v = fw8_scale_four(vsubq_n_s32(vldrbq_s32(x + i), zero_x),
                                           vdupq_n_s32(factor), vdupq_n_s32(shift), zero);
        vstrbq_s32(y + i, vminq_s32(vmaxq_s32(v, vdupq_n_s32(low)), vdupq_n_s32(high)));
    }
#endif
    for (; i < n; i++)
        y[i] =
            (int8_t)fw8_clamp(fw8_scale(x[i] - zero_x, factor, shift, zero), low, high);
}
