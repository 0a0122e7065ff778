/* nat_depthwise.c: depthwise 3x3 convolutions with stride 1 or 2, all three passes. */
#include "engine/native/nat_conv.h"

enum { TAPS = 9 };

typedef struct state {
    lb_nat_conv conv;
    lb_depth sizes;
    bool turned; /* the gradient of the input with stride 1: a convolution of dy */
} state;

static bool describe(const lb_ask *ask, state *s)
{
    lb_nat_conv *const c = &s->conv;

    if (!lb_nat_conv_of(ask, c) || c->group != c->c || c->group != c->m)
        return false;
    const lb_window *const w = &c->window;
    for (int i = 0; i < 2; i++)
        if (w->kernel[i] != 3 || w->dilation[i] != 1 || w->stride[i] > 2)
            return false;
    s->turned = c->pass == LB_NAT_INPUT && w->stride[0] == 1;
    s->sizes = (lb_depth){.n = c->n,
                          .c = c->c_blocks,
                          .h = c->h,
                          .w = c->w,
                          .oh = c->oh,
                          .ow = c->ow,
                          .stride = w->stride[0],
                          .pad_h = w->pad_begin[0],
                          .pad_w = w->pad_begin[1]};
    if (s->turned)
        s->sizes = (lb_depth){.n = c->n,
                              .c = c->c_blocks,
                              .h = c->oh,
                              .w = c->ow,
                              .oh = c->h,
                              .ow = c->w,
                              .stride = 1,
                              .pad_h = 2 - w->pad_begin[0],
                              .pad_w = 2 - w->pad_begin[1]};
    return w->stride[0] == w->stride[1];
}

static size_t weight_bytes(const state *s)
{
    return (size_t)s->conv.c_blocks * TAPS * (size_t)s->conv.block * sizeof(float);
}

static bool accepts(lb_ask *ask)
{
    state s;

    if (!describe(ask, &s))
        return false;
    lb_nat_conv_accept(ask, &s.conv, weight_bytes(&s));
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

    s->conv.simd->depth_forward(&s->sizes, call->in[0], call->in[1], &after,
                                call->out[0]);
}

static void run_input(const lb_call *call)
{
    const state *const s = call->state;

    if (s->turned)
        run_forward(call);
    else
        s->conv.simd->depth_back(&s->sizes, call->in[0], call->in[1], call->out[0]);
}

static void run_weight(const lb_call *call)
{
    const state *const s = call->state;

    s->conv.simd->depth_weight(&s->sizes, call->in[0], call->in[1], call->out[0]);
}

/* Where tap k of channel c lies in a packed window. */
static size_t place(const state *s, int c, int k)
{
    const int block = s->conv.block;

    return (size_t)(c / block * TAPS + k) * (size_t)block + (size_t)(c % block);
}

static void pack(void *state_, int input, const void *plain, void *packed)
{
    const state *const s = state_;
    const float *const from = plain;
    float *const to = packed;

    if (input == 2) {
        lb_nat_pack_bias(&s->conv, plain, packed);
        return;
    }
    memset(packed, 0, weight_bytes(s));
    for (int c = 0; c < s->conv.c; c++)
        for (int k = 0; k < TAPS; k++)
            to[place(s, c, s->turned ? TAPS - 1 - k : k)] = from[c * TAPS + k];
}

static void unpack(void *state_, int output, const void *sum, void *plain)
{
    const state *const s = state_;
    const float *const from = sum;
    float *const to = plain;

    (void)output;
    for (int c = 0; c < s->conv.c; c++)
        for (int k = 0; k < TAPS; k++)
            to[c * TAPS + k] = from[place(s, c, k)];
}

const lb_kernel lb_nat_depthwise = {.table = "native",
                                    .op = "Conv",
                                    .accepts = accepts,
                                    .create = create,
                                    .run = run_forward,
                                    .pack = pack};

const lb_kernel lb_nat_depthwise_fused = {.table = "native",
                                          .op = "FusedConv",
                                          .accepts = accepts,
                                          .create = create,
                                          .run = run_forward,
                                          .pack = pack};

const lb_kernel lb_nat_depthwise_input = {.table = "native",
                                          .op = "ConvGradInput",
                                          .accepts = accepts,
                                          .create = create,
                                          .run = run_input,
                                          .pack = pack};

const lb_kernel lb_nat_depthwise_weight = {.table = "native",
                                           .op = "ConvGradWeight",
                                           .accepts = accepts,
                                           .create = create,
                                           .run = run_weight,
                                           .unpack = unpack};
