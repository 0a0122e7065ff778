/* dnn_conv.c: Conv, FusedConv and both gradients of a convolution.
 *
 * Maps are blocked, but for a source of few channels (an image), which oneDNN reads
 * plain. Weights come plain and are packed into the form that the primitive chose, padded
 * with zeros to whole blocks of channels; the gradient of weights goes the other way. */
#include "engine/onednn/dnn.h"

#include "ops/window.h"

#include <string.h>

typedef enum conv_pass { FORWARD, GRAD_INPUT, GRAD_WEIGHT } conv_pass;

/* A convolution as oneDNN describes it. */
typedef struct shape {
    dnnl_memory_desc_t x, y, weight, bias;
    dnnl_dims_t stride, dilation, begin, end;
    int m, c, kh, kw, groups; /* of the node: weights are [m, c, kh, kw] */
    int padded_m, padded_c;   /* as described: c is of a group */
    bool depthwise, has_bias;
} shape;

typedef struct state {
    lb_dnn conv, reorder; /* reorder: weights between plain and the primitive's form */
    dnnl_engine_t engine;
    shape s;
    conv_pass kind;
    size_t y_bytes;
    bool has_residual;
    float *padded; /* weights [padded_m, padded_c, kh, kw], plain; NULL: no padding */
} state;

static void window_of(const lb_ask *ask, lb_window *w, bool *ok)
{
    lb_view view = {.node = ask->node, .n_in = ask->n_in, .n_out = ask->n_out};
    lb_error err;

    for (int k = 0; k < ask->n_in; k++)
        view.in[k] = ask->has_in[k] ? &ask->in[k] : NULL;
    *ok = lb_window_of(&view, w, &err) == LB_OK;
    if (*ok)
        *w = lb_window_2d(w);
}

/* The types of the convolution's source, result and weights, whichever pass this is. */
static void types_of(const lb_ask *ask, conv_pass kind, const lb_type **x,
                     const lb_type **y, const lb_type **w)
{
    *x = kind == GRAD_INPUT ? &ask->out[0] : &ask->in[0];
    *y = kind == FORWARD ? &ask->out[0] : kind == GRAD_INPUT ? &ask->in[0] : &ask->in[1];
    *w = kind == GRAD_WEIGHT ? &ask->out[0] : &ask->in[1];
}

static int round_up(int n, int block)
{
    return (n + block - 1) / block * block;
}

static bool set_channels(const lb_ask *ask, const lb_type *x, const lb_type *w,
                         lb_layout x_layout, shape *s)
{
    const int b = ask->block;

    s->m = w->shape.dim[0];
    s->c = w->shape.dim[1];
    s->kw = w->shape.dim[w->shape.rank - 1];
    s->kh = w->shape.rank == 4 ? w->shape.dim[2] : 1;
    s->depthwise = s->groups > 1 && s->groups == x->shape.dim[1] && s->groups == s->m;
    if (s->groups > 1 && !s->depthwise && (s->c % b != 0 || s->m / s->groups % b != 0))
        return false;
    s->padded_m = round_up(s->m, b);
    s->padded_c = s->groups > 1 || x_layout == LB_PLAIN ? s->c : round_up(s->c, b);
    return true;
}

/* The dimensions of the padded weights, groups first where there are any; returns how
 * many. */
static int weight_dims(const shape *s, dnnl_dims_t dims)
{
    const int g = s->depthwise ? s->padded_m : s->groups;
    int n = 0;

    if (s->groups > 1)
        dims[n++] = g;
    dims[n++] = s->groups > 1 ? s->padded_m / g : s->padded_m;
    dims[n++] = s->padded_c;
    dims[n++] = s->kh;
    dims[n++] = s->kw;
    return n;
}

static bool set_weight_desc(shape *s)
{
    const dnnl_dims_t bias = {s->padded_m};
    dnnl_dims_t dims;
    const int n = weight_dims(s, dims);

    return dnnl_memory_desc_init_by_tag(&s->weight, n, dims, dnnl_f32,
                                        dnnl_format_tag_any) == dnnl_success &&
           lb_dnn_plain_desc(1, bias, &s->bias);
}

