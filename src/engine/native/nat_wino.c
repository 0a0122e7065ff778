/* nat_wino.c: 3x3 convolutions by Winograd, strides 1 and 2, all three passes. */
#include "engine/native/nat_conv.h"

typedef struct state {
    lb_nat_conv conv;
    lb_wino sizes;
    lb_conv_after after;
    const lb_simd *simd;
    lb_wino_pass pass;
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

static bool describe(const lb_ask *ask, lb_nat_pass pass, state *s)
{
    lb_nat_conv *const c = &s->conv;

    if (ask->conv_direct || !lb_nat_conv_of(ask, pass, c))
        return false;
    s->simd = lb_simd_best();
    s->halves = lb_nat_conv_is(c, 3, 2);
    s->pass = pass == LB_NAT_INPUT    ? LB_WINO_BACK
              : pass == LB_NAT_WEIGHT ? LB_WINO_WEIGHT
                                      : LB_WINO_FORWARD;
    s->sizes = sizes_of(c);
    if ((!s->halves && !lb_nat_conv_is(c, 3, 1)) || s->sizes.pad_h > 2 ||
        s->sizes.pad_w > 2 || s->simd->block != c->block)
        return false;
    if (s->pass == LB_WINO_BACK && s->halves &&
        (s->sizes.pad_h != s->sizes.pad_w || s->sizes.pad_h > 1))
        return false;
    if (s->pass == LB_WINO_BACK && !s->halves)
        s->sizes = turned(&s->sizes);
    return pays(c, s->sizes.oh, s->sizes.ow, s->halves);
}

static size_t plan(state *s)
{
    return (s->halves ? s->simd->halve_plan : s->simd->wino_plan)(&s->sizes, s->pass);
}

static size_t packed_bytes(const state *s)
{
    return sizeof(float) * (s->halves ? s->simd->halve_packed(&s->sizes)
                                      : s->simd->wino_packed(&s->sizes));
}

static bool accepts_forward(lb_ask *ask)
{
    state s;

    if (!describe(ask, LB_NAT_FORWARD, &s) || !lb_nat_after_of(ask, &s.conv, &s.after))
        return false;
    ask->want_in[0] = ask->want_in[3] = ask->out_layout[0] = LB_BLOCKED;
    ask->scratch_bytes = plan(&s);
    ask->packed_bytes[1] = packed_bytes(&s);
    if (ask->has_in[2])
        ask->packed_bytes[2] = lb_nat_bias_bytes(&s.conv);
    return true;
}

static bool accepts_input(lb_ask *ask)
{
    state s;

    if (!describe(ask, LB_NAT_INPUT, &s))
        return false;
    ask->want_in[0] = ask->out_layout[0] = LB_BLOCKED;
    ask->scratch_bytes = plan(&s);
    ask->packed_bytes[1] = packed_bytes(&s);
    return true;
}

static bool accepts_weight(lb_ask *ask)
{
    state s;

    if (!describe(ask, LB_NAT_WEIGHT, &s))
        return false;
    ask->want_in[0] = ask->want_in[1] = LB_BLOCKED;
    ask->scratch_bytes = plan(&s);
    ask->share_bytes[0] = lb_nat_taps_bytes(&s.conv);
    return true;
}

static lb_code create(const lb_ask *ask, lb_nat_pass pass, lb_arena *arena, void **out,
                      lb_error *err)
{
    state *const s = LB_TAKE(arena, state);

    if (!s)
        return lb_nat_no_memory(err);
    if (!describe(ask, pass, s))
        return lb_bug(err, "a convolution that was accepted is refused");
    (void)plan(s);
    if (pass == LB_NAT_FORWARD)
        (void)lb_nat_after_of(ask, &s->conv, &s->after);
    *out = s;
    return LB_OK;
}

static lb_code create_forward(const lb_ask *ask, lb_arena *arena, void **out,
                              lb_error *err)
{
    return create(ask, LB_NAT_FORWARD, arena, out, err);
}

static lb_code create_input(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    return create(ask, LB_NAT_INPUT, arena, out, err);
}

static lb_code create_weight(const lb_ask *ask, lb_arena *arena, void **out,
                             lb_error *err)
{
    return create(ask, LB_NAT_WEIGHT, arena, out, err);
}

static void run_forward(const lb_call *call)
{
    const state *const s = call->state;
    lb_conv_after after = s->after;

    after.bias = call->in[2];
    after.residual = call->in[3];
    (s->halves ? s->simd->halve_forward : s->simd->wino_forward)(
        &s->sizes, call->in[0], call->in[1], &after, call->out[0], call->scratch);
}

static void run_input(const lb_call *call)
{
    const state *const s = call->state;
    const lb_conv_after nothing = {0};

    if (s->halves)
        s->simd->halve_back(&s->sizes, call->in[0], call->in[1], call->out[0],
                            call->scratch);
    else
        s->simd->wino_forward(&s->sizes, call->in[0], call->in[1], &nothing, call->out[0],
                              call->scratch);
}

static void run_weight(const lb_call *call)
{
    const state *const s = call->state;

    (s->halves ? s->simd->halve_weight : s->simd->wino_weight)(
        &s->sizes, call->in[0], call->in[1], call->out[0], call->scratch);
}

static void pack(void *state_, int input, const void *plain, void *packed)
{
    const state *const s = state_;
    const lb_nat_conv *const c = &s->conv;

    if (input == 2)
        lb_nat_pack_bias(c, plain, packed);
    else if (s->pass == LB_WINO_BACK)
        (s->halves ? s->simd->halve_pack_back
                   : s->simd->wino_pack_back)(&s->sizes, c->m, c->c, plain, packed);
    else
        (s->halves ? s->simd->halve_pack : s->simd->wino_pack)(&s->sizes, c->m, c->c,
                                                               plain, packed);
}

static void unpack(void *state_, int output, const void *sum, void *plain)
{
    const state *const s = state_;

    (void)output;
    lb_nat_unpack_taps(&s->conv, sum, plain);
}

const lb_kernel lb_nat_wino = {.table = "native",
                               .op = "Conv",
                               .accepts = accepts_forward,
                               .create = create_forward,
                               .run = run_forward,
                               .pack = pack};

const lb_kernel lb_nat_wino_fused = {.table = "native",
                                     .op = "FusedConv",
                                     .accepts = accepts_forward,
                                     .create = create_forward,
                                     .run = run_forward,
                                     .pack = pack};

const lb_kernel lb_nat_wino_input = {.table = "native",
                                     .op = "ConvGradInput",
                                     .accepts = accepts_input,
                                     .create = create_input,
                                     .run = run_input,
                                     .pack = pack};

const lb_kernel lb_nat_wino_weight = {.table = "native",
                                      .op = "ConvGradWeight",
                                      .accepts = accepts_weight,
                                      .create = create_weight,
                                      .run = run_weight,
                                      .unpack = unpack};
