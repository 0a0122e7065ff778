/* augment.c: shift, flip and crop.
 *
 * Each of them maps positions of the output to positions of the input, one axis at a
 * time: in = sign * out + offset, valid for low <= out < high and zero elsewhere. Maps of
 * that form are closed under composition, so that any list of augmentations is one pass
 * over the sample, without a second buffer. */
#include "data/data_int.h"

#include <string.h>

typedef struct axis {
    int size;
    int sign, offset; /* in = sign * out + offset */
    int low, high;    /* out outside is zero */
} axis;

static axis axis_new(int size)
{
    return (axis){size, 1, 0, 0, size};
}

/* Puts "middle = sign * out + offset" before what the axis does with middle. */
static void axis_then(axis *a, int sign, int offset)
{
    const int from = sign > 0 ? a->low - offset : offset - a->high + 1;
    const int to = sign > 0 ? a->high - offset : offset - a->low + 1;

    a->offset += a->sign * offset;
    a->sign *= sign;
    a->low = from < 0 ? 0 : from;
    a->high = to > a->size ? a->size : to;
}

/* -pixels..pixels */
static int draw(lb_rng *rng, int pixels)
{
    return (int)lb_rng_below(rng, 2 * (uint64_t)pixels + 1) - pixels;
}

/* Height and width; a sequence [C,L] has height 1. */
static void sizes_of(const lb_shape *shape, int *channels, int *h, int *w)
{
    *channels = shape->rank > 1 ? shape->dim[0] : 1;
    *h = shape->rank > 2 ? shape->dim[1] : 1;
    *w = shape->rank > 0 ? shape->dim[shape->rank - 1] : 1;
}

const char *lb_augment_problem(const lb_augment *augment, const lb_shape *shape)
{
    int channels, h, w;

    sizes_of(shape, &channels, &h, &w);
    if (shape->rank < 2)
        return "it needs samples with a place: images [C,H,W] or sequences [C,L]";
    if (augment->kind == LB_AUGMENT_FLIP)
        return augment->flip == LB_FLIP_VERTICAL && shape->rank < 3
                   ? "a vertical flip needs images [C,H,W]"
                   : NULL;
    if (augment->pixels < 0)
        return "its pixels must not be negative";
    if (augment->pixels >= w || (shape->rank > 2 && augment->pixels >= h))
        return "its pixels must be fewer than the sample is wide and high";
    return NULL;
}

static void compose(const lb_augment *augment, bool has_rows, lb_rng *rng, axis *y,
                    axis *x)
{
    switch (augment->kind) {
    case LB_AUGMENT_SHIFT:
    case LB_AUGMENT_CROP: /* padding and cutting back to the size is a shift */
        if (has_rows)
            axis_then(y, 1, draw(rng, augment->pixels));
        axis_then(x, 1, draw(rng, augment->pixels));
        break;
    case LB_AUGMENT_FLIP:
        if (augment->flip == LB_FLIP_NONE || lb_rng_below(rng, 2) == 0)
            break;
        if (augment->flip == LB_FLIP_HORIZONTAL)
            axis_then(x, -1, x->size - 1);
        else
            axis_then(y, -1, y->size - 1);
        break;
    }
}

/* The row's pixels low..high-1, each a loop of its own so that it is vectorised. */
static void copy_bytes(const axis *x, const uint8_t *row, float *out)
{
    const int low = x->low, high = x->high, offset = x->offset;

    if (x->sign > 0)
        for (int i = low; i < high; i++)
            out[i] = (float)row[offset + i];
    else
        for (int i = low; i < high; i++)
            out[i] = (float)row[offset - i];
}

static void copy_floats(const axis *x, const float *row, float *out)
{
    const int low = x->low, high = x->high, offset = x->offset;

    if (x->sign > 0)
        memcpy(out + low, row + (offset + low), (size_t)(high - low) * sizeof *out);
    else
        for (int i = low; i < high; i++)
            out[i] = row[offset - i];
}

static void write_row(const axis *x, lb_dtype dtype, const void *plane, size_t row,
                      float *out)
{
    const int low = x->low < x->size ? x->low : x->size;
    const int high = x->high > low ? x->high : low;

    memset(out, 0, (size_t)low * sizeof *out);
    if (high > low && dtype == LB_U8)
        copy_bytes(x, (const uint8_t *)plane + row, out);
    else if (high > low)
        copy_floats(x, (const float *)plane + row, out);
    memset(out + high, 0, (size_t)(x->size - high) * sizeof *out);
}

void lb_augment_write(const lb_augment *augments, int n, const lb_shape *shape,
                      lb_rng *rng, lb_dtype dtype, const void *source, float *out)
{
    int channels, h, w;

    sizes_of(shape, &channels, &h, &w);
    axis y = axis_new(h), x = axis_new(w);
    for (int i = 0; i < n; i++)
        compose(&augments[i], shape->rank > 2, rng, &y, &x);
    for (int c = 0; c < channels; c++) {
        for (int row = 0; row < h; row++, out += w) {
            if (row >= y.low && row < y.high) {
                const int in = c * h + y.sign * row + y.offset;
                write_row(&x, dtype, source, (size_t)in * (size_t)w, out);
                continue;
            }
            for (int i = 0; i < w; i++)
                out[i] = 0;
        }
    }
}
