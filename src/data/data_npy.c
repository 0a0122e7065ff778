/* data_npy.c: a folder of x_train, y_train, x_test and y_test .npy (x or X).
 *
 * uint8 [n,H,W], [n,C,H,W] or [n,H,W,C] are images; float32 [n,D], [n,C,L] or four
 * dimensions are taken as they are. Channels in the last place are moved to the first. */
#include "data/data_int.h"

#include "base/file.h"
#include "tensor/npy.h"

#include <limits.h>
#include <math.h>

typedef struct array {
    const char *path;
    lb_tensor *tensor;
} array;

static lb_code load(lb_arena *arena, const char *folder, char letter, const char *rest,
                    array *out, lb_error *err)
{
    const char letters[2] = {letter, (char)(letter - 'a' + 'A')};

    for (int i = 0; i < 2; i++) {
        const char *const path =
            lb_arena_text(arena, "%s/%c_%s.npy", folder, letters[i], rest);
        if (!path)
            return lb_raise(err, LB_ERR_MEMORY, "no memory to open '%s'", folder);
        if (!lb_file_exists(path))
            continue;
        out->path = path;
        return lb_npy_load(arena, path, LB_DATA_MOST_BYTES, &out->tensor, err);
    }
    return lb_raise(err, LB_ERR_INPUT, "the folder '%s' has no %c_%s.npy", folder, letter,
                    rest);
}

static bool few(int channels)
{
    return channels == 1 || channels == 3 || channels == 4;
}

static bool channels_last(const lb_shape *shape)
{
    return shape->rank == 4 && few(shape->dim[3]) && !few(shape->dim[1]);
}

/* [n,H,W,C] to [n,C,H,W] in new memory. */
static lb_code move_channels(lb_arena *arena, array *x, lb_error *err)
{
    const lb_tensor *const from = x->tensor;
    const int *const dim = from->shape.dim;
    const lb_shape shape = lb_shape_of(4, dim[0], dim[3], dim[1], dim[2]);
    const size_t size = lb_dtype_size(from->dtype), channels = (size_t)dim[3];
    const size_t area = (size_t)dim[1] * (size_t)dim[2];
    lb_tensor *to = NULL;

    LB_TRY(lb_tensor_new(arena, from->dtype, &shape, &to, err));
    for (size_t i = 0; i < from->n; i++) {
        const size_t n = i / (area * channels), c = i / area % channels, at = i % area;
        const size_t source = (n * area + at) * channels + c;
        if (size == 1)
            ((uint8_t *)to->data)[i] = ((const uint8_t *)from->data)[source];
        else
            ((float *)to->data)[i] = ((const float *)from->data)[source];
    }
    x->tensor = to;
    return LB_OK;
}

static lb_code check_values(const array *x, lb_error *err)
{
    const lb_tensor *const t = x->tensor;

    if (t->dtype != LB_U8 && t->dtype != LB_F32)
        return lb_raise(err, LB_ERR_INPUT, "%s: samples must be uint8 or float32, not %s",
                        x->path, lb_dtype_name(t->dtype));
    if (t->shape.rank < 2 || t->shape.rank > 4)
        return lb_raise(err, LB_ERR_INPUT,
                        "%s: samples need 2 to 4 dimensions, [n,...], not %d", x->path,
                        t->shape.rank);
    for (size_t i = 0; t->dtype == LB_F32 && i < t->n; i++)
        if (!isfinite(((const float *)t->data)[i]))
            return lb_raise(err, LB_ERR_INPUT, "%s: value %zu is not a finite number",
                            x->path, i);
    return LB_OK;
}

/* Without n; images without a channel get one. */
static lb_shape shape_of(const lb_tensor *t)
{
    const int *const dim = t->shape.dim;

    if (t->shape.rank == 2)
        return lb_shape_of(1, dim[1]);
    if (t->shape.rank == 4)
        return lb_shape_of(3, dim[1], dim[2], dim[3]);
    return t->dtype == LB_U8 ? lb_shape_of(3, 1, dim[1], dim[2])
                             : lb_shape_of(2, dim[1], dim[2]);
}

