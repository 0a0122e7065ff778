/* nat_point.c: 1x1 convolutions with stride 1: the gradient of the weights. */
#include "engine/native/nat_conv.h"

typedef struct state {
    lb_nat_conv conv;
    lb_point sizes;
    const lb_simd *simd;
} state;

static bool describe(const lb_ask *ask, lb_nat_pass pass, state *s)
{
    lb_nat_conv *const c = &s->conv;

    if (!lb_nat_conv_of(ask, pass, c) || !lb_nat_conv_is(c, 1, 1) || c->oh != c->h ||
        c->ow != c->w)
        return false;
    s->simd = lb_simd_best();
    s->sizes = (lb_point){.n = c->n,
                          .ic = c->c_blocks,
                          .oc = c->m_blocks,
                          .pixels = c->h * c->w,
                          .filters = c->m};
    return s->simd->block == c->block && c->window.pad_begin[0] == 0 &&
           c->window.pad_begin[1] == 0;
}

static bool accepts_weight(lb_ask *ask)
{
    state s;

    if (!describe(ask, LB_NAT_WEIGHT, &s))
        return false;
    ask->want_in[0] = ask->want_in[1] = LB_BLOCKED;
    ask->share_bytes[0] = (size_t)(s.conv.c_blocks * s.conv.m_blocks) *
                          (size_t)(s.conv.block * s.conv.block) * sizeof(float);
    return true;
}

static lb_code create_weight(const lb_ask *ask, lb_arena *arena, void **out,
                             lb_error *err)
{
    state *const s = LB_TAKE(arena, state);

    if (!s)
        return lb_nat_no_memory(err);
    if (!describe(ask, LB_NAT_WEIGHT, s))
        return lb_bug(err, "a convolution that was accepted is refused");
    *out = s;
    return LB_OK;
}

static void run_weight(const lb_call *call)
{
    const state *const s = call->state;

    s->simd->point_weight(&s->sizes, call->in[0], call->in[1], call->out[0]);
}

static void unpack(void *state_, int output, const void *sum, void *plain)
{
    const lb_nat_conv *const c = &((const state *)state_)->conv;
    const float *from = sum;
    float *to = plain;

    (void)output;
    for (int m = 0; m < c->m; m++, from += (ptrdiff_t)c->c_blocks * c->block, to += c->c)
        memcpy(to, from, (size_t)c->c * sizeof *to);
}

const lb_kernel lb_nat_point_weight = {.table = "native",
                                       .op = "ConvGradWeight",
                                       .accepts = accepts_weight,
                                       .create = create_weight,
                                       .run = run_weight,
                                       .unpack = unpack};
