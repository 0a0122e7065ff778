/* nat_wino.c: 3x3 convolutions by Winograd, strides 1 and 2, all three passes. */
#include "engine/native/nat_conv.h"

typedef struct state {
    lb_nat_conv conv;
    lb_wino sizes;
    bool halves; /* stride 2 */
} state;

/* Tiles of 4x4 waste work at the edges of small maps, and blocks on few channels: below
 * these bounds a direct convolution does less. */
static bool pays(const lb_nat_conv *c, int h, int w, bool halves)
{
    const int tiles = ((h + 3) / 4) * ((w + 3) / 4);

    return (halves ? 10 : 5) * tiles <= h * w && 2 * c->c >= c->block &&
           2 * c->m >= c->block;
}

static lb_wino sizes_of(const lb_nat_conv *c)
{
    return (lb_wino){.n = c->n,
                     .ic = c->c_blocks,
                     .oc = c->m_blocks,
                     .h = c->h,
                     .w = c->w,
                     .oh = c->oh,
                     .ow = c->ow,
                     .pad_h = c->window.pad_begin[0],
                     .pad_w = c->window.pad_begin[1]};
}

/* The gradient of the input at stride 1: a convolution of dy. */
static lb_wino turned(const lb_wino *s)
{
    return (lb_wino){.n = s->n,
                     .ic = s->oc,
                     .oc = s->ic,
                     .h = s->oh,
                     .w = s->ow,
                     .oh = s->h,
                     .ow = s->w,
                     .pad_h = 2 - s->pad_h,
                     .pad_w = 2 - s->pad_w};
}

static bool describe(const lb_ask *ask, state *s)
{
    lb_nat_conv *const c = &s->conv;

    if (ask->conv_direct || !lb_nat_conv_of(ask, c))
        return false;
    s->halves = lb_nat_conv_is(c, 3, 2);
    s->sizes = sizes_of(c);
    if ((!s->halves && !lb_nat_conv_is(c, 3, 1)) || s->sizes.pad_h > 2 ||
        s->sizes.pad_w > 2)
        return false;
    if (s->conv.pass == LB_NAT_INPUT && s->halves &&
        (s->sizes.pad_h != s->sizes.pad_w || s->sizes.pad_h > 1))
        return false;
    if (s->conv.pass == LB_NAT_INPUT && !s->halves)
        s->sizes = turned(&s->sizes);
    return pays(c, s->sizes.oh, s->sizes.ow, s->halves);
}

static size_t plan(state *s)
{
    static const lb_wino_pass pass[] = {[LB_NAT_FORWARD] = LB_WINO_FORWARD,
                                        [LB_NAT_INPUT] = LB_WINO_BACK,
                                        [LB_NAT_WEIGHT] = LB_WINO_WEIGHT};

    return (s->halves ? s->conv.simd->halve_plan
                      : s->conv.simd->wino_plan)(&s->sizes, pass[s->conv.pass]);
}

static size_t packed_bytes(const state *s)
{
    return sizeof(float) * (s->halves ? s->conv.simd->halve_packed(&s->sizes)
                                      : s->conv.simd->wino_packed(&s->sizes));
}

static bool accepts(lb_ask *ask)
{
    state s;

    if (!describe(ask, &s))
        return false;
    ask->scratch_bytes = plan(&s);
    lb_nat_conv_accept(ask, &s.conv,
                       s.conv.pass == LB_NAT_WEIGHT ? lb_nat_taps_bytes(&s.conv)
                                                    : packed_bytes(&s));
    return true;
}

static lb_code create(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    state *const s = LB_TAKE(arena, state);

    if (!s)
        return lb_nat_no_memory(err);
    if (!describe(ask, s))
        return lb_bug(err, "a convolution that was accepted is refused");
    (void)plan(s);
    *out = s;
    return LB_OK;
}

static void run_forward(const lb_call *call)
{
    const state *const s = call->state;
    const lb_conv_after after = lb_nat_after_in(&s->conv, call);

    (s->halves ? s->conv.simd->halve_forward : s->conv.simd->wino_forward)(
        &s->sizes, call->in[0], call->in[1], &after, call->out[0], call->scratch);
}

static void run_input(const lb_call *call)
{
    const state *const s = call->state;
    const lb_conv_after nothing = {0};

    if (s->halves)
        s->conv.simd->halve_back(&s->sizes, call->in[0], call->in[1], call->out[0],
                                 call->scratch);
    else
        s->conv.simd->wino_forward(&s->sizes, call->in[0], call->in[1], &nothing,
                                   call->out[0], call->scratch);
}

static void run_weight(const lb_call *call)
{
    const state *const s = call->state;

    (s->halves ? s->conv.simd->halve_weight : s->conv.simd->wino_weight)(
        &s->sizes, call->in[0], call->in[1], call->out[0], call->scratch);
}

static void pack(void *state_, int input, const void *plain, void *packed)
{
    const state *const s = state_;
    const lb_nat_conv *const c = &s->conv;

    if (input == 2)
        lb_nat_pack_bias(c, plain, packed);
    else if (s->conv.pass == LB_NAT_INPUT)
        (s->halves ? s->conv.simd->halve_pack_back
                   : s->conv.simd->wino_pack_back)(&s->sizes, c->m, c->c, plain, packed);
    else
        (s->halves ? s->conv.simd->halve_pack
                   : s->conv.simd->wino_pack)(&s->sizes, c->m, c->c, plain, packed);
}

static void unpack(void *state_, int output, const void *sum, void *plain)
{
    const state *const s = state_;

    (void)output;
    lb_nat_unpack_taps(&s->conv, sum, plain);
}

const lb_kernel lb_nat_wino = {.table = "native",
                               .op = "Conv",
                               .accepts = accepts,
                               .create = create,
                               .run = run_forward,
                               .pack = pack};

const lb_kernel lb_nat_wino_fused = {.table = "native",
                                     .op = "FusedConv",
                                     .accepts = accepts,
                                     .create = create,
                                     .run = run_forward,
                                     .pack = pack};

const lb_kernel lb_nat_wino_input = {.table = "native",
                                     .op = "ConvGradInput",
                                     .accepts = accepts,
                                     .create = create,
                                     .run = run_input,
                                     .pack = pack};

const lb_kernel lb_nat_wino_weight = {.table = "native",
                                      .op = "ConvGradWeight",
                                      .accepts = accepts,
                                      .create = create,
                                      .run = run_weight,
                                      .unpack = unpack};
