/* fw_pointwise8.c: 1x1 convolution, two positions at a time, in place where the output is
 * no larger than the input or both end together. */
#include "fw8.h"

#if !FW8_OWN_DOT

#include <stddef.h>

void fw8_pointwise(const fw8_shape *s, const fw8_layer *l, const int8_t *x,
                   const int8_t *z, void *scratch, int8_t *y)
{
    const int all = s->out_h * s->out_w, blocks = (s->in_c + 3) / 4;
    int16_t *const column = scratch;
    int p;

    for (p = 0; p < all; p += 2) {
        const int positions = all - p < 2 ? 1 : 2;
        const int8_t *const from = x + (ptrdiff_t)p * s->in_c;
        const ptrdiff_t at = (ptrdiff_t)p * s->out_c;
        fw8_widen(from, from + (positions - 1) * (ptrdiff_t)s->in_c, s->in_c, column);
        fw8_run(l, s->out_c, column, blocks, positions, z ? z + at : NULL, y + at);
    }
}

#endif
