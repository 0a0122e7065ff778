/* fw_elementwise8.c: addition, and the change of grid of an activation. */
#include "fw8.h"

#if !FW8_OWN_ELEMENTWISE
void fw8_add(const fw8_sum *sum, int n, const int8_t *a, const int8_t *b, int8_t *y)
{
    const fw8_sum s = *sum; /* y might be where it lies, for all that C knows */
    int i;

    for (i = 0; i < n; i++)
        y[i] = (int8_t)fw8_clamp(fw8_sum_of(&s, a[i], b[i]), s.low, s.high);
}
#endif

void fw8_activation(const fw8_grid *grid, int zero_x, int n, const int8_t *x, int8_t *y)
{
    const int32_t factor = grid->factor[0];
    const int shift = grid->shift[0];
    const int zero = grid->zero, low = grid->low, high = grid->high;
    int i;

    for (i = 0; i < n; i++)
        y[i] =
            (int8_t)fw8_clamp(fw8_scale(x[i] - zero_x, factor, shift, zero), low, high);
}
