/* rewrite_int.h: what the passes of ops/ share. */
#ifndef LB_OPS_REWRITE_INT_H
#define LB_OPS_REWRITE_INT_H

#include "graph/builder.h"
#include "ops/rewrite.h"

/* The order in which nodes stand after a pass. */
typedef struct lb_order {
    int *node; /* numbers of nodes, as they stand now */
    int n, capacity;
} lb_order;

/* False without memory. */
bool lb_order_add(lb_order *order, lb_arena *arena, int node);

/* Gives the nodes that order; those not in it go, and their outputs become no values. */
lb_code lb_order_apply(lb_graph *graph, const lb_order *order, lb_error *err) LB_MUST_USE;

/* The node that was added last computes v instead of the value made for it. The node that
 * computed v so far must not be in the order. */
void lb_take_over(lb_graph *graph, lb_value v);

/* For each value how many inputs and outputs use it, and one of the nodes that do; lives
 * in the arena, NULL without memory. */
typedef struct lb_use {
    int n, node;
} lb_use;
lb_use *lb_uses_of(const lb_graph *graph);

/* The tensor of a param or constant that has channels elements; else NULL. */
const lb_tensor *lb_channel_tensor(const lb_graph *graph, lb_value v, int channels);

#endif
