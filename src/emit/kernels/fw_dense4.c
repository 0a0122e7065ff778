/* fw_dense4.c: dense layer with weights of 4 bits: tile by tile of its outputs, which are
 * kept until all are there: y may lie over x. */
#include "fw8.h"

#include <stddef.h>
#include <string.h>

void fw8_dense4(const fw8_shape *s, const fw8_layer *l, const int8_t *packed, int tile,
                const int8_t *x, void *room, void *scratch, int8_t *y)
{
    const int group = fw8_group(s->in_h * s->in_w * s->in_c);
    const int all = tile >= s->out_c;
    const fw8_room r = fw8_divide(room, tile / 4 * group, all ? 0 : s->out_c);
    int8_t *const to = all ? y : r.result;
    fw8_shape part = *s;
    int m;

    for (m = 0; m < s->out_c; m += part.out_c) {
        fw8_layer some;
        part.out_c = s->out_c - m < tile ? s->out_c - m : tile;
        some = fw8_unpack(l, packed, group, m, part.out_c, r.weight);
        fw8_dense(&part, &some, x, scratch, to + m);
    }
    if (!all)
        memcpy(y, to, (size_t)s->out_c);
}
