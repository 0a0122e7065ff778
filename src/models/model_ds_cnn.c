/* model_ds_cnn.c: DS-CNN: a convolution, then blocks of a depthwise and a pointwise one.
 *
 * From Zhang et al., "Hello Edge" (2017, arXiv:1711.07128), in the form of MLPerf Tiny's
 * keyword spotting: 64 channels, 4 blocks. There the first kernel is 10x4 with stride 2
 * on a spectrogram 49x10. A sample that is tall and narrow like that (at most 20 columns,
 * and at least three times as many rows) gets this kernel; any other is taken for an
 * image and gets 3x3 with stride 2. Dropout is left out. */
#include "models/model.h"
#include "models/parts.h"

#include <stdio.h>

enum { CHANNELS = 64 };

static bool is_spectrogram(const lb_model_options *options)
{
    const int height = options->input.dim[1], width = options->input.dim[2];

    return width >= 4 && width <= 20 && height >= 3 * width;
}

static lb_value add_stem(lb_maker *m, lb_value x, int channels,
                         const lb_model_options *options)
{
    lb_window window = lb_square_window(3, 2);

    if (is_spectrogram(options)) {
        window.kernel[0] = 10;
        window.kernel[1] = 4;
        lb_window_same(&window, options->input.dim[1], options->input.dim[2]);
    }
    x = lb_make_conv(m, x, channels, &window, false, "stem/conv");
    x = lb_make_norm(m, x, "stem/norm");
    return lb_relu(m->b, x, "stem");
}

static lb_value add_block(lb_maker *m, lb_value x, int channels, int number)
{
    const lb_window point = lb_square_window(1, 1);
    lb_window depth = lb_square_window(3, 1);
    char name[48];

    depth.group = channels;
    snprintf(name, sizeof name, "block%d/dw", number);
    x = lb_make_conv(m, x, channels, &depth, false, name);
    snprintf(name, sizeof name, "block%d/dw_norm", number);
    x = lb_make_norm(m, x, name);
    snprintf(name, sizeof name, "block%d/dw_relu", number);
    x = lb_relu(m->b, x, name);
    snprintf(name, sizeof name, "block%d/pw", number);
    x = lb_make_conv(m, x, channels, &point, false, name);
    snprintf(name, sizeof name, "block%d/pw_norm", number);
    x = lb_make_norm(m, x, name);
    snprintf(name, sizeof name, "block%d", number);
    return lb_relu(m->b, x, name);
}

static lb_value build(lb_builder *b, lb_value x, const lb_model_options *options,
                      uint64_t seed)
{
    const int channels = lb_channels(CHANNELS, options->width);
    lb_maker m = {.b = b, .seed = seed};

    x = add_stem(&m, x, channels, options);
    for (int i = 1; i <= options->depth; i++)
        x = add_block(&m, x, channels, i);
    return lb_make_head(&m, x, options);
}

static const int depths[] = {2, 3, 4, 5, 6, 8, 0};

const lb_model lb_model_ds_cnn = {
    .name = "ds-cnn",
    .help = "depthwise-separable convolutions at one size; depth: blocks",
    .source = "Zhang et al. 2017, arXiv:1711.07128; MLPerf Tiny keyword spotting",
    .least_width = 0.0625,
    .most_width = 4,
    .usual_depth = 4,
    .depths = depths,
    .build = build,
};
