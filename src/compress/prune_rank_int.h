/* prune_rank_int.h: what the ranking of units knows of each. */
#ifndef LB_COMPRESS_PRUNE_RANK_INT_H
#define LB_COMPRESS_PRUNE_RANK_INT_H

#include "compress/prune.h"

/* n channels along an axis of a value. */
typedef struct lb_prune_spot {
    int value, axis, n;
} lb_prune_spot;

/* Unit u stands at spot[first_spot[u]..first_spot[u + 1] - 1], by value, and has part in
 * the nodes likewise. */
typedef struct lb_prune_index {
    int *first_spot, *first_node; /* [n_units + 1] */
    lb_prune_spot *spot;
    int *node;
} lb_prune_index;

/* Lives in the arena; false without memory. */
bool lb_prune_index_units(const lb_graph *g, const lb_prune_map *map, lb_arena *arena,
                          lb_prune_index *out);

#endif
