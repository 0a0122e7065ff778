/* prune.h: structured pruning: which channels of a network can only go together, and a
 * really smaller network without some of them.
 *
 * A *unit* is a set of channels that depend on each other: an output channel of a
 * convolution, its batch norm and the depthwise filter behind it, the channel of another
 * convolution that is added to it, and the slices of all weights that read them (the
 * dependency graph of Fang et al., "DepGraph", CVPR 2023). What reaches the network's
 * output or comes from its input is in no unit and always stays. Value numbers are the
 * same before and after a cut, so that layers which losses look at stay where they are.
 */
#ifndef LB_COMPRESS_PRUNE_H
#define LB_COMPRESS_PRUNE_H

#include "graph/graph.h"

/* Something that makes channels: a convolution, a dense layer. */
typedef struct lb_prune_layer {
    const char *name; /* of its node; borrowed from the graph */
    lb_value out;     /* what it computes */
    int axis;         /* its channels there */
    int n;            /* how many */
    const int *unit;  /* [n] the unit of each; -1: stays */
} lb_prune_layer;

/* What hangs together in a graph, found by lb_prune_ties. Lives in the arena. */
typedef struct lb_prune_map {
    int n_values; /* of the graph */
    int n_units;
    int n_groups;     /* sets of layers whose units are of one kind: tied by additions */
    const int *group; /* [n_units] */
    int n_layers;     /* those with units, in the order in which they run */
    const lb_prune_layer *layer;
    const int **unit; /* [n_values * LB_MAX_RANK]: for axis k of value v at
                         v * LB_MAX_RANK + k the unit of each index, -1: stays; NULL: all
                         stay */
} lb_prune_map;

/* NULL: nothing along that axis ever goes. */
static inline const int *lb_prune_units(const lb_prune_map *map, int value, int axis)
{
    return map->unit[value * LB_MAX_RANK + axis];
}

/* graph: with BatchNormalization not folded (as it is trained) or folded. Operators that
 * have no rule here hold their channels fast. */
lb_code lb_prune_ties(const lb_graph *graph, lb_arena *arena, lb_prune_map *out,
                      lb_error *err) LB_MUST_USE;

/* Takes units out of the graph itself: parameters and constants are replaced by smaller
 * ones in its arena, types are inferred anew. gone: [map->n_units]. Value numbers stay; a
 * constant that holds sizes may be added behind them. After a failure the graph is of no
 * use. LB_ERR_INPUT if a layer would lose its last channel. */
lb_code lb_prune_apply(lb_graph *graph, const lb_prune_map *map, const bool *gone,
                       lb_error *err) LB_MUST_USE;

/* The same for a copy. What is not cut is borrowed from `from`, which must outlive it. */
lb_code lb_prune_cut(const lb_graph *from, const lb_prune_map *map, const bool *gone,
                     lb_graph **out, lb_error *err) LB_MUST_USE;

#endif