/* False where oneDNN has no fast form. */
static bool describe(const lb_ask *ask, conv_pass kind, shape *s)
{
    const lb_type *x, *y, *w;
    lb_window window;
    bool ok;

    memset(s, 0, sizeof *s);
    types_of(ask, kind, &x, &y, &w);
    if (x->dtype != LB_F32 || w->dtype != LB_F32 || x->shape.rank < 3 ||
        x->shape.rank > 4 || ask->batched_in[kind == GRAD_WEIGHT ? 1 : 0] == false)
        return false;
    window_of(ask, &window, &ok);
    if (!ok)
        return false;
    s->groups = window.group ? window.group : 1;
    const bool image = kind != GRAD_INPUT && ask->in_layout[0] == LB_PLAIN &&
                       x->shape.dim[1] < 8 && s->groups == 1;
    const lb_layout x_layout = image ? LB_PLAIN : LB_BLOCKED;
    for (int i = 0; i < 2; i++) {
        s->stride[i] = window.stride[i];
        s->dilation[i] = window.dilation[i] - 1;
        s->begin[i] = window.pad_begin[i];
        s->end[i] = window.pad_end[i];
    }
    return set_channels(ask, x, w, x_layout, s) && set_weight_desc(s) &&
           lb_dnn_map_desc(ask, x, x_layout, &s->x) &&
           lb_dnn_map_desc(ask, y, LB_BLOCKED, &s->y);
}

/* Residual and activation of a FusedConv, done while the result is in registers. */
static bool add_post_ops(const lb_ask *ask, dnnl_primitive_attr_t attr)
{
    const char *const activation = lb_attr_text(ask->node, "activation", "");
    const lb_attr *const limits = lb_attr_find(ask->node, "activation_params");
    dnnl_post_ops_t ops = NULL;
    bool ok = dnnl_post_ops_create(&ops) == dnnl_success;

    if (ok && ask->n_in > 3 && ask->has_in[3])
        ok = dnnl_post_ops_append_sum(ops, 1) == dnnl_success;
    if (ok && strcmp(activation, "Relu") == 0)
        ok =
            dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_relu, 0, 0) == dnnl_success;
    if (ok && strcmp(activation, "Clip") == 0)
        ok = limits && limits->n == 2 &&
             dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_clip,
                                          (float)limits->floats[0],
                                          (float)limits->floats[1]) == dnnl_success;
    ok = ok && dnnl_primitive_attr_set_post_ops(attr, ops) == dnnl_success;
    if (ops)
        dnnl_post_ops_destroy(ops);
    return ok;
}

static dnnl_primitive_desc_t forward_desc(const lb_ask *ask, const shape *s,
                                          dnnl_engine_t engine, dnnl_prop_kind_t prop)
{
    dnnl_primitive_attr_t attr = lb_dnn_attr();
    dnnl_primitive_desc_t pd = NULL;
    dnnl_convolution_desc_t d;

    if (attr && add_post_ops(ask, attr) &&
        dnnl_dilated_convolution_forward_desc_init(
            &d, prop, dnnl_convolution_direct, &s->x, &s->weight,
            s->has_bias ? &s->bias : NULL, &s->y, s->stride, s->dilation, s->begin,
            s->end) == dnnl_success)
        (void)dnnl_primitive_desc_create(&pd, &d, attr, engine, NULL);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    return pd;
}

static dnnl_primitive_desc_t backward_desc(const shape *s, conv_pass kind,
                                           dnnl_engine_t engine,
                                           dnnl_primitive_desc_t hint)
{
    dnnl_primitive_attr_t attr = lb_dnn_attr();
    dnnl_primitive_desc_t pd = NULL;
    dnnl_convolution_desc_t d;
    dnnl_status_t status;

    if (kind == GRAD_INPUT)
        status = dnnl_dilated_convolution_backward_data_desc_init(
            &d, dnnl_convolution_direct, &s->x, &s->weight, &s->y, s->stride, s->dilation,
            s->begin, s->end);
    else
        status = dnnl_dilated_convolution_backward_weights_desc_init(
            &d, dnnl_convolution_direct, &s->x, &s->weight, NULL, &s->y, s->stride,
            s->dilation, s->begin, s->end);
    if (attr && status == dnnl_success)
        (void)dnnl_primitive_desc_create(&pd, &d, attr, engine, hint);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    return pd;
}

