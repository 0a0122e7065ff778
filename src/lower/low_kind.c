/* low_kind.c: kinds of steps: their names, and how many weights each has. */
#include "lower/low.h"

const char *lb_low_kind_name(lb_low_kind kind)
{
    static const char *const name[] = {
        [LB_LOW_CONV] = "conv",
        [LB_LOW_POINTWISE] = "pointwise",
        [LB_LOW_DEPTHWISE] = "depthwise",
        [LB_LOW_DENSE] = "dense",
        [LB_LOW_MAX_POOL] = "max pool",
        [LB_LOW_AVERAGE_POOL] = "average pool",
        [LB_LOW_ADD] = "add",
        [LB_LOW_SOFTMAX] = "softmax",
        [LB_LOW_ACTIVATION] = "activation",
        [LB_LOW_PAD] = "pad",
        [LB_LOW_CONCAT] = "concat",
        [LB_LOW_COPY] = "copy",
        [LB_LOW_AFFINE] = "affine",
    };

    return name[kind];
}

size_t lb_low_weights(const lb_low *low, const lb_low_step *step)
{
    const size_t in = (size_t)low->buffer[step->in[0]].dims.c;
    const size_t out = (size_t)low->buffer[step->out].dims.c;
    const size_t taps = (size_t)step->kernel_h * (size_t)step->kernel_w;

    switch (step->kind) {
    case LB_LOW_CONV:
    case LB_LOW_POINTWISE:
        return out * taps * in;
    case LB_LOW_DEPTHWISE:
        return out * taps;
    case LB_LOW_DENSE:
        return out * lb_low_count(&low->buffer[step->in[0]].dims);
    case LB_LOW_AFFINE:
        return out;
    case LB_LOW_MAX_POOL:
    case LB_LOW_AVERAGE_POOL:
    case LB_LOW_ADD:
    case LB_LOW_SOFTMAX:
    case LB_LOW_ACTIVATION:
    case LB_LOW_PAD:
    case LB_LOW_CONCAT:
    case LB_LOW_COPY:
        break;
    }
    return 0;
}
