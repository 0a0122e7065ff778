/* nat_util.h: what the native kernels share. */
#ifndef LB_ENGINE_NATIVE_NAT_UTIL_H
#define LB_ENGINE_NATIVE_NAT_UTIL_H

#include "engine/kernel.h"

/* Compiled once for each class of CPU and chosen at start. Sums are written lane by lane,
 * so that the width of the vectors never changes a result. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__)
#define LB_CLONES \
    __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define LB_CLONES
#endif

enum { LB_MOST_BLOCK = 16 };

/* A blocked tensor of a group: [samples, blocks, inner, block]. */
typedef struct lb_nat_dims {
    int samples, channels, blocks, inner, block;
    int batch; /* of the whole batch */
} lb_nat_dims;

lb_nat_dims lb_nat_dims_of(const lb_ask *ask, const lb_type *type);

/* True if the operand is float32 and may be blocked: batched, of rank 3 or 4. */
bool lb_nat_blockable(const lb_ask *ask, int input);

/* Elements of an operand in a layout. */
size_t lb_nat_count(const lb_ask *ask, const lb_type *type, lb_layout layout);

/* Copies a state into the arena. */
lb_code lb_nat_keep(lb_arena *arena, const void *state, size_t size, void **out,
                    lb_error *err) LB_MUST_USE;

#endif
