/* onnx_tensor.c: tensors as ONNX stores them.
 *
 * A tensor's elements stand in raw_data (little endian, as limbeck's machines are) or in
 * the field of their type; the smaller integers share int32_data. Nothing is taken before
 * the elements that the shape promises have been counted. */
#include "onnx/onnx_int.h"

#include <limits.h>
#include <string.h>

typedef struct type_row {
    int32_t number;
    lb_dtype dtype; /* LB_N_DTYPES: limbeck has none */
    const char *name;
} type_row;

static const type_row types[] = {
    {ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, LB_F32, "float32"},
    {ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE, LB_F64, "float64"},
    {ONNX__TENSOR_PROTO__DATA_TYPE__INT64, LB_I64, "int64"},
    {ONNX__TENSOR_PROTO__DATA_TYPE__INT32, LB_I32, "int32"},
    {ONNX__TENSOR_PROTO__DATA_TYPE__INT8, LB_I8, "int8"},
    {ONNX__TENSOR_PROTO__DATA_TYPE__UINT8, LB_U8, "uint8"},
    {ONNX__TENSOR_PROTO__DATA_TYPE__BOOL, LB_BOOL, "bool"},
    {ONNX__TENSOR_PROTO__DATA_TYPE__UINT16, LB_N_DTYPES, "uint16"},
    {ONNX__TENSOR_PROTO__DATA_TYPE__INT16, LB_N_DTYPES, "int16"},
    {ONNX__TENSOR_PROTO__DATA_TYPE__STRING, LB_N_DTYPES, "string"},
    {ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16, LB_N_DTYPES, "float16"},
    {ONNX__TENSOR_PROTO__DATA_TYPE__UINT32, LB_N_DTYPES, "uint32"},
    {ONNX__TENSOR_PROTO__DATA_TYPE__UINT64, LB_N_DTYPES, "uint64"},
    {ONNX__TENSOR_PROTO__DATA_TYPE__COMPLEX64, LB_N_DTYPES, "complex64"},
    {ONNX__TENSOR_PROTO__DATA_TYPE__COMPLEX128, LB_N_DTYPES, "complex128"},
    {ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16, LB_N_DTYPES, "bfloat16"},
};

static const type_row *find_type(int32_t number)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].number == number)
            return &types[i];
    return NULL;
}

bool lb_onnx_dtype_in(int32_t number, lb_dtype *out)
{
    const type_row *const row = find_type(number);

    if (!row || row->dtype == LB_N_DTYPES)
        return false;
    *out = row->dtype;
    return true;
}

int32_t lb_onnx_dtype_out(lb_dtype dtype)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].dtype == dtype)
            return types[i].number;
    return ONNX__TENSOR_PROTO__DATA_TYPE__UNDEFINED;
}

const char *lb_onnx_dtype_name(int32_t number)
{
    const type_row *const row = find_type(number);

    return row ? row->name : "unknown";
}

static lb_code read_shape(const Onnx__TensorProto *proto, const char *what,
                          lb_shape *shape, size_t *n, lb_error *err)
{
    if (proto->n_dims > LB_MAX_RANK)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "%s has %zu dimensions; at most %d are supported", what,
                        proto->n_dims, (int)LB_MAX_RANK);
    *shape = (lb_shape){.rank = (int)proto->n_dims};
    for (int i = 0; i < shape->rank; i++) {
        if (proto->dims[i] < 0 || proto->dims[i] > INT_MAX)
            return lb_raise(err, LB_ERR_INPUT,
                            "%s: dimension %d must be between 0 and %d, not %lld", what,
                            i, INT_MAX, (long long)proto->dims[i]);
        shape->dim[i] = (int)proto->dims[i];
    }
    if (!lb_shape_count(shape, n))
        return lb_raise(err, LB_ERR_INPUT, "%s has too many elements", what);
    return LB_OK;
}

/* How many elements stand in the field of the tensor's type. */
static size_t typed_count(const Onnx__TensorProto *proto, lb_dtype dtype)
{
    switch (dtype) {
    case LB_F32:
        return proto->n_float_data;
    case LB_F64:
        return proto->n_double_data;
    case LB_I64:
        return proto->n_int64_data;
    case LB_I32:
    case LB_I8:
    case LB_U8:
    case LB_BOOL:
        return proto->n_int32_data;
    case LB_N_DTYPES:
        break;
    }
    return 0;
}

static void copy_small(const int32_t *from, size_t n, lb_dtype dtype, void *to)
{
    uint8_t *const bytes = to;

    for (size_t i = 0; i < n; i++)
        bytes[i] = dtype == LB_BOOL ? from[i] != 0 : (uint8_t)((uint32_t)from[i] & 0xff);
}

static void copy_typed(const Onnx__TensorProto *proto, lb_tensor *t)
{
    if (t->n == 0)
        return;
    switch (t->dtype) {
    case LB_F32:
        memcpy(t->data, proto->float_data, lb_tensor_bytes(t));
        break;
    case LB_F64:
        memcpy(t->data, proto->double_data, lb_tensor_bytes(t));
        break;
    case LB_I64:
        memcpy(t->data, proto->int64_data, lb_tensor_bytes(t));
        break;
    case LB_I32:
        memcpy(t->data, proto->int32_data, lb_tensor_bytes(t));
        break;
    case LB_I8:
    case LB_U8:
    case LB_BOOL:
        copy_small(proto->int32_data, t->n, t->dtype, t->data);
        break;
    case LB_N_DTYPES:
        break;
    }
}

/* A bool must be 0 or 1 in memory, whatever the file says. */
static void copy_raw(const Onnx__TensorProto *proto, lb_tensor *t)
{
    uint8_t *const bytes = t->data;

    if (t->n == 0)
        return;
    memcpy(t->data, proto->raw_data.data, lb_tensor_bytes(t));
    for (size_t i = 0; t->dtype == LB_BOOL && i < t->n; i++)
        bytes[i] = bytes[i] != 0;
}

lb_code lb_onnx_tensor_in(const Onnx__TensorProto *proto, const char *what,
                          lb_arena *arena, lb_tensor **out, lb_error *err)
{
    const int32_t number = proto->has_data_type ? proto->data_type : 0;
    lb_shape shape;
    lb_dtype dtype;
    size_t n, bytes;

    if (proto->n_external_data || proto->data_location == 1)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "%s keeps its elements in another file; save the network as a "
                        "single file",
                        what);
    if (!lb_onnx_dtype_in(number, &dtype))
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "%s has element type %s (%d); export the network in float32",
                        what, lb_onnx_dtype_name(number), number);
    LB_TRY(read_shape(proto, what, &shape, &n, err));
    if (!lb_size_mul(n, lb_dtype_size(dtype), &bytes))
        return lb_raise(err, LB_ERR_INPUT, "%s has too many elements", what);
    if (proto->has_raw_data ? proto->raw_data.len != bytes
                            : typed_count(proto, dtype) != n)
        return lb_raise(
            err, LB_ERR_INPUT, "%s should hold %zu elements of %s, but holds %zu %s",
            what, n, lb_dtype_name(dtype),
            proto->has_raw_data ? proto->raw_data.len : typed_count(proto, dtype),
            proto->has_raw_data ? "bytes" : "elements");
    LB_TRY(lb_tensor_new(arena, dtype, &shape, out, err));
    if (proto->has_raw_data)
        copy_raw(proto, *out);
    else
        copy_typed(proto, *out);
    return LB_OK;
}
