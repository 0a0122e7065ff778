/* low_packed.c: what it costs to unpack weights of 4 bits: see emit/kernels/fw8.h.
 *
 * A tile of channels is unpacked into the arena, so a tile is small; a convolution
 * unpacks all of them for each row of its output, a pointwise layer for each sixteen
 * positions. */
#include "lower/low_packed.h"

enum {
    TILE_BYTES = 2048, /* of unpacked weights, or four channels if these have more */
    POSITIONS = 16,    /* FW8_POSITIONS */
    LARGEST_BLOCK = 16 /* of inputs, among the orders of weights that the kernels have */
};

bool lb_low_fits_4_bits(const int8_t *weight, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (weight[i] < -7 || weight[i] > 7)
            return false;
    return true;
}

static size_t up_to_four(size_t n)
{
    return (n + 3) / 4 * 4;
}

static size_t channels_of(const lb_low *low, const lb_low_step *s)
{
    return (size_t)low->buffer[s->out].dims.c;
}

/* Weights of four channels, their inputs filled up to whole blocks. */
static size_t group_of(const lb_low *low, const lb_low_step *s, size_t block)
{
    const size_t inputs = lb_low_weights(low, s) / channels_of(low, s);
    const size_t padded = (inputs + block - 1) / block * block;

    return 4 * (s->kind == LB_LOW_DEPTHWISE ? inputs : padded);
}

size_t lb_low_group_bytes(const lb_low *low, const lb_low_step *s)
{
    return group_of(low, s, 4);
}

int lb_low_tile(const lb_low *low, const lb_low_step *s)
{
    const size_t all = up_to_four(channels_of(low, s));
    const size_t groups = TILE_BYTES / group_of(low, s, LARGEST_BLOCK);
    const size_t tile = groups > 1 ? 4 * groups : 4;

    return (int)(s->kind == LB_LOW_DEPTHWISE || tile > all ? all : tile);
}

static bool is_whole(const lb_low *low, const lb_low_step *s)
{
    return (size_t)lb_low_tile(low, s) >= channels_of(low, s);
}

size_t lb_low_unpacking_bytes(const lb_low *low, const lb_low_step *s)
{
    const lb_low_dims *const in = &low->buffer[s->in[0]].dims;
    const lb_low_dims *const out = &low->buffer[s->out].dims;
    const size_t tile = (size_t)lb_low_tile(low, s);
    const size_t weights = tile / 4 * group_of(low, s, LARGEST_BLOCK);

    if (is_whole(low, s))
        return weights;
    if (s->kind == LB_LOW_CONV)
        return weights + up_to_four((size_t)out->w * tile);
    if (s->kind == LB_LOW_POINTWISE)
        return weights + POSITIONS * tile + up_to_four(POSITIONS * (size_t)in->c);
    return weights + up_to_four((size_t)out->c);
}

double lb_low_unpacked(const lb_low *low, const lb_low_step *s)
{
    const lb_low_dims *const out = &low->buffer[s->out].dims;
    const double weights = (double)lb_low_weights(low, s);

    if (!s->q || !s->q->packed)
        return 0;
    if (is_whole(low, s) || s->kind == LB_LOW_DENSE)
        return weights;
    if (s->kind == LB_LOW_CONV)
        return weights * out->h;
    const int rounds = (out->h * out->w + POSITIONS - 1) / POSITIONS;
    return weights * rounds;
}
