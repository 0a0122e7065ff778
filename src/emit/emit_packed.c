/* emit_packed.c: weights two to a byte, in the order that the kernels unpack. */
#include "emit/emit_int.h"

/* A block's n weights; the next block's place. */
static int8_t *pack(const int8_t *weight, size_t n, int8_t *to)
{
    for (size_t first = 0; first < n; first += 8)
        for (size_t k = first; k < first + 4; k++) {
            const int8_t high = k + 4 < n ? weight[k + 4] : 0;
            *to++ = (int8_t)(high * 16 + (weight[k] & 15));
        }
    return to;
}

bool lb_emit_packed(lb_emission *e, lb_text *t, int i, const int8_t *weight, size_t n,
                    size_t block)
{
    const size_t bytes = n / block * ((block + 7) / 8 * 4);
    int8_t *const packed = LB_TAKE_ARRAY(e->arena, bytes, int8_t);
    int8_t *to = packed;

    if (!packed)
        return false;
    for (size_t first = 0; first < n; first += block)
        to = pack(weight + first, block, to);
    lb_emit_array_bytes(e, t, "packed", i, packed, bytes);
    return true;
}
