/* prune_int.h: what the files of pruning share. */
#ifndef LB_COMPRESS_PRUNE_INT_H
#define LB_COMPRESS_PRUNE_INT_H

#include "compress/prune.h"

/* The search for what hangs together. Each index along each axis of a value has a label;
 * labels of what must go together are joined (union and find). Label 0 stays for good. An
 * axis without labels is all zeros. After a failure (no memory) every call does nothing.
 */
typedef struct lb_ties {
    const lb_graph *g;
    lb_arena *arena;
    bool failed;
    int *parent, n_labels, capacity;
    int *kin, kin_capacity; /* the same for layers: labels of channels of one kind */
    int **label;            /* [n_values * LB_MAX_RANK] */
    lb_prune_layer *layer;  /* unit: still labels */
    int n_layers, layers_capacity;
} lb_ties;

/* prune_labels.c. False without memory. */
bool lb_ties_begin(lb_ties *t, const lb_graph *graph, lb_arena *arena);
int lb_ties_root(const lb_ties *t, int label);
int lb_ties_kin(const lb_ties *t, int label);
/* Of a value along an axis; may be LB_BATCH. */
int lb_ties_dim(const lb_ties *t, lb_value v, int axis);
/* A parameter or constant. */
bool lb_ties_is_stored(const lb_ties *t, lb_value v);
void lb_ties_join(lb_ties *t, int a, int b);

/* The labels along an axis of a value; NULL: all stay. A parameter or constant that
 * nobody has used yet gets new ones. */
int *lb_ties_along(lb_ties *t, lb_value v, int axis);
void lb_ties_set(lb_ties *t, lb_value v, int axis, int *labels);
/* Room for n labels, all 0. */
int *lb_ties_row(lb_ties *t, int n);

/* All along the axis stays. */
void lb_ties_pin(lb_ties *t, lb_value v, int axis);
/* Index i of the one goes with index i of the other; n: of both. */
void lb_ties_pair(lb_ties *t, lb_value a, int a_axis, lb_value b, int b_axis);
/* The node makes new channels along that axis of its output, by a parameter. */
void lb_ties_make(lb_ties *t, const lb_node *node, int axis, lb_value weight,
                  int weight_axis);

/* prune_rules.c: what one node ties. */
void lb_ties_node(lb_ties *t, const lb_node *node);
/* All of a value stays. */
void lb_ties_pin_all(lb_ties *t, lb_value v);

/* prune_shape.c: Reshape and its like: the same elements, in row-major order. */
void lb_ties_reshape(lb_ties *t, const lb_node *node);

/* prune_drop.c: the graph without the blocks that are marked, and what is dead then;
 * types stay. */
lb_code lb_prune_drop(lb_graph *g, const lb_prune_map *map, const bool *gone,
                      lb_error *err) LB_MUST_USE;

/* The whole numbers of a constant input; how many, at most `most`; 0 if it is left out.
 */
int lb_prune_ints(const lb_graph *g, const lb_node *node, int input, int64_t *out,
                  int most);

#endif
