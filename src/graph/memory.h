/* memory.h: places buffers with known lifetimes in one stretch of memory.
 *
 * Used for the engine's arenas and for the firmware's: greedy by size, each buffer at
 * the lowest place that is free during its life (Pisarchyk and Lee, 2020,
 * arXiv:2001.03288, "greedy by size"), the best of a few orders. */
#ifndef LB_GRAPH_MEMORY_H
#define LB_GRAPH_MEMORY_H

#include "base/arena.h"

typedef struct lb_piece {
    size_t size;     /* bytes; 0 takes no place */
    int first, last; /* the steps during which it is alive, both included */
    size_t offset;   /* out */
} lb_piece;

/* align: a power of two. *total: bytes needed. Ties are broken by index. */
lb_code lb_memory_plan(lb_piece *pieces, int n, size_t align, size_t *total,
                       lb_error *err) LB_MUST_USE;

/* The most bytes alive at any one step: no plan can need less. */
size_t lb_memory_bound(const lb_piece *pieces, int n);

#endif
