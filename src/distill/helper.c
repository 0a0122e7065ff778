/* helper.c: layers that losses train beside the student. */
#include "distill/helper.h"

#include <math.h>
#include <stdio.h>

static lb_value param(lb_builder *b, const lb_loss_in *in, const char *name,
                      const char *part, const lb_shape *shape, lb_init init)
{
    char full[96];

    snprintf(full, sizeof full, "%s/%s", name, part);
    return lb_loss_param(b, in, full, shape, init);
}

static lb_value bias_of(lb_builder *b, const lb_loss_in *in, const lb_helper *layer)
{
    const lb_shape shape = lb_shape_of(1, layer->channels);

    return layer->no_bias
               ? (lb_value){0}
               : param(b, in, layer->name, "bias", &shape, (lb_init){.no_decay = true});
}

/* [first, second, kernel, ...] for the axes of x. */
static lb_value weight_of(lb_builder *b, const lb_loss_in *in, const lb_helper *layer,
                          int first, int second, int n_spatial)
{
    lb_shape shape = lb_shape_of(2, first, second);

    for (int i = 0; i < n_spatial; i++)
        shape.dim[shape.rank++] = layer->kernel;
    return param(b, in, layer->name, "weight", &shape,
                 (lb_init){.kind = layer->init, .fixed = layer->fixed});
}

static lb_window window_of(const lb_helper *layer, int n)
{
    lb_window window = {.n = n, .group = 1};

    for (int i = 0; i < n && i < 2; i++) {
        window.kernel[i] = layer->kernel;
        window.stride[i] = layer->stride > 0 ? layer->stride : 1;
        window.dilation[i] = 1;
        window.pad_begin[i] = window.pad_end[i] = layer->pad;
    }
    return window;
}

lb_value lb_helper_conv(lb_builder *b, const lb_loss_in *in, lb_value x,
                        const lb_helper *layer)
{
    const int n = lb_rank(b, x) - 2;
    const lb_window window = window_of(layer, n);
    const lb_value w = weight_of(b, in, layer, layer->channels, lb_dim(b, x, 1), n);
    const lb_value bias = bias_of(b, in, layer);

    return lb_conv(b, x, w, bias, &window, NULL);
}

lb_value lb_helper_deconv(lb_builder *b, const lb_loss_in *in, lb_value x,
                          const lb_helper *layer)
{
    static const int no_more[2] = {0};
    const int n = lb_rank(b, x) - 2;
    const lb_window window = window_of(layer, n);
    const lb_value w = weight_of(b, in, layer, lb_dim(b, x, 1), layer->channels, n);
    const lb_value bias = bias_of(b, in, layer);

    return lb_conv_transpose(b, x, w, bias, &window, no_more, NULL);
}

lb_value lb_helper_dense(lb_builder *b, const lb_loss_in *in, lb_value x,
                         const lb_helper *layer)
{
    const lb_value w = weight_of(b, in, layer, layer->channels, lb_dim(b, x, 1), 0);
    const lb_value bias = bias_of(b, in, layer);

    return lb_gemm(b, x, w, bias, false, true, NULL);
}

lb_value lb_helper_norm(lb_builder *b, const lb_loss_in *in, lb_value x, const char *name)
{
    const lb_shape shape = lb_shape_of(1, lb_dim(b, x, 1));
    const lb_init one = {.value = 1, .no_decay = true}, zero = {.no_decay = true};
    const lb_value scale = param(b, in, name, "scale", &shape, one);
    const lb_value bias = param(b, in, name, "bias", &shape, zero);

    return lb_batch_norm_now(b, x, scale, bias, 1e-5);
}

lb_pair lb_helper_embed(lb_builder *b, const lb_loss_in *in, lb_pair pair, int number,
                        int dimension, bool fixed)
{
    const lb_value s = lb_flatten(b, pair.student, NULL);
    const lb_value t = lb_flatten(b, pair.teacher, NULL);
    char student[32], teacher[32];

    if (dimension <= 0)
        return (lb_pair){s, t};
    snprintf(student, sizeof student, "pair%d/student", number);
    snprintf(teacher, sizeof teacher, "pair%d/teacher", number);
    const lb_helper own = {
        .name = student, .channels = dimension, .init = LB_INIT_GLOROT};
    const lb_helper other = {.name = teacher,
                             .channels = dimension,
                             .no_bias = fixed,
                             .fixed = fixed,
                             .init = fixed ? LB_INIT_HE : LB_INIT_GLOROT};
    const lb_value of_student = lb_helper_dense(b, in, s, &own);
    const lb_value of_teacher = lb_helper_dense(b, in, t, &other);
    return (lb_pair){of_student, of_teacher};
}

bool lb_refuse_dimension(double dimension, char why[LB_REFUSAL_TEXT])
{
    if (dimension == floor(dimension))
        return false;
    snprintf(why, LB_REFUSAL_TEXT,
             "dimension must be a whole number, not %g; use 128, or 0 for none",
             dimension);
    return true;
}
