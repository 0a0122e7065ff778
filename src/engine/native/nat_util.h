/* nat_util.h: what the native kernels share.
 *
 * Kernels are plain loops that compilers vectorise, LB_NAT_CLONES for several generations
 * of CPUs. Blocks of 8
 * and of 16 floats are both walked 16 floats at a time: with blocks of 8 that is two
 * pixels at once, so lanes k and k + 8 belong to one channel. */
#ifndef LB_ENGINE_NATIVE_NAT_UTIL_H
#define LB_ENGINE_NATIVE_NAT_UTIL_H

#include "base/clones.h"
#include "engine/kernel.h"

#include <string.h>

#define LB_NAT_CLONES LB_CLONES

/* Before a loop whose operands are the same array or do not touch. */
#if defined(__GNUC__) && !defined(__clang__)
#define LB_NAT_LANES _Pragma("GCC ivdep")
#else
#define LB_NAT_LANES
#endif

enum { LB_NAT_WIDE = 16 };

/* 16 floats, at any address of a float. */
typedef float lb_nat_wide
    __attribute__((vector_size(LB_NAT_WIDE * sizeof(float)), aligned(4), may_alias));

/* Half of that, and what comparing two of them gives: all bits set, or none. */
enum { LB_NAT_HALF = 8 };
typedef float lb_nat_half
    __attribute__((vector_size(LB_NAT_HALF * sizeof(float)), aligned(4), may_alias));
typedef int lb_nat_mask __attribute__((vector_size(LB_NAT_HALF * sizeof(int))));

/* A blocked value as kernels walk it. */
typedef struct lb_nat_blocks {
    int n, blocks, block, channels;
    int h, w;
    size_t inner; /* pixels */
} lb_nat_blocks;

/* Of a bound shape of rank 3 or 4. */
lb_nat_blocks lb_nat_blocks_of(const lb_shape *shape, int block);

/* All inputs that are there and all outputs are float32. */
bool lb_nat_floats(const lb_ask *ask);

/* True if input k can be had in blocks: batched and of rank 3 or 4. */
bool lb_nat_can_block(const lb_ask *ask, int k);

/* For kernels that work on memory as it lies: inputs 0..n-1 and the result, all of one
 * shape, get one layout, blocked if any input is. Returns the floats of an operand; 0 if
 * it cannot be done. */
size_t lb_nat_alike(lb_ask *ask, int n);
/* The same number once layouts have been settled. */
size_t lb_nat_count(const lb_ask *ask);

/* The limits of the activation that a fused node ends in; false if it has none. */
bool lb_nat_clip_of(const lb_node *node, float *low, float *high);

lb_code lb_nat_no_memory(lb_error *err);

#endif
