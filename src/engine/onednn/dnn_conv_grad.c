/* dnn_conv_grad.c: ConvGradInput and ConvGradWeight by oneDNN, blocked but for images,
 * and ConvTranspose, which is a ConvGradInput with a bias.
 * The shares of a weight's gradient stay in oneDNN's own form until they have been added.
 */
#include "engine/onednn/dnnl_conv.h"

typedef struct state {
    lb_dnnl call;
    /* of a ConvTranspose with a bias: the result [n, channels / block, pixels, block] */
    int n, channels, block;
    size_t pixels;
} state;

static bool describe(const lb_ask *ask, lb_dnnl_pass pass, lb_dnnl_conv *conv,
                     lb_dnnl_desc *desc)
{
    return lb_dnnl_conv_of(ask, pass, conv) && lb_dnnl_open(desc) &&
           lb_dnnl_conv_find(conv, desc);
}

static bool accepts_input(lb_ask *ask)
{
    lb_dnnl_desc desc = {0};
    lb_dnnl_conv conv;

    if (ask->packable[1] && describe(ask, LB_DNNL_INPUT, &conv, &desc)) {
        ask->want_in[0] = LB_BLOCKED;
        ask->out_layout[0] = LB_BLOCKED;
        ask->packed_bytes[1] = lb_dnnl_bytes(&desc, DNNL_ARG_WEIGHTS);
        ask->scratch_bytes = lb_dnnl_bytes(&desc, DNNL_ARG_SCRATCHPAD);
    }
    lb_dnnl_close(&desc);
    return ask->packed_bytes[1] > 0;
}

static bool accepts_weight(lb_ask *ask)
{
    lb_dnnl_desc desc = {0};
    lb_dnnl_conv conv;

    if (ask->batched_in[1] && describe(ask, LB_DNNL_WEIGHT, &conv, &desc)) {
        ask->want_in[0] = conv.plain_x ? LB_PLAIN : LB_BLOCKED;
        ask->want_in[1] = LB_BLOCKED;
        ask->share_bytes[0] = lb_dnnl_bytes(&desc, DNNL_ARG_DIFF_WEIGHTS);
        ask->scratch_bytes = lb_dnnl_bytes(&desc, DNNL_ARG_SCRATCHPAD);
    }
    lb_dnnl_close(&desc);
    return ask->share_bytes[0] > 0;
}

/* arg: the weights' or their gradient's. */
static lb_code create(const lb_ask *ask, lb_dnnl_pass pass,
                      const lb_dnnl_operand operands[4], int arg, lb_arena *arena,
                      void **out, lb_error *err)
{
    state *const s = LB_TAKE(arena, state);
    lb_dnnl_desc desc = {0};
    dnnl_memory_desc_t plain, packed;
    lb_dnnl_conv conv;

    if (!s)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to make a plan");
    if (!describe(ask, pass, &conv, &desc) ||
        !lb_dnnl_conv_weights(&conv, lb_dnnl_wants(&desc, arg), &plain, &packed)) {
        lb_dnnl_close(&desc);
        return lb_bug(err, "oneDNN no longer has a kernel that it had");
    }
    LB_TRY(lb_dnnl_create(&desc, ask, operands, 4, arena, &s->call, err));
    if (pass == LB_DNNL_INPUT)
        LB_TRY(lb_dnnl_add_reorder(&s->call, &plain, &packed, err));
    else
        LB_TRY(lb_dnnl_add_reorder(&s->call, &packed, &plain, err));
    *out = s;
    return LB_OK;
}

static lb_code create_input(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    const lb_dnnl_operand operands[] = {{DNNL_ARG_DIFF_DST, 0},
                                        {DNNL_ARG_WEIGHTS, 1},
                                        {DNNL_ARG_DIFF_SRC, LB_DNNL_OUT},
                                        {DNNL_ARG_SCRATCHPAD, LB_DNNL_SCRATCH}};

    return create(ask, LB_DNNL_INPUT, operands, DNNL_ARG_WEIGHTS, arena, out, err);
}

static lb_code create_weight(const lb_ask *ask, lb_arena *arena, void **out,
                             lb_error *err)
{
    const lb_dnnl_operand operands[] = {{DNNL_ARG_SRC, 0},
                                        {DNNL_ARG_DIFF_DST, 1},
                                        {DNNL_ARG_DIFF_WEIGHTS, LB_DNNL_OUT},
                                        {DNNL_ARG_SCRATCHPAD, LB_DNNL_SCRATCH}};

    return create(ask, LB_DNNL_WEIGHT, operands, DNNL_ARG_DIFF_WEIGHTS, arena, out, err);
}

static lb_code create_transpose(const lb_ask *ask, lb_arena *arena, void **out,
                                lb_error *err)
{
    const lb_shape *const y = &ask->out[0].shape;

    LB_TRY(create_input(ask, arena, out, err));
    state *const s = *out;
    s->n = ask->n_in > 2 && ask->has_in[2] ? y->dim[0] : 0;
    s->channels = y->dim[1];
    s->block = ask->block;
    s->pixels = 1;
    for (int i = 2; i < y->rank; i++)
        s->pixels *= (size_t)y->dim[i];
    return LB_OK;
}

/* One block of channels of one sample. */
static void add_bias(const float *bias, int n, float *y, size_t pixels, int block)
{
    for (size_t i = 0; i < pixels; i++, y += block)
        for (int k = 0; k < n; k++)
            y[k] += bias[k];
}

static void run_transpose(const lb_call *call)
{
    const state *const s = call->state;
    const float *const bias = call->in[2];
    float *y = call->out[0];

    lb_dnnl_run(call);
    for (int n = 0; n < s->n; n++)
        for (int c = 0; c < s->channels; c += s->block) {
            const int left = s->channels - c;
            add_bias(bias + c, left < s->block ? left : s->block, y, s->pixels, s->block);
            y += s->pixels * (size_t)s->block;
        }
}

static void convert(void *s, int operand, const void *from, void *to)
{
    (void)operand;
    lb_dnnl_reorder(&((state *)s)->call, from, to);
}

const lb_kernel lb_dnn_conv_grad_input = {.table = "onednn",
                                          .op = "ConvGradInput",
                                          .accepts = accepts_input,
                                          .create = create_input,
                                          .destroy = lb_dnnl_destroy,
                                          .run = lb_dnnl_run,
                                          .pack = convert};

const lb_kernel lb_dnn_conv_grad_weight = {.table = "onednn",
                                           .op = "ConvGradWeight",
                                           .accepts = accepts_weight,
                                           .create = create_weight,
                                           .destroy = lb_dnnl_destroy,
                                           .run = lb_dnnl_run,
                                           .unpack = convert};

const lb_kernel lb_dnn_conv_transpose = {.table = "onednn",
                                         .op = "ConvTranspose",
                                         .accepts = accepts_input,
                                         .create = create_transpose,
                                         .destroy = lb_dnnl_destroy,
                                         .run = run_transpose,
                                         .pack = convert};
