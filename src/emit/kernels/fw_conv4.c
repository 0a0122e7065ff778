/* fw_conv4.c: convolution with weights of 4 bits: tile by tile of its channels for each
 * row of the output, of which none reaches what it or a later one needs of x. */
#include "fw8.h"

#include <stddef.h>

void fw8_conv4(const fw8_shape *s, const fw8_layer *l, const int8_t *packed, int tile,
               const int8_t *x, const int8_t *z, void *room, void *scratch, int8_t *y)
{
    const int group = fw8_group(s->kernel_h * s->kernel_w * s->in_c);
    const int all = tile >= s->out_c;
    const fw8_room r = fw8_divide(room, tile / 4 * group, all ? 0 : s->out_w * tile);
    const ptrdiff_t line = (ptrdiff_t)s->out_w * s->out_c;
    int oh;

    if (all) {
        const fw8_layer whole = fw8_unpack(l, packed, group, 0, s->out_c, r.weight);
        fw8_conv(s, &whole, x, z, scratch, y);
        return;
    }
    for (oh = 0; oh < s->out_h; oh++) {
        const int first = oh * s->stride_h - s->pad_top;
        const int above = first < 0 ? 0 : first < s->in_h ? first : s->in_h;
        fw8_shape row = *s;
        row.in_h -= above;
        row.pad_top = first < 0 ? -first : 0;
        row.out_h = 1;
        fw8_run_tiles(fw8_conv, row, l, packed, group, tile,
                      x + (ptrdiff_t)above * s->in_w * s->in_c, z ? z + oh * line : NULL,
                      &r, scratch, y + oh * line);
    }
}
