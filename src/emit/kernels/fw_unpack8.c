/* fw_unpack8.c: what layers have in common whose weights lie two to a byte: they are
 * unpacked in the scratch memory, a tile of channels at a time, and the kernels for whole
 * bytes do the rest. */
#include "fw8.h"

#include <stddef.h>
#include <string.h>

#if defined(__GNUC__)
#define FOUR_ALIGNED(p) __builtin_assume_aligned(p, 4)
#else
#define FOUR_ALIGNED(p) (p)
#endif

/* The high half of each byte as a byte of its own: times 16 it needs no sign. */
static uint32_t bytes_of(uint32_t halves)
{
#if FW8_TFLITE
    return (((halves >> 4 & 0x0f0f0f0fu) ^ 0x08080808u) + 0x78787878u) ^ 0x80808080u;
#else
    return halves & 0xf0f0f0f0u;
#endif
}

/* A group's n weights, a multiple of four; the next group's. */
static const int8_t *unpack_group(const int8_t *from, int n, int8_t *to)
{
    for (; n > 0; n -= 8, from += 4, to += 8) {
        uint32_t word, low, high;
        memcpy(&word, FOUR_ALIGNED(from), 4);
        low = bytes_of(word << 4);
        high = bytes_of(word);
        memcpy(FOUR_ALIGNED(to), &low, 4);
        if (n > 4)
            memcpy(FOUR_ALIGNED(to + 4), &high, 4);
    }
    return from;
}

fw8_layer fw8_unpack(const fw8_layer *l, const int8_t *packed, int n, int m, int many,
                     int8_t *weight)
{
    const int8_t *from = packed + m / 4 * (ptrdiff_t)((n + 7) / 8 * 4);
    fw8_layer part = *l;
    int i;

    for (i = 0; i < many; i += 4)
        from = unpack_group(from, n, weight + (ptrdiff_t)(i / 4) * n);
    part.weight = weight;
    part.bias += m;
    part.grid.factor += m;
    part.grid.shift += m;
    return part;
}

/* Between the n positions of a map of `all` channels and those of a tile of its own. */
static void take(const int8_t *map, int all, int n, int many, int8_t *tile)
{
    for (; n > 0; n--, map += all, tile += many)
        memcpy(tile, map, (size_t)many);
}

static void put(const int8_t *tile, int many, int n, int all, int8_t *map)
{
    for (; n > 0; n--, map += all, tile += many)
        memcpy(map, tile, (size_t)many);
}

void fw8_run_tiles(fw8_kernel *run, fw8_shape s, const fw8_layer *l, const int8_t *packed,
                   int n, int tile, const int8_t *x, const int8_t *z, const fw8_room *r,
                   void *scratch, int8_t *y)
{
    const int all = s.out_c, positions = s.out_h * s.out_w;
    int m;

    for (m = 0; m < all; m += tile) {
        const int many = all - m < tile ? all - m : tile;
        const fw8_layer part = fw8_unpack(l, packed, n, m, many, r->weight);
        s.out_c = many;
        if (z)
            take(z + m, all, positions, many, r->result);
        run(&s, &part, x, z ? r->result : NULL, scratch, r->result);
        put(r->result, many, positions, all, y + m);
    }
}
