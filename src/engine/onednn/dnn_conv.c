/* dnn_conv.c: Conv and FusedConv by oneDNN.
 *
 * Blocked in, blocked out; an image of up to three channels is read plain. A residual is
 * copied to where the result goes and oneDNN adds to it. */
#include "engine/onednn/dnnl_conv.h"

#include <string.h>

typedef struct state {
    lb_dnnl call;
    int m, filters;
    size_t residual; /* bytes; 0: none */
} state;

/* Input 3 and the activation become post-ops; false if padding would not stay zero. */
static bool add_epilogue(const lb_ask *ask, const lb_dnnl_conv *conv, lb_dnnl_desc *desc)
{
    const char *const activation = lb_attr_text(ask->node, "activation", "");
    const lb_attr *const limits = lb_attr_find(ask->node, "activation_params");
    const bool clips = strcmp(activation, "Clip") == 0;
    const double low = clips && limits ? limits->floats[0] : 0;
    const double high = clips && limits ? limits->floats[1] : 0;
    dnnl_post_ops_t ops;
    bool done = true;

    if (conv->m != lb_dnnl_conv_filters(conv) && (low > 0 || high < 0))
        return false;
    if (dnnl_post_ops_create(&ops) != dnnl_success)
        return false;
    if (ask->has_in[3])
        done = dnnl_post_ops_append_sum(ops, 1) == dnnl_success;
    if (done && strcmp(activation, "Relu") == 0)
        done =
            dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_relu, 0, 0) == dnnl_success;
    else if (done && clips)
        done = dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_clip, (float)low,
                                            (float)high) == dnnl_success;
    if (done)
        done = dnnl_primitive_attr_set_post_ops(desc->attr, ops) == dnnl_success;
    (void)dnnl_post_ops_destroy(ops);
    return done;
}

static bool describe(const lb_ask *ask, lb_dnnl_conv *conv, lb_dnnl_desc *desc)
{
    return lb_dnnl_conv_of(ask, LB_DNNL_FORWARD, conv) && lb_dnnl_open(desc) &&
           add_epilogue(ask, conv, desc) && lb_dnnl_conv_find(conv, desc);
}

static bool accepts(lb_ask *ask)
{
    lb_dnnl_desc desc = {0};
    lb_dnnl_conv conv;
    const bool found = describe(ask, &conv, &desc);

    if (found && ask->packable[1] && (!ask->has_in[2] || ask->packable[2])) {
        ask->want_in[0] = conv.plain_x ? LB_PLAIN : LB_BLOCKED;
        ask->want_in[3] = LB_BLOCKED;
        ask->out_layout[0] = LB_BLOCKED;
        ask->packed_bytes[1] = lb_dnnl_bytes(&desc, DNNL_ARG_WEIGHTS);
        if (conv.has_bias)
            ask->packed_bytes[2] = (size_t)lb_dnnl_conv_filters(&conv) * sizeof(float);
        ask->scratch_bytes = lb_dnnl_bytes(&desc, DNNL_ARG_SCRATCHPAD);
    }
    lb_dnnl_close(&desc);
    return ask->packed_bytes[1] > 0;
}

static lb_code create(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    const lb_dnnl_operand operands[] = {{DNNL_ARG_SRC, 0},
                                        {DNNL_ARG_WEIGHTS, 1},
                                        {DNNL_ARG_DST, LB_DNNL_OUT},
                                        {DNNL_ARG_SCRATCHPAD, LB_DNNL_SCRATCH},
                                        {DNNL_ARG_BIAS, 2}};
    state *const s = LB_TAKE(arena, state);
    lb_dnnl_desc desc = {0};
    dnnl_memory_desc_t plain, packed;
    lb_dnnl_conv conv;

    if (!s)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to make a plan");
    if (!describe(ask, &conv, &desc) ||
        !lb_dnnl_conv_weights(&conv, lb_dnnl_wants(&desc, DNNL_ARG_WEIGHTS), &plain,
                              &packed)) {
        lb_dnnl_close(&desc);
        return lb_bug(err, "oneDNN no longer has a kernel that it had");
    }
    s->m = conv.m;
    s->filters = lb_dnnl_conv_filters(&conv);
    if (ask->has_in[3])
        s->residual = lb_dnnl_bytes(&desc, DNNL_ARG_DST);
    LB_TRY(lb_dnnl_create(&desc, ask, operands, conv.has_bias ? 5 : 4, arena, &s->call,
                          err));
    LB_TRY(lb_dnnl_add_reorder(&s->call, &plain, &packed, err));
    *out = s;
    return LB_OK;
}

static void run(const lb_call *call)
{
    const state *const s = call->state;

    if (s->residual && call->in[3] != call->out[0])
        memcpy(call->out[0], call->in[3], s->residual);
    lb_dnnl_run(call);
}

static void pack(void *state_, int input, const void *plain, void *packed)
{
    state *const s = state_;

    if (input == 1) {
        lb_dnnl_reorder(&s->call, plain, packed);
        return;
    }
    memset(packed, 0, (size_t)s->filters * sizeof(float));
    memcpy(packed, plain, (size_t)s->m * sizeof(float));
}

const lb_kernel lb_dnn_conv = {.table = "onednn",
                               .op = "Conv",
                               .accepts = accepts,
                               .create = create,
                               .destroy = lb_dnnl_destroy,
                               .run = run,
                               .pack = pack};

const lb_kernel lb_dnn_fused_conv = {.table = "onednn",
                                     .op = "FusedConv",
                                     .accepts = accepts,
                                     .create = create,
                                     .destroy = lb_dnnl_destroy,
                                     .run = run,
                                     .pack = pack};
