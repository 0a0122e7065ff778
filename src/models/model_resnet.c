/* model_resnet.c: the ResNets for small images: a convolution, three stages of `depth`
 * blocks with 16, 32 and 64 channels, each but the first halving the plane.
 *
 * From He et al., "Deep Residual Learning" (2015, arXiv:1512.03385), section 4.2: 6n+2
 * layers for depth n. Shortcuts that change shape are 1x1 convolutions with a norm
 * (option B); padding is 1 all round.
 *
 * Depth 1 is MLPerf Tiny's ResNet-8, weight for weight as its Keras source has it:
 * convolutions with a bias before their norm, shortcuts without a norm, and SAME padding,
 * which pads a halving 3x3 convolution at the end only. */
#include "models/model.h"
#include "models/parts.h"

#include <stdio.h>

static lb_value add_conv(lb_maker *m, lb_value x, int channels, int k, int stride,
                         bool mlperf, const char *name)
{
    lb_window window = lb_square_window(k, stride);

    if (mlperf) {
        const int height = lb_dim(m->b, x, 2), width = lb_dim(m->b, x, 3);
        lb_window_same(&window, height, width);
    }
    return lb_make_conv(m, x, channels, &window, mlperf, name);
}

static lb_value add_shortcut(lb_maker *m, lb_value x, int channels, int stride,
                             bool mlperf, int number)
{
    char name[48];

    if (stride == 1 && lb_dim(m->b, x, 1) == channels)
        return x;
    snprintf(name, sizeof name, "block%d/shortcut", number);
    x = add_conv(m, x, channels, 1, stride, mlperf, name);
    if (mlperf)
        return x;
    snprintf(name, sizeof name, "block%d/shortcut_norm", number);
    return lb_make_norm(m, x, name);
}

static lb_value add_block(lb_maker *m, lb_value x, int channels, int stride, bool mlperf,
                          int number)
{
    char name[48];

    snprintf(name, sizeof name, "block%d/conv1", number);
    lb_value y = add_conv(m, x, channels, 3, stride, mlperf, name);
    snprintf(name, sizeof name, "block%d/norm1", number);
    y = lb_make_norm(m, y, name);
    snprintf(name, sizeof name, "block%d/relu1", number);
    y = lb_relu(m->b, y, name);
    snprintf(name, sizeof name, "block%d/conv2", number);
    y = add_conv(m, y, channels, 3, 1, mlperf, name);
    snprintf(name, sizeof name, "block%d/norm2", number);
    y = lb_make_norm(m, y, name);
    const lb_value shortcut = add_shortcut(m, x, channels, stride, mlperf, number);
    y = lb_add(m->b, y, shortcut);
    snprintf(name, sizeof name, "block%d/add", number);
    lb_rename(m->b, y, name);
    snprintf(name, sizeof name, "block%d", number);
    return lb_relu(m->b, y, name);
}

static lb_value build(lb_builder *b, lb_value x, const lb_model_options *options,
                      uint64_t seed)
{
    const bool mlperf = options->depth == 1;
    lb_maker m = {.b = b, .seed = seed};
    int number = 0;

    x = add_conv(&m, x, lb_channels(16, options->width), 3, 1, mlperf, "stem/conv");
    x = lb_make_norm(&m, x, "stem/norm");
    x = lb_relu(b, x, "stem");
    for (int stage = 0; stage < 3; stage++) {
        const int channels = lb_channels(16 << stage, options->width);
        for (int i = 0; i < options->depth; i++) {
            const int stride = stage > 0 && i == 0 ? 2 : 1;
            x = add_block(&m, x, channels, stride, mlperf, ++number);
        }
    }
    return lb_make_head(&m, x, options);
}

/* Of 8, 14, 20, 32, 44 and 56 layers. */
static const int depths[] = {1, 2, 3, 5, 7, 9, 0};

const lb_model lb_model_resnet = {
    .name = "resnet",
    .help = "residual network of 6n+2 layers; depth: n (1 is MLPerf Tiny's ResNet-8)",
    .source = "He et al. 2015, arXiv:1512.03385; MLPerf Tiny image classification",
    .least_width = 0.125,
    .most_width = 8,
    .usual_depth = 1,
    .depths = depths,
    .build = build,
};
