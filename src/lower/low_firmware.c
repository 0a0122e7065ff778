/* low_firmware.c: what the firmware's kernels need beside their inputs and outputs: in
 * int8 memory to work in, see emit/kernels/fw8.h, enough for every instruction set, and
 * constants. */
#include "lower/low_packed.h"

static size_t up_to_four(size_t n)
{
    return (n + 3) / 4 * 4;
}

/* The inputs of so many positions as bytes, in whole vectors of sixteen. */
static size_t in_rows(size_t positions, size_t inputs)
{
    return positions * ((inputs + 15) / 16 * 16);
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* The inputs of two positions, widened; then, in bytes, a tap of padding or, where
 * channels are not in fours, those inputs themselves. */
static size_t of_conv(const lb_low_step *s, size_t channels)
{
    const size_t inputs = (size_t)s->kernel_h * (size_t)s->kernel_w * channels;
    const size_t bytes = channels % 4 == 0 ? channels : 2 * up_to_four(inputs);

    return larger(4 * up_to_four(inputs) + bytes, in_rows(2, inputs));
}

static size_t of_pointwise(size_t channels)
{
    return larger(4 * up_to_four(channels), in_rows(2, channels));
}

static size_t of_dense(size_t inputs)
{
    return larger(2 * up_to_four(inputs), in_rows(1, inputs));
}

/* Weights of four channels and a ring of the rows under the kernel, widened. */
static size_t of_depthwise(const lb_low_step *s, const lb_low_dims *out)
{
    const size_t rows = (size_t)(s->kernel_h - 1) * (size_t)s->dilation_h + 1;
    const size_t width = (size_t)(out->w - 1) * (size_t)s->stride_w +
                         (size_t)(s->kernel_w - 1) * (size_t)s->dilation_w + 1;

    return 8 * ((size_t)s->kernel_h * (size_t)s->kernel_w + rows * width);
}

/* Of the kernels that read whole bytes of weights. */
static size_t of_kernel(const lb_low *low, const lb_low_step *s)
{
    const lb_low_dims *const in = &low->buffer[s->in[0]].dims;

    switch (s->kind) {
    case LB_LOW_CONV:
        return of_conv(s, (size_t)in->c);
    case LB_LOW_POINTWISE:
        return of_pointwise((size_t)in->c);
    case LB_LOW_DEPTHWISE:
        return of_depthwise(s, &low->buffer[s->out].dims);
    case LB_LOW_DENSE:
        return of_dense(lb_low_count(in));
    case LB_LOW_MAX_POOL:
    case LB_LOW_AVERAGE_POOL:
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

size_t lb_low_scratch_bytes(const lb_low *low, const lb_low_step *s)
{
    if (low->dtype != LB_I8)
        return 0;
    return of_kernel(low, s) + (s->q->packed ? lb_low_unpacking_bytes(low, s) : 0);
}

/* Weights, biases and factors, filled up to whole groups and blocks of four. */
static size_t int8_constants(const lb_low *low, const lb_low_step *s)
{
    const size_t channels = (size_t)low->buffer[s->out].dims.c;
    const size_t factors = 5 * up_to_four((size_t)s->q->n_multipliers);
    const size_t groups = (channels + 3) / 4;

    if (!s->q->weight)
        return factors;
    const size_t bytes = lb_low_group_bytes(low, s);
    const size_t weights = s->q->packed ? (bytes + 7) / 8 * 4 : bytes;
    return factors + groups * (weights + 4 * sizeof(int32_t));
}

size_t lb_low_constant_bytes(const lb_low *low, const lb_low_step *s)
{
    const size_t channels = (size_t)low->buffer[s->out].dims.c;

    if (low->dtype == LB_I8)
        return int8_constants(low, s);
    return s->weight ? (lb_low_weights(low, s) + channels) * sizeof(float) : 0;
}
