/* nat_point.c: 1x1 convolutions with stride 1, all three passes. */
#include "engine/native/nat_conv.h"

typedef struct state {
    lb_nat_conv conv;
    lb_point sizes;
} state;

static bool describe(const lb_ask *ask, state *s)
{
    lb_nat_conv *const c = &s->conv;

    if (!lb_nat_conv_of(ask, c) || !lb_nat_conv_is(c, 1, 1) || c->oh != c->h ||
        c->ow != c->w || c->window.pad_begin[0] != 0 || c->window.pad_begin[1] != 0)
        return false;
    s->sizes = (lb_point){.n = c->n,
                          .ic = c->c_blocks,
                          .oc = c->m_blocks,
                          .pixels = c->h * c->w,
                          .channels = c->c,
                          .filters = c->m};
    if (s->conv.pass == LB_NAT_INPUT)
        s->sizes = (lb_point){.n = c->n,
                              .ic = c->m_blocks,
                              .oc = c->c_blocks,
                              .pixels = c->h * c->w,
                              .channels = c->m,
                              .filters = c->c};
    /* quads of pixels that lie in one plane are what is fast */
    return c->pass == LB_NAT_WEIGHT || s->sizes.pixels >= 4;
}

static bool accepts(lb_ask *ask)
{
    state s;

    if (!describe(ask, &s))
        return false;
    lb_nat_conv_accept(ask, &s.conv, s.conv.simd->point_packed(&s.sizes) * sizeof(float));
    return true;
}

static lb_code create(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    state *const s = LB_TAKE(arena, state);

    if (!s)
        return lb_nat_no_memory(err);
    if (!describe(ask, s))
        return lb_bug(err, "a convolution that was accepted is refused");
    *out = s;
    return LB_OK;
}

static void run_forward(const lb_call *call)
{
    const state *const s = call->state;
    const lb_conv_after after = lb_nat_after_in(&s->conv, call);

    s->conv.simd->point_forward(&s->sizes, call->in[0], call->in[1], &after,
                                call->out[0]);
}

static void run_weight(const lb_call *call)
{
    const state *const s = call->state;

    s->conv.simd->point_weight(&s->sizes, call->in[0], call->in[1], call->out[0]);
}

/* Panels of two blocks of filters; w is [m][c], filters are m, or c backwards. */
static void pack_weights(const state *s, const float *w, float *u)
{
    const int block = s->conv.block, channels = s->sizes.channels;

    memset(u, 0, s->conv.simd->point_packed(&s->sizes) * sizeof *u);
    for (int o = 0; o < s->sizes.oc; o += 2) {
        const int wide = (o + 1 < s->sizes.oc ? 2 : 1) * block, first = o * block;
        const int left = s->sizes.filters - first, n = left < wide ? left : wide;
        if (s->conv.pass == LB_NAT_INPUT)
            for (int k = 0; k < channels; k++)
                memcpy(u + k * wide, w + (ptrdiff_t)k * s->conv.c + first,
                       (size_t)n * sizeof *u);
        else
            for (int f = 0; f < n; f++)
                for (int k = 0; k < channels; k++)
                    u[k * wide + f] = w[(ptrdiff_t)(first + f) * channels + k];
        u += (ptrdiff_t)channels * wide;
    }
}

static void pack(void *state_, int input, const void *plain, void *packed)
{
    const state *const s = state_;

    if (input == 2)
        lb_nat_pack_bias(&s->conv, plain, packed);
    else
        pack_weights(s, plain, packed);
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

const lb_kernel lb_nat_point = {.table = "native",
                                .op = "Conv",
                                .accepts = accepts,
                                .create = create,
                                .run = run_forward,
                                .pack = pack};

const lb_kernel lb_nat_point_fused = {.table = "native",
                                      .op = "FusedConv",
                                      .accepts = accepts,
                                      .create = create,
                                      .run = run_forward,
                                      .pack = pack};

const lb_kernel lb_nat_point_input = {.table = "native",
                                      .op = "ConvGradInput",
                                      .accepts = accepts,
                                      .create = create,
                                      .run = run_forward,
                                      .pack = pack};

const lb_kernel lb_nat_point_weight = {.table = "native",
                                       .op = "ConvGradWeight",
                                       .accepts = accepts,
                                       .create = create,
                                       .run = run_weight,
                                       .unpack = unpack};
