/* instructions.c: how many instructions a step takes on a Cortex-M4.
 *
 * Each kind of step costs so much for each tap, each value that it reads or writes, each
 * position of the map, and once. The figures were fitted (least squares of the relative
 * error, none below zero) to what `limbeck prove` counts for the emitted kernels with gcc
 * 12 -O2: float32 to ResNet-8, ResNet-14, five small students and an MNIST network, int8
 * to MLPerf Tiny's five networks. The steps of which those have none are counted from the
 * kernels' loops. Whole networks come out within a few percent; a test holds 15. */
#include "device/device.h"

#include <math.h>
#include <string.h>

typedef struct cost {
    double tap; /* a multiply-add, or a value in the window of a pool */
    double input, output, position, step;
} cost;

enum { N_KINDS = LB_LOW_AFFINE + 1 };

static const cost fp32[N_KINDS] = {
    [LB_LOW_CONV] = {3.34, 0, 62, 301, 0},
    [LB_LOW_POINTWISE] = {3.03, 0, 29.5, 30.9, 0},
    [LB_LOW_DEPTHWISE] = {13.8, 0, 1.5, 87, 0},
    [LB_LOW_DENSE] = {4.03, 0, 0, 0, 160},
    [LB_LOW_MAX_POOL] = {11.7, 0, 68, 12, 0},
    [LB_LOW_AVERAGE_POOL] = {8, 0, 93, 1300, 1300},
    [LB_LOW_ADD] = {0, 0, 12, 0, 20},
    [LB_LOW_SOFTMAX] = {0, 0, 90, 0, 20},
    [LB_LOW_ACTIVATION] = {0, 0, 10, 0, 20},
    [LB_LOW_PAD] = {0, 0, 12, 20, 30},
    [LB_LOW_CONCAT] = {0, 0, 8, 12, 30},
    [LB_LOW_COPY] = {0, 0, 30, 0, 30},
    [LB_LOW_AFFINE] = {0, 0, 12, 6, 20},
};

/* depthwise: a tap is a row of up to three, which the kernel takes at once */
static const cost int8[N_KINDS] = {
    [LB_LOW_CONV] = {0.97, 0, 13.2, 306, 37000},
    [LB_LOW_POINTWISE] = {1, 0, 7.2, 106, 4600},
    [LB_LOW_DEPTHWISE] = {9.12, 0.58, 2.35, 0, 30600},
    [LB_LOW_DENSE] = {1.19, 0, 8.74, 0, 389},
    [LB_LOW_MAX_POOL] = {8, 0, 60, 12, 0},
    [LB_LOW_AVERAGE_POOL] = {7.2, 0, 66, 0, 0},
    [LB_LOW_ADD] = {0, 0, 14, 0, 40},
    [LB_LOW_SOFTMAX] = {0, 0, 258, 0, 240},
    [LB_LOW_ACTIVATION] = {0, 0, 12, 0, 40},
    [LB_LOW_PAD] = {0, 0, 12, 20, 30},
    [LB_LOW_CONCAT] = {0, 0, 12, 12, 40},
    [LB_LOW_COPY] = {0, 0, 30, 0, 30},
    [LB_LOW_AFFINE] = {0, 0, 14, 6, 40},
};

static double taps_of(const lb_low_step *s, bool is_int8, double outputs)
{
    const int across =
        is_int8 && s->kind == LB_LOW_DEPTHWISE ? (s->kernel_w + 2) / 3 : s->kernel_w;

    switch (s->kind) {
    case LB_LOW_CONV:
    case LB_LOW_POINTWISE:
    case LB_LOW_DENSE:
        return s->macs;
    case LB_LOW_DEPTHWISE:
    case LB_LOW_MAX_POOL:
    case LB_LOW_AVERAGE_POOL:
        return outputs * s->kernel_h * across;
    case LB_LOW_ADD:
    case LB_LOW_SOFTMAX:
    case LB_LOW_ACTIVATION:
    case LB_LOW_PAD:
    case LB_LOW_CONCAT:
    case LB_LOW_COPY:
    case LB_LOW_AFFINE:
        break;
    }
    return 0;
}

double lb_device_step_instructions(const lb_low *low, const lb_low_step *step)
{
    const bool is_int8 = low->dtype == LB_I8;
    const cost *const c = is_int8 ? &int8[step->kind] : &fp32[step->kind];
    const lb_low_dims *const to = &low->buffer[step->out].dims;
    const double outputs = (double)lb_low_count(to);
    const double inputs = (double)lb_low_count(&low->buffer[step->in[0]].dims);

    return c->tap * taps_of(step, is_int8, outputs) + c->input * inputs +
           c->output * outputs + c->position * (double)to->h * (double)to->w + c->step;
}

double lb_device_instructions(const lb_low *low, const lb_device *device)
{
    static const char *const alike[] = {"Cortex-M4F", "Cortex-M33", "Cortex-M7"};
    double sum = 0;
    bool known = false;

    for (size_t i = 0; i < sizeof alike / sizeof *alike; i++)
        known = known || strcmp(device->core, alike[i]) == 0;
    for (int i = 0; i < low->n_steps; i++)
        sum += lb_device_step_instructions(low, &low->step[i]);
    return known ? sum : (double)NAN;
}