/* The primitive's descriptor, or NULL where there is none worth using. */
static dnnl_primitive_desc_t primitive_desc(const lb_ask *ask, const shape *s,
                                            conv_pass kind, dnnl_engine_t engine)
{
    const dnnl_prop_kind_t prop =
        kind == FORWARD ? dnnl_forward_inference : dnnl_forward_training;

    lb_dnn_single();
    dnnl_primitive_desc_t pd = forward_desc(ask, s, engine, prop);
    if (pd && kind != FORWARD) {
        dnnl_primitive_desc_t const hint = pd;
        pd = backward_desc(s, kind, engine, hint);
        dnnl_primitive_desc_destroy(hint);
    }
    if (pd && lb_dnn_is_slow(pd)) {
        dnnl_primitive_desc_destroy(pd);
        pd = NULL;
    }
    return pd;
}

static const dnnl_memory_desc_t *weight_desc(dnnl_primitive_desc_t pd, conv_pass kind)
{
    return dnnl_primitive_desc_query_md(
        pd, kind == GRAD_WEIGHT ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
}

static void answer(lb_ask *ask, conv_pass kind, const shape *s, dnnl_primitive_desc_t pd)
{
    const size_t weight_bytes = dnnl_memory_desc_get_size(weight_desc(pd, kind));
    const bool image =
        s->x.dims[1] < 8 && s->groups == 1 && ask->in_layout[0] == LB_PLAIN;

    ask->scratch_bytes = lb_dnn_scratch(pd);
    if (kind == FORWARD) {
        ask->want_in[0] = image ? LB_PLAIN : LB_BLOCKED;
        ask->packed_bytes[1] = weight_bytes;
        if (s->has_bias)
            ask->packed_bytes[2] = (size_t)s->padded_m * sizeof(float);
        if (ask->n_in > 3 && ask->has_in[3])
            ask->want_in[3] = LB_BLOCKED;
        ask->out_layout[0] = LB_BLOCKED;
    } else if (kind == GRAD_INPUT) {
        ask->want_in[0] = LB_BLOCKED;
        ask->packed_bytes[1] = weight_bytes;
        ask->out_layout[0] = LB_BLOCKED;
    } else {
        ask->want_in[0] = image ? LB_PLAIN : LB_BLOCKED;
        ask->want_in[1] = LB_BLOCKED;
        ask->share_bytes[0] = weight_bytes;
    }
}

static bool weights_are_plain(const lb_ask *ask, conv_pass kind)
{
    for (int k = 1; kind != GRAD_WEIGHT && k < ask->n_in && k < 3; k++)
        if (ask->has_in[k] && ask->batched_in[k])
            return false;
    return true;
}

static bool accepts(lb_ask *ask, conv_pass kind)
{
    shape s;

    if (!describe(ask, kind, &s) || !weights_are_plain(ask, kind))
        return false;
    s.has_bias = kind == FORWARD && ask->n_in > 2 && ask->has_in[2];
    dnnl_engine_t const engine = lb_dnn_engine();
    if (!engine)
        return false;
    dnnl_primitive_desc_t const pd = primitive_desc(ask, &s, kind, engine);
    if (pd) {
        answer(ask, kind, &s, pd);
        dnnl_primitive_desc_destroy(pd);
    }
    dnnl_engine_destroy(engine);
    return pd != NULL;
}

static bool accepts_forward(lb_ask *ask)
{
    return accepts(ask, FORWARD);
}

static bool accepts_grad_input(lb_ask *ask)
{
    return accepts(ask, GRAD_INPUT);
}

static bool accepts_grad_weight(lb_ask *ask)
{
    return accepts(ask, GRAD_WEIGHT);
}

/* The reorder between plain weights (padded) and the primitive's form. */
static lb_code open_reorder(state *st, const dnnl_memory_desc_t *form, lb_arena *arena,
                            lb_error *err)
{
    const int ids[] = {DNNL_ARG_FROM, DNNL_ARG_TO};
    dnnl_primitive_attr_t attr = lb_dnn_attr();
    dnnl_primitive_desc_t pd = NULL;
    dnnl_memory_desc_t plain;
    dnnl_dims_t dims;
    const int n = weight_dims(&st->s, dims);

    if (!attr || !lb_dnn_plain_desc(n, dims, &plain))
        return lb_dnn_failed(err, "a description of weights");
    const bool out = st->kind == GRAD_WEIGHT;
    const dnnl_memory_desc_t *const from = out ? form : &plain, *const to =
                                                                    out ? &plain : form;
    const dnnl_memory_desc_t *const mds[] = {from, to};
    lb_dnn_single();
    const dnnl_status_t status =
        dnnl_reorder_primitive_desc_create(&pd, from, st->engine, to, st->engine, attr);
    dnnl_primitive_attr_destroy(attr);
    if (status != dnnl_success)
        return lb_dnn_failed(err, "a reorder of weights");
    /* a reorder that wants scratch would need a place of its own: none of these does */
    const lb_code code =
        lb_dnn_scratch(pd)
            ? lb_dnn_failed(err, "a reorder without scratch")
            : lb_dnn_open(&st->reorder, st->engine, pd, ids, mds, 2, 1, arena, err);
    dnnl_primitive_desc_destroy(pd);
    return code;
}

static lb_code open_conv(state *st, const lb_ask *ask, dnnl_primitive_desc_t pd,
                         lb_arena *arena, lb_error *err)
{
    static const int ids[3][4] = {
        {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_BIAS},
        {DNNL_ARG_DIFF_DST, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_SRC, 0},
        {DNNL_ARG_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_WEIGHTS, 0}};
    const dnnl_memory_desc_t *const w = weight_desc(pd, st->kind);
    const shape *const s = &st->s;
    const dnnl_memory_desc_t *const mds[3][4] = {
        {&s->x, w, &s->y, &s->bias}, {&s->y, w, &s->x, NULL}, {&s->x, &s->y, w, NULL}};

    return lb_dnn_open(&st->conv, st->engine, pd, ids[st->kind], mds[st->kind],
                       s->has_bias ? 4 : 3, ask->threads, arena, err);
}

static void destroy(void *p)
{
    state *const st = p;

    lb_dnn_close(&st->conv);
    lb_dnn_close(&st->reorder);
    if (st->engine)
        dnnl_engine_destroy(st->engine);
}

static lb_code fill_state(state *st, const lb_ask *ask, lb_arena *arena, lb_error *err)
{
    shape *const s = &st->s;

    st->engine = lb_dnn_engine();
    if (!st->engine || !describe(ask, st->kind, s))
        return lb_dnn_failed(err, "a convolution");
    s->has_bias = st->kind == FORWARD && ask->n_in > 2 && ask->has_in[2];
    st->has_residual = st->kind == FORWARD && ask->n_in > 3 && ask->has_in[3];
    st->y_bytes = dnnl_memory_desc_get_size(&s->y);
    if (s->padded_m != s->m || s->padded_c != s->c) {
        st->padded = LB_TAKE_ARRAY(
            arena, (size_t)s->padded_m * (size_t)s->padded_c * (size_t)(s->kh * s->kw),
            float);
        if (!st->padded)
            return lb_raise(err, LB_ERR_MEMORY, "no memory to make a plan");
    }
    dnnl_primitive_desc_t const pd = primitive_desc(ask, s, st->kind, st->engine);
    if (!pd)
        return lb_dnn_failed(err, "a convolution");
    lb_code code = open_conv(st, ask, pd, arena, err);
    if (code == LB_OK)
        code = open_reorder(st, weight_desc(pd, st->kind), arena, err);
    dnnl_primitive_desc_destroy(pd);
    return code;
}

static lb_code create(const lb_ask *ask, lb_arena *arena, conv_pass kind, void **out,
                      lb_error *err)
{
    state *const st = LB_TAKE(arena, state);

    if (!st)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to make a plan");
    st->kind = kind;
    const lb_code code = fill_state(st, ask, arena, err);
    if (code != LB_OK) {
        destroy(st);
        return code;
    }
    *out = st;
    return LB_OK;
}

static lb_code create_forward(const lb_ask *ask, lb_arena *arena, void **out,
                              lb_error *err)
{
    return create(ask, arena, FORWARD, out, err);
}

static lb_code create_grad_input(const lb_ask *ask, lb_arena *arena, void **out,
                                 lb_error *err)
{
    return create(ask, arena, GRAD_INPUT, out, err);
}

static lb_code create_grad_weight(const lb_ask *ask, lb_arena *arena, void **out,
                                  lb_error *err)
{
    return create(ask, arena, GRAD_WEIGHT, out, err);
}

static void run_forward(const lb_call *call)
{
    const state *const st = call->state;
    const void *const buffers[] = {call->in[0], call->in[1], call->out[0], call->in[2]};

    if (st->has_residual && call->in[3] != call->out[0])
        memcpy(call->out[0], call->in[3], st->y_bytes);
    lb_dnn_run(&st->conv, call->lane, buffers, call->scratch);
}

static void run_backward(const lb_call *call)
{
    const state *const st = call->state;
    const void *const buffers[] = {call->in[0], call->in[1], call->out[0]};

    lb_dnn_run(&st->conv, call->lane, buffers, call->scratch);
}

/* [m, c, k] into or out of [padded_m, padded_c, k]; the rest of the padded array is zero.
 */
static void copy_padded(const shape *s, const float *from, float *to, bool pad)
{
    const size_t k = (size_t)s->kh * (size_t)s->kw;

    for (int m = 0; m < s->m; m++)
        for (int c = 0; c < s->c; c++) {
            const size_t tight = ((size_t)m * (size_t)s->c + (size_t)c) * k;
            const size_t wide = ((size_t)m * (size_t)s->padded_c + (size_t)c) * k;
            memcpy(to + (pad ? wide : tight), from + (pad ? tight : wide),
                   k * sizeof *to);
        }
}

static void pack(void *p, int input, const void *plain, void *packed)
{
    state *const st = p;
    const void *from = plain;

    if (input == 2) {
        memset(packed, 0, (size_t)st->s.padded_m * sizeof(float));
        memcpy(packed, plain, (size_t)st->s.m * sizeof(float));
        return;
    }
    if (st->padded) {
        copy_padded(&st->s, plain, st->padded, true);
        from = st->padded;
    }
    const void *const buffers[] = {from, packed};
    lb_dnn_run(&st->reorder, 0, buffers, NULL);
}

static void unpack(void *p, int output, const void *sum, void *plain)
{
    state *const st = p;
    const void *const buffers[] = {sum, st->padded ? st->padded : plain};

    (void)output;
    lb_dnn_run(&st->reorder, 0, buffers, NULL);
    if (st->padded)
        copy_padded(&st->s, st->padded, plain, false);
}

#define ROW(symbol, operator, pass, function) \
    const lb_kernel lb_dnn_##symbol = {.table = "onednn", \
                                       .op = operator, \
                                       .accepts = accepts_##pass, \
                                       .create = create_##pass, \
                                       .destroy = destroy, \
                                       .run = function, \
                                       .pack = pack, \
                                       .unpack = unpack}

ROW(conv, "Conv", forward, run_forward);
ROW(fused_conv, "FusedConv", forward, run_forward);
ROW(conv_grad_input, "ConvGradInput", grad_input, run_backward);
ROW(conv_grad_weight, "ConvGradWeight", grad_weight, run_backward);
