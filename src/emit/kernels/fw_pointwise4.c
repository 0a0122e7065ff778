/* fw_pointwise4.c: 1x1 convolution with weights of 4 bits: tile by tile of its channels
 * for some positions, whose inputs are kept: y may lie over them. */
#include "fw8.h"

#include <stddef.h>
#include <string.h>

void fw8_pointwise4(const fw8_shape *s, const fw8_layer *l, const int8_t *packed,
                    int tile, const int8_t *x, const int8_t *z, void *room, void *scratch,
                    int8_t *y)
{
    const int group = fw8_group(s->in_c), positions = s->out_h * s->out_w;
    const int all = tile >= s->out_c, some = all ? 0 : FW8_POSITIONS;
    const fw8_room r = fw8_divide(room, tile / 4 * group, some * tile);
    int p;

    if (all) {
        const fw8_layer whole = fw8_unpack(l, packed, group, 0, s->out_c, r.weight);
        fw8_pointwise(s, &whole, x, z, scratch, y);
        return;
    }
    for (p = 0; p < positions; p += some) {
        const ptrdiff_t at = (ptrdiff_t)p * s->out_c;
        fw8_shape part = *s;
        part.in_h = part.out_h = 1;
        part.in_w = part.out_w = positions - p < some ? positions - p : some;
        memcpy(r.input, x + (ptrdiff_t)p * s->in_c, (size_t)(part.in_w * s->in_c));
        fw8_run_tiles(fw8_pointwise, part, l, packed, group, tile, r.input,
                      z ? z + at : NULL, &r, scratch, y + at);
    }
}
