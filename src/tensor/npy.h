/* npy.h: NumPy's .npy files, versions 1 to 3 (NEP 1), little endian, C order.
 * float32, float64, int64, int32, int8, uint8 and bool. */
#ifndef LB_TENSOR_NPY_H
#define LB_TENSOR_NPY_H

#include "tensor/tensor.h"

/* The tensor lives in the arena. `most` bounds the file's size in bytes. */
lb_code lb_npy_load(lb_arena *arena, const char *path, size_t most, lb_tensor **out,
                    lb_error *err) LB_MUST_USE;
/* The same from memory; `name` is for messages. */
lb_code lb_npy_parse(lb_arena *arena, const char *name, const uint8_t *data, size_t size,
                     lb_tensor **out, lb_error *err) LB_MUST_USE;
lb_code lb_npy_save(const lb_tensor *tensor, const char *path, lb_error *err) LB_MUST_USE;

#endif
