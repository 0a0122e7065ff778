/* nat_conv.c: what native convolutions share. */
#include "engine/native/nat_conv.h"

#include "engine/ask.h"
#include "ops/ops.h"

#include <math.h>

static lb_nat_pass pass_of(const lb_node *node)
{
    return node->op == &lb_op_ConvGradInput    ? LB_NAT_INPUT
           : node->op == &lb_op_ConvGradWeight ? LB_NAT_WEIGHT
                                               : LB_NAT_FORWARD;
}

/* False if the filters that only fill a block would not stay zero. */
static bool find_after(const lb_ask *ask, lb_nat_conv *c)
{
    const char *const activation = lb_attr_text(ask->node, "activation", "");
    const lb_attr *const limits = lb_attr_find(ask->node, "activation_params");

    c->after = (lb_conv_after){.clips = activation[0] != 0, .low = 0, .high = INFINITY};
    if (strcmp(activation, "Clip") == 0 && limits) {
        c->after.low = (float)limits->floats[0];
        c->after.high = (float)limits->floats[1];
    }
    return c->m % c->block == 0 || !c->after.clips ||
           (c->after.low <= 0 && c->after.high >= 0);
}

bool lb_nat_conv_of(const lb_ask *ask, lb_nat_conv *out)
{
    const lb_nat_pass pass = pass_of(ask->node);
    const lb_shape *const x =
        pass == LB_NAT_INPUT ? &ask->out[0].shape : &ask->in[0].shape;
    const lb_shape *const y = pass == LB_NAT_FORWARD ? &ask->out[0].shape
                              : pass == LB_NAT_INPUT ? &ask->in[0].shape
                                                     : &ask->in[1].shape;

    if (!lb_nat_floats(ask) || !lb_nat_can_block(ask, 0) ||
        (pass == LB_NAT_WEIGHT ? !lb_nat_can_block(ask, 1) : !ask->packable[1]) ||
        (pass == LB_NAT_FORWARD && ask->has_in[2] && !ask->packable[2]))
        return false;
    const lb_nat_blocks bx = lb_nat_blocks_of(x, ask->block);
    const lb_nat_blocks by = lb_nat_blocks_of(y, ask->block);
    *out = (lb_nat_conv){.pass = pass,
                         .n = bx.n,
                         .c = bx.channels,
                         .h = bx.h,
                         .w = bx.w,
                         .m = by.channels,
                         .oh = by.h,
                         .ow = by.w,
                         .block = ask->block,
                         .c_blocks = bx.blocks,
                         .m_blocks = by.blocks,
                         .simd = lb_simd_best()};
    if (out->simd->block != ask->block || !lb_ask_window(ask, &out->window) ||
        (pass == LB_NAT_FORWARD && !find_after(ask, out)))
        return false;
    out->group = out->window.group;
    return true;
}

static size_t bias_bytes(const lb_nat_conv *c)
{
    return (size_t)c->m_blocks * (size_t)c->block * sizeof(float);
}

void lb_nat_conv_accept(lb_ask *ask, const lb_nat_conv *c, size_t bytes)
{
    ask->want_in[0] = LB_BLOCKED;
    if (c->pass == LB_NAT_WEIGHT) {
        ask->want_in[1] = LB_BLOCKED;
        ask->share_bytes[0] = bytes;
        return;
    }
    ask->out_layout[0] = LB_BLOCKED;
    ask->packed_bytes[1] = bytes;
    if (c->pass == LB_NAT_INPUT)
        return;
    ask->want_in[3] = LB_BLOCKED;
    if (ask->has_in[2])
        ask->packed_bytes[2] = bias_bytes(c);
}

lb_conv_after lb_nat_after_in(const lb_nat_conv *c, const lb_call *call)
{
    lb_conv_after after = c->after;

    after.bias = call->in[2];
    after.residual = call->in[3];
    return after;
}

bool lb_nat_conv_is(const lb_nat_conv *c, int k, int stride)
{
    const lb_window *const w = &c->window;

    for (int i = 0; i < 2; i++)
        if (w->kernel[i] != k || w->stride[i] != stride || w->dilation[i] != 1)
            return false;
    return c->group == 1;
}

void lb_nat_pack_bias(const lb_nat_conv *c, const float *plain, float *packed)
{
    memset(packed, 0, bias_bytes(c));
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
