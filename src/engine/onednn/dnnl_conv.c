/* dnnl_conv.c: convolutions in oneDNN's words, for the three passes. */
#include "engine/onednn/dnnl_conv.h"

#include "engine/ask.h"

static int rounded(int n, int block)
{
    return (n + block - 1) / block * block;
}

int lb_dnnl_conv_filters(const lb_dnnl_conv *c)
{
    return rounded(c->m, c->block);
}

static int channels(const lb_dnnl_conv *c)
{
    return c->plain_x ? c->c : rounded(c->c, c->block);
}

static bool is_depthwise(const lb_dnnl_conv *c)
{
    return c->group > 1 && c->group == c->c && c->group == c->m;
}

static bool groups_fit(const lb_dnnl_conv *c)
{
    return c->group == 1 || is_depthwise(c) ||
           (c->c / c->group % c->block == 0 && c->m / c->group % c->block == 0);
}

static bool floats(const lb_ask *ask)
{
    for (int k = 0; k < ask->n_in; k++)
        if (ask->has_in[k] && ask->in[k].dtype != LB_F32)
            return false;
    return true;
}

bool lb_dnnl_conv_of(const lb_ask *ask, lb_dnnl_pass pass, lb_dnnl_conv *out)
{
    const lb_shape *const x =
        pass == LB_DNNL_INPUT ? &ask->out[0].shape : &ask->in[0].shape;
    const lb_shape *const y = pass == LB_DNNL_FORWARD ? &ask->out[0].shape
                              : pass == LB_DNNL_INPUT ? &ask->in[0].shape
                                                      : &ask->in[1].shape;
    const bool flat = x->rank == 3;

    if (!floats(ask) || !ask->batched_in[0] || x->rank < 3 || x->rank > 4)
        return false;
    *out = (lb_dnnl_conv){.pass = pass,
                          .block = ask->block,
                          .n = x->dim[0],
                          .c = x->dim[1],
                          .h = flat ? 1 : x->dim[2],
                          .w = flat ? x->dim[2] : x->dim[3],
                          .m = y->dim[1],
                          .oh = flat ? 1 : y->dim[2],
                          .ow = flat ? y->dim[2] : y->dim[3],
                          .has_bias = pass == LB_DNNL_FORWARD && ask->has_in[2]};
    if (!lb_ask_window(ask, &out->window))
        return false;
    out->group = out->window.group;
    out->plain_x = pass != LB_DNNL_INPUT && out->group == 1 && out->c < 4;
    return groups_fit(out);
}

typedef struct sizes {
    dnnl_dims_t stride, dilation, begin, end;
} sizes;

static sizes sizes_of(const lb_window *w)
{
    sizes s;

    for (int i = 0; i < 2; i++) {
        s.stride[i] = w->stride[i];
        s.dilation[i] = w->dilation[i] - 1;
        s.begin[i] = w->pad_begin[i];
        s.end[i] = w->pad_end[i];
    }
    return s;
}

/* The dimensions of the weights; returns how many. */
static int weight_dims(const lb_dnnl_conv *conv, int m, int c, dnnl_dims_t out)
{
    int n = 0;

    if (conv->group > 1) {
        const int group = is_depthwise(conv) ? m : conv->group;
        out[n++] = group;
        m /= group;
        c /= group;
    }
    out[n++] = m;
    out[n++] = c;
    out[n++] = conv->window.kernel[0];
    out[n++] = conv->window.kernel[1];
    return n;
}

static bool find_pass(const lb_dnnl_conv *conv, const dnnl_memory_desc_t md[4],
                      lb_dnnl_desc *desc)
{
    const dnnl_memory_desc_t *const x = &md[0], *const w = &md[1], *const y = &md[2];
    const sizes s = sizes_of(&conv->window);
    dnnl_convolution_desc_t op;
    dnnl_status_t status = dnnl_invalid_arguments;

    switch (conv->pass) {
    case LB_DNNL_FORWARD:
        status = dnnl_dilated_convolution_forward_desc_init(
            &op, dnnl_forward_inference, dnnl_convolution_direct, x, w,
            conv->has_bias ? &md[3] : NULL, y, s.stride, s.dilation, s.begin, s.end);
        break;
    case LB_DNNL_INPUT:
        status = dnnl_dilated_convolution_backward_data_desc_init(
            &op, dnnl_convolution_direct, x, w, y, s.stride, s.dilation, s.begin, s.end);
        break;
    case LB_DNNL_WEIGHT:
        status = dnnl_dilated_convolution_backward_weights_desc_init(
            &op, dnnl_convolution_direct, x, w, NULL, y, s.stride, s.dilation, s.begin,
            s.end);
        break;
    }
    return status == dnnl_success && lb_dnnl_find(desc, &op);
}

static bool find(const lb_dnnl_conv *conv, lb_dnnl_desc *desc)
{
    const dnnl_format_tag_t blocked = conv->block == 16 ? dnnl_nChw16c : dnnl_nChw8c;
    const int m = lb_dnnl_conv_filters(conv), c = channels(conv);
    const dnnl_dims_t x = {conv->n, c, conv->h, conv->w};
    const dnnl_dims_t y = {conv->n, m, conv->oh, conv->ow};
    const dnnl_dims_t bias = {m};
    dnnl_dims_t w;
    dnnl_memory_desc_t md[4];

    const int n = weight_dims(conv, m, c, w);
    return dnnl_memory_desc_init_by_tag(&md[0], 4, x, dnnl_f32,
                                        conv->plain_x ? dnnl_nchw : blocked) ==
               dnnl_success &&
           dnnl_memory_desc_init_by_tag(&md[1], n, w, dnnl_f32, dnnl_format_tag_any) ==
               dnnl_success &&
           dnnl_memory_desc_init_by_tag(&md[2], 4, y, dnnl_f32, blocked) ==
               dnnl_success &&
           dnnl_memory_desc_init_by_tag(&md[3], 1, bias, dnnl_f32, dnnl_a) ==
               dnnl_success &&
           find_pass(conv, md, desc);
}

bool lb_dnnl_conv_find(lb_dnnl_conv *conv, lb_dnnl_desc *desc)
{
    if (find(conv, desc))
        return true;
    if (!conv->plain_x)
        return false;
    conv->plain_x = false;
    return find(conv, desc);
}

bool lb_dnnl_conv_weights(const lb_dnnl_conv *conv, const dnnl_memory_desc_t *wanted,
                          dnnl_memory_desc_t *plain, dnnl_memory_desc_t *packed)
{
    dnnl_dims_t w;
    const int n = weight_dims(conv, conv->m, conv->c, w);

    *packed = *wanted;
    for (int i = 0; i < n; i++)
        packed->dims[i] = w[i];
    return packed->extra.flags == dnnl_memory_extra_flag_none &&
           dnnl_memory_desc_init_by_tag(plain, n, w, dnnl_f32,
                                        n == 5 ? dnnl_abcde : dnnl_abcd) == dnnl_success;
}
