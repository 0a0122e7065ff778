/* fw_depthwise4.c: depthwise convolution with weights of 4 bits: they are few, and all
 * are unpacked. */
#include "fw8.h"

void fw8_depthwise4(const fw8_shape *s, const fw8_layer *l, const int8_t *packed,
                    int tile, const int8_t *x, const int8_t *z, void *room, void *scratch,
                    int8_t *y)
{
    const int group = 4 * s->kernel_h * s->kernel_w;
    const fw8_room r = fw8_divide(room, tile / 4 * group, 0);
    const fw8_layer whole = fw8_unpack(l, packed, group, 0, s->out_c, r.weight);

    fw8_depthwise(s, &whole, x, z, scratch, y);
}
