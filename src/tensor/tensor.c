/* tensor.c: element types, shapes, plain arrays. */
#include "tensor/tensor.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
} types[LB_N_DTYPES] = {
    [LB_F32] = {"float32", 4}, [LB_F64] = {"float64", 8}, [LB_I64] = {"int64", 8},
    [LB_I32] = {"int32", 4},   [LB_I8] = {"int8", 1},     [LB_U8] = {"uint8", 1},
    [LB_BOOL] = {"bool", 1},
};

size_t lb_dtype_size(lb_dtype dtype)
{
    return types[dtype].size;
}

const char *lb_dtype_name(lb_dtype dtype)
{
    return types[dtype].name;
}

bool lb_dtype_is_float(lb_dtype dtype)
{
    return dtype == LB_F32 || dtype == LB_F64;
}

lb_shape lb_shape_of(int rank, ...)
{
    lb_shape shape = {.rank = rank};
    va_list args;

    va_start(args, rank);
    for (int i = 0; i < rank && i < LB_MAX_RANK; i++)
        shape.dim[i] = va_arg(args, int);
    va_end(args);
    return shape;
}

bool lb_shape_equal(const lb_shape *a, const lb_shape *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return true;
}

bool lb_shape_count(const lb_shape *shape, size_t *out)
{
    const size_t most = (size_t)1 << 40;
    size_t n = 1;

    for (int i = 0; i < shape->rank; i++) {
        if (shape->dim[i] < 0)
            return false;
        if (!lb_size_mul(n, (size_t)shape->dim[i], &n) || n > most)
            return false;
    }
    *out = n;
    return true;
}

lb_shape lb_shape_bind(const lb_shape *shape, int batch)
{
    lb_shape bound = *shape;

    for (int i = 0; i < bound.rank; i++)
        if (bound.dim[i] == LB_BATCH)
            bound.dim[i] = batch;
    return bound;
}

const char *lb_shape_text(const lb_shape *shape, char out[LB_SHAPE_TEXT])
{
    size_t n = 0;

    out[n++] = '[';
    for (int i = 0; i < shape->rank; i++) {
        const size_t room = (size_t)LB_SHAPE_TEXT - n;
        const char *const comma = i ? "," : "";
        const int wrote = shape->dim[i] == LB_BATCH
                              ? snprintf(out + n, room, "%sN", comma)
                              : snprintf(out + n, room, "%s%d", comma, shape->dim[i]);
        n += (size_t)wrote;
    }
    snprintf(out + n, (size_t)LB_SHAPE_TEXT - n, "]");
    return out;
}

lb_code lb_tensor_new(lb_arena *arena, lb_dtype dtype, const lb_shape *shape,
                      lb_tensor **out, lb_error *err)
{
    char text[LB_SHAPE_TEXT];
    size_t n, bytes;

    if (!lb_shape_count(shape, &n) || !lb_size_mul(n, lb_dtype_size(dtype), &bytes))
        return lb_raise(err, LB_ERR_INPUT, "no tensor can have the shape %s",
                        lb_shape_text(shape, text));
    lb_tensor *const t = LB_TAKE(arena, lb_tensor);
    void *const data = t ? lb_arena_take(arena, bytes) : NULL;
    if (!data)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for a tensor of shape %s",
                        lb_shape_text(shape, text));
    *t = (lb_tensor){dtype, *shape, n, data};
    *out = t;
    return LB_OK;
}

lb_code lb_tensor_copy(lb_arena *arena, const lb_tensor *from, lb_tensor **out,
                       lb_error *err)
{
    lb_tensor *to = NULL;

    LB_TRY(lb_tensor_new(arena, from->dtype, &from->shape, &to, err));
    memcpy(to->data, from->data, lb_tensor_bytes(from));
    *out = to;
    return LB_OK;
}

lb_code lb_tensor_cast(lb_arena *arena, const lb_tensor *from, lb_dtype dtype,
                       lb_tensor **out, lb_error *err)
{
    lb_tensor *to = NULL;

    if (from->dtype == dtype)
        return lb_tensor_copy(arena, from, out, err);
    LB_TRY(lb_tensor_new(arena, dtype, &from->shape, &to, err));
    for (size_t i = 0; i < from->n; i++)
        lb_tensor_put(to, i, lb_tensor_get(from, i));
    *out = to;
    return LB_OK;
}

double lb_tensor_get(const lb_tensor *t, size_t i)
{
    double value = 0;

    lb_widen(t->dtype, (const char *)t->data + i * lb_dtype_size(t->dtype), 1, &value);
    return value;
}

void lb_tensor_put(lb_tensor *t, size_t i, double value)
{
    lb_narrow(t->dtype, &value, 1, (char *)t->data + i * lb_dtype_size(t->dtype));
}

void lb_widen(lb_dtype dtype, const void *from, size_t n, double *to)
{
    switch (dtype) {
    case LB_F32:
        for (size_t i = 0; i < n; i++)
            to[i] = (double)((const float *)from)[i];
        break;
    case LB_F64:
        memcpy(to, from, n * sizeof *to);
        break;
    case LB_I64:
        for (size_t i = 0; i < n; i++)
            to[i] = (double)((const int64_t *)from)[i];
        break;
    case LB_I32:
        for (size_t i = 0; i < n; i++)
            to[i] = (double)((const int32_t *)from)[i];
        break;
    case LB_I8:
        for (size_t i = 0; i < n; i++)
            to[i] = (double)((const int8_t *)from)[i];
        break;
    case LB_U8:
    case LB_BOOL:
        for (size_t i = 0; i < n; i++)
            to[i] = (double)((const uint8_t *)from)[i];
        break;
    case LB_N_DTYPES:
        break;
    }
}

/* Cut towards zero and held inside the type's range, so that no value is undefined. */
static int64_t whole(double value, double low, double high)
{
    if (!(value > low)) /* NaN too */
        return (int64_t)low;
    return value >= high ? (int64_t)high : (int64_t)value;
}

static int64_t whole64(double value)
{
    if (!(value > -0x1p63))
        return INT64_MIN;
    return value >= 0x1p63 ? INT64_MAX : (int64_t)value;
}

void lb_narrow(lb_dtype dtype, const double *from, size_t n, void *to)
{
    switch (dtype) {
    case LB_F32:
        for (size_t i = 0; i < n; i++)
            ((float *)to)[i] = (float)from[i];
        break;
    case LB_F64:
        memcpy(to, from, n * sizeof *from);
        break;
    case LB_I64:
        for (size_t i = 0; i < n; i++)
            ((int64_t *)to)[i] = whole64(from[i]);
        break;
    case LB_I32:
        for (size_t i = 0; i < n; i++)
            ((int32_t *)to)[i] = (int32_t)whole(from[i], INT_MIN, INT_MAX);
        break;
    case LB_I8:
        for (size_t i = 0; i < n; i++)
            ((int8_t *)to)[i] = (int8_t)whole(from[i], -128, 127);
        break;
    case LB_U8:
        for (size_t i = 0; i < n; i++)
            ((uint8_t *)to)[i] = (uint8_t)whole(from[i], 0, 255);
        break;
    case LB_BOOL:
        for (size_t i = 0; i < n; i++)
            ((uint8_t *)to)[i] = from[i] != 0;
        break;
    case LB_N_DTYPES:
        break;
    }
}
