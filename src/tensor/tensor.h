/* tensor.h: element types, shapes and plain arrays.
 *
 * A tensor is dense and row-major ("plain"); blocked layouts exist only inside the
 * engine. Shapes may hold LB_BATCH, the batch size that is bound when a plan is
 * compiled; a tensor's own shape never does. */
#ifndef LB_TENSOR_TENSOR_H
#define LB_TENSOR_TENSOR_H

#include "base/arena.h"

enum { LB_MAX_RANK = 6 };

/* Stands for the batch size in the shape of a graph's value. Only dimension 0 is split
 * over threads; elsewhere (the Gram matrix of a batch) values are gathered. */
enum { LB_BATCH = -1 };

typedef enum lb_dtype {
    LB_F32,
    LB_F64,
    LB_I64,
    LB_I32,
    LB_I8,
    LB_U8,
    LB_BOOL,
    LB_N_DTYPES
} lb_dtype;

size_t lb_dtype_size(lb_dtype dtype);
const char *lb_dtype_name(lb_dtype dtype); /* "float32", ... */
bool lb_dtype_is_float(lb_dtype dtype);

typedef struct lb_shape {
    int rank; /* 0..LB_MAX_RANK; 0 is a scalar */
    int dim[LB_MAX_RANK];
} lb_shape;

/* lb_shape_of(2, 3, 4) is [3,4]. */
lb_shape lb_shape_of(int rank, ...);
bool lb_shape_equal(const lb_shape *a, const lb_shape *b);

/* True, and the number of elements in *out, unless a dimension is LB_BATCH or negative
 * or the product passes 2^40. */
bool lb_shape_count(const lb_shape *shape, size_t *out);

/* The shape with LB_BATCH replaced by batch. */
lb_shape lb_shape_bind(const lb_shape *shape, int batch);

/* "[N,3,32,32]" (LB_BATCH prints as N) into out. */
enum { LB_SHAPE_TEXT = 96 };
const char *lb_shape_text(const lb_shape *shape, char out[LB_SHAPE_TEXT]);

typedef struct lb_tensor {
    lb_dtype dtype;
    lb_shape shape;
    size_t n; /* elements */
    void *data;
} lb_tensor;

/* A zeroed tensor that lives in the arena. */
lb_code lb_tensor_new(lb_arena *arena, lb_dtype dtype, const lb_shape *shape,
                      lb_tensor **out, lb_error *err) LB_MUST_USE;
lb_code lb_tensor_copy(lb_arena *arena, const lb_tensor *from, lb_tensor **out,
                       lb_error *err) LB_MUST_USE;
/* A copy with another element type (numbers are rounded or cut as C does). */
lb_code lb_tensor_cast(lb_arena *arena, const lb_tensor *from, lb_dtype dtype,
                       lb_tensor **out, lb_error *err) LB_MUST_USE;

static inline size_t lb_tensor_bytes(const lb_tensor *t)
{
    return t->n * lb_dtype_size(t->dtype);
}

/* Element i as a double, whatever the element type, and the way back. */
double lb_tensor_get(const lb_tensor *t, size_t i);
void lb_tensor_put(lb_tensor *t, size_t i, double value);

/* Whole runs of elements between an element type and double. */
void lb_widen(lb_dtype dtype, const void *from, size_t n, double *to);
void lb_narrow(lb_dtype dtype, const double *from, size_t n, void *to);

#endif