static lb_code make_part(lb_arena *arena, array *x, const array *y, lb_part *out,
                         lb_error *err)
{
    const lb_tensor *const labels = y->tensor;

    LB_TRY(check_values(x, err));
    if (lb_dtype_is_float(labels->dtype))
        return lb_raise(err, LB_ERR_INPUT, "%s: labels must be whole numbers, not %s",
                        y->path, lb_dtype_name(labels->dtype));
    if (labels->shape.rank < 1 || labels->n != (size_t)labels->shape.dim[0])
        return lb_raise(err, LB_ERR_INPUT, "%s: labels must have one dimension, [n]",
                        y->path);
    const int n = x->tensor->shape.dim[0];
    if (labels->n != (size_t)n)
        return lb_raise(err, LB_ERR_INPUT, "%s holds %zu labels, but %s holds %d samples",
                        y->path, labels->n, x->path, n);
    int32_t *const label = LB_TAKE_ARRAY(arena, n, int32_t);
    if (!label)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for %d labels", n);
    for (int i = 0; i < n; i++) {
        const double value = lb_tensor_get(labels, (size_t)i);
        if (value < 0 || value > INT_MAX)
            return lb_raise(err, LB_ERR_INPUT,
                            "%s: label %.0f at index %d is out of range; labels count "
                            "from 0",
                            y->path, value, i);
        label[i] = (int32_t)value;
    }
    if (channels_last(&x->tensor->shape))
        LB_TRY(move_channels(arena, x, err));
    *out = (lb_part){n, x->tensor->dtype, x->tensor->data, label};
    return LB_OK;
}

static lb_code open_npy(const char *path, lb_arena *arena, lb_content *out, lb_error *err)
{
    array x[2] = {0}, y[2] = {0};
    lb_content content = {0};

    if (!lb_file_exists(path))
        return lb_raise(err, LB_ERR_INPUT, "there is no folder '%s'", path);
    LB_TRY(load(arena, path, 'x', "train", &x[0], err));
    LB_TRY(load(arena, path, 'y', "train", &y[0], err));
    LB_TRY(load(arena, path, 'x', "test", &x[1], err));
    LB_TRY(load(arena, path, 'y', "test", &y[1], err));
    LB_TRY(make_part(arena, &x[0], &y[0], &content.train, err));
    LB_TRY(make_part(arena, &x[1], &y[1], &content.test, err));
    content.shape = shape_of(x[0].tensor);
    const lb_shape test = shape_of(x[1].tensor);
    if (!lb_shape_equal(&content.shape, &test) ||
        x[0].tensor->dtype != x[1].tensor->dtype)
        return lb_raise(err, LB_ERR_INPUT, "%s and %s differ in shape or element type",
                        x[0].path, x[1].path);
    content.is_image = content.train.dtype == LB_U8 && x[0].tensor->shape.rank > 2;
    LB_TRY(lb_content_count_classes(&content, y[0].path, y[1].path, err));
    *out = content;
    return LB_OK;
}

static lb_code open_samples(const char *path, lb_arena *arena, lb_content *out,
                            lb_error *err)
{
    array x = {0};

    if (!lb_file_exists(path))
        return lb_raise(err, LB_ERR_INPUT, "there is no folder '%s'", path);
    LB_TRY(load(arena, path, 'x', "train", &x, err));
    LB_TRY(check_values(&x, err));
    if (channels_last(&x.tensor->shape))
        LB_TRY(move_channels(arena, &x, err));
    const lb_tensor *const t = x.tensor;
    *out = (lb_content){.shape = shape_of(t),
                        .train = {t->shape.dim[0], t->dtype, t->data, NULL},
                        .is_image = t->dtype == LB_U8 && t->shape.rank > 2};
    return LB_OK;
}

const lb_source lb_source_npy = {
    .name = "npy",
    .help = "a folder of x_train, y_train, x_test and y_test .npy",
    .open = open_npy,
    .open_samples = open_samples,
};
