/* picture.c: samples as pictures, and bytes as text, for the record. */
#include "run/run_int.h"

#include <math.h>

static const size_t MOST_BYTES = (size_t)1 << 18;

const char *lb_run_base64(lb_arena *arena, const uint8_t *data, size_t n)
{
    static const char digit[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *const out = lb_arena_take(arena, (n + 2) / 3 * 4 + 1);
    size_t k = 0;

    for (size_t i = 0; out && i < n; i += 3) {
        const unsigned a = data[i], b = i + 1 < n ? data[i + 1] : 0,
                       c = i + 2 < n ? data[i + 2] : 0;
        out[k++] = digit[a >> 2];
        out[k++] = digit[(a & 3) << 4 | b >> 4];
        out[k++] = i + 1 < n ? digit[(b & 15) << 2 | c >> 6] : '=';
        out[k++] = i + 2 < n ? digit[c & 63] : '=';
    }
    return out;
}

bool lb_run_has_pictures(const lb_run *run)
{
    const lb_content *const c = &run->data->content;
    const lb_shape *const shape = &c->shape;
    size_t size = 0;

    if (shape->rank != 3 || !lb_shape_count(shape, &size) || size > MOST_BYTES)
        return false;
    if (c->is_image)
        return shape->dim[0] == 1 || shape->dim[0] == 3;
    return shape->dim[0] == 1 && shape->dim[1] > 1 && shape->dim[2] > 1;
}

/* Values that are no pixels, as a spectrogram's, are spread from black to white. */
static void spread(float *pixels, size_t n)
{
    float low = INFINITY, high = -INFINITY;

    for (size_t k = 0; k < n; k++) {
        low = pixels[k] < low ? pixels[k] : low;
        high = pixels[k] > high ? pixels[k] : high;
    }
    for (size_t k = 0; k < n; k++)
        pixels[k] = high > low ? 255 * ((pixels[k] - low) / (high - low)) : 128;
}

static uint8_t to_byte(float x)
{
    return (uint8_t)fmin(255, fmax(0, (double)x + 0.5)); /* NaN: 0 */
}

void lb_run_add_picture(lb_json *j, const lb_run *run, int sample)
{
    const lb_shape *const shape = &run->data->content.shape;
    size_t n = 0;

    if (!lb_shape_count(shape, &n) || n > MOST_BYTES)
        n = 0;
    float *const pixels = LB_TAKE_ARRAY(run->arena, n + 1, float);
    uint8_t *const bytes = LB_TAKE_ARRAY(run->arena, n + 1, uint8_t);
    if (pixels && bytes && n > 0) {
        lb_data_sample(run->data, LB_TEST, sample, pixels);
        if (!run->data->content.is_image)
            spread(pixels, n);
        for (size_t k = 0; k < n; k++)
            bytes[k] = to_byte(pixels[k]);
    }
    lb_json_int(j, "label", lb_data_label(run->data, LB_TEST, sample));
    lb_json_ints(j, "shape", shape->dim, shape->rank);
    lb_json_text(j, "pixels", bytes ? lb_run_base64(run->arena, bytes, n) : NULL);
}
