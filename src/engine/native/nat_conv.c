/* nat_conv.c: what native convolutions share. */
#include "engine/native/nat_conv.h"

static bool window_of(const lb_ask *ask, lb_window *out)
{
    lb_view view = {.node = ask->node, .n_in = ask->n_in, .n_out = ask->n_out};
    lb_window window;
    lb_error err;

    for (int k = 0; k < ask->n_in; k++)
        view.in[k] = ask->has_in[k] ? &ask->in[k] : NULL;
    if (lb_window_of(&view, &window, &err) != LB_OK)
        return false;
    *out = lb_window_2d(&window);
    return true;
}

bool lb_nat_conv_of(const lb_ask *ask, lb_nat_pass pass, lb_nat_conv *out)
{
    const lb_shape *const x =
        pass == LB_NAT_INPUT ? &ask->out[0].shape : &ask->in[0].shape;
    const lb_shape *const y = pass == LB_NAT_FORWARD ? &ask->out[0].shape
                              : pass == LB_NAT_INPUT ? &ask->in[0].shape
                                                     : &ask->in[1].shape;

    if (!lb_nat_floats(ask) || !lb_nat_can_block(ask, 0) ||
        (pass == LB_NAT_WEIGHT ? !lb_nat_can_block(ask, 1) : !ask->constant[1]) ||
        (pass == LB_NAT_FORWARD && ask->has_in[2] && !ask->constant[2]))
        return false;
    const lb_nat_blocks bx = lb_nat_blocks_of(x, ask->block);
    const lb_nat_blocks by = lb_nat_blocks_of(y, ask->block);
    *out = (lb_nat_conv){.n = bx.n,
                         .c = bx.channels,
                         .h = bx.h,
                         .w = bx.w,
                         .m = by.channels,
                         .oh = by.h,
                         .ow = by.w,
                         .block = ask->block,
                         .c_blocks = bx.blocks,
                         .m_blocks = by.blocks};
    if (!window_of(ask, &out->window))
        return false;
    out->group = out->window.group;
    return true;
}

bool lb_nat_conv_is(const lb_nat_conv *c, int k, int stride)
{
    const lb_window *const w = &c->window;

    for (int i = 0; i < 2; i++)
        if (w->kernel[i] != k || w->stride[i] != stride || w->dilation[i] != 1)
            return false;
    return c->group == 1;
}

bool lb_nat_after_of(const lb_ask *ask, const lb_nat_conv *c, lb_conv_after *out)
{
    *out = (lb_conv_after){0};
    out->clips = lb_nat_clip_of(ask->node, &out->low, &out->high);
    return c->m % c->block == 0 || !out->clips || (out->low <= 0 && out->high >= 0);
}

size_t lb_nat_bias_bytes(const lb_nat_conv *c)
{
    return (size_t)c->m_blocks * (size_t)c->block * sizeof(float);
}

void lb_nat_pack_bias(const lb_nat_conv *c, const float *plain, float *packed)
{
    memset(packed, 0, lb_nat_bias_bytes(c));
    memcpy(packed, plain, (size_t)c->m * sizeof *plain);
}

size_t lb_nat_taps_bytes(const lb_nat_conv *c)
{
    const size_t pairs = (size_t)c->c_blocks * (size_t)c->m_blocks;
    const int taps = c->window.kernel[0] * c->window.kernel[1];

    return (size_t)taps * pairs * (size_t)(c->block * c->block) * sizeof(float);
}

void lb_nat_unpack_taps(const lb_nat_conv *c, const float *sum, float *plain)
{
    const int taps = c->window.kernel[0] * c->window.kernel[1];
    const size_t row = (size_t)c->m_blocks * (size_t)c->block;
    const size_t rows = (size_t)c->c_blocks * (size_t)c->block;

    for (int m = 0; m < c->m; m++)
        for (int i = 0; i < c->c; i++)
            for (int k = 0; k < taps; k++)
                *plain++ = sum[((size_t)k * rows + (size_t)i) * row + (size_t)m];
}
