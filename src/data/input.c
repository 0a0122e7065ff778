/* input.c: samples as a network wants them. */
#include "data/data.h"

static double nth(const lb_numbers *numbers, int i, double usual)
{
    if (numbers->n == 0)
        return usual;
    return numbers->value[numbers->n == 1 || i >= numbers->n ? 0 : i];
}

static int channels_of(const lb_shape *shape)
{
    return shape->rank ? shape->dim[0] : 1;
}

lb_code lb_input_check(const lb_input_options *options, const lb_shape *shape,
                       lb_error *err)
{
    const int channels = channels_of(shape);
    const int n[2] = {options->mean.n, options->std.n};

    for (int i = 0; i < 2; i++)
        if (n[i] > 1 && n[i] != channels)
            return lb_raise(err, LB_ERR_INPUT,
                            "%s has %d numbers; give one, or one for each of the %d "
                            "channels",
                            i ? "std" : "mean", n[i], channels);
    for (int i = 0; i < options->std.n; i++)
        if (!(options->std.value[i] > 0))
            return lb_raise(err, LB_ERR_INPUT, "std must be above 0, not %g",
                            options->std.value[i]);
    return LB_OK;
}

void lb_input_write(const lb_input_options *options, const lb_shape *shape,
                    const float *from, float *to)
{
    const int channels = channels_of(shape);
    const float whole = options->pixels == LB_PIXELS_UNIT ? 255.0f : 1.0f;
    const bool last = options->layout == LB_CHANNELS_LAST;
    size_t area = 1;

    for (int i = 1; i < shape->rank; i++)
        area *= (size_t)shape->dim[i];
    for (int c = 0; c < channels; c++) {
        const float mean = (float)nth(&options->mean, c, 0);
        const float std = (float)nth(&options->std, c, 1);
        const float *const plane = from + (size_t)c * area;
        float *const out = last ? to + c : to + (size_t)c * area;
        const size_t stride = last ? (size_t)channels : 1;
        for (size_t i = 0; i < area; i++)
            out[i * stride] = (plane[i] / whole - mean) / std;
    }
}
