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

/* The same for output k of that node. */
void lb_take_over_output(lb_graph *graph, int k, lb_value v);

/* For each value how many inputs and outputs use it, and one of the nodes that do; lives
 * in the arena, NULL without memory. */
typedef struct lb_use {
    int n, node;
} lb_use;
lb_use *lb_uses_of(const lb_graph *graph);

/* fuse_chain.c: a head -> [Add of an equal shape] -> [Relu or Clip], where nobody else
 * sees what is between. Heads are asked from the last to the first: where two meet in one
 * Add, the later one takes it and the other's result is the residual. */
typedef struct lb_chain {
    int head, add, activation; /* nodes; -1: none */
    int last;                  /* the one that stands last */
    lb_value residual;
} lb_chain;

/* A pass that puts one node in the place of several. */
typedef struct lb_fusion {
    lb_graph *g;
    const lb_use *use; /* of the values that were there at the start */
    bool *taken;       /* nodes that have become part of another */
    int *place;        /* the node that stands here instead; 0: none */
    int n_nodes;       /* at the start */
} lb_fusion;

/* False without memory. */
bool lb_fusion_begin(lb_fusion *f, lb_graph *graph);
/* Orders the graph anew and removes what is dead. */
lb_code lb_fusion_end(lb_fusion *f, lb_error *err) LB_MUST_USE;

/* False if nothing behind the head can be fused. */
bool lb_chain_find(const lb_fusion *f, int head, lb_chain *out);
/* The node added last stands for the chain, at the place of its last node. */
void lb_chain_replace(lb_fusion *f, const lb_chain *chain);

/* The attributes that say what a Relu, a Clip or the gradient of one does; limits is room
 * for them. Returns how many: 0 for other nodes. */
int lb_activation_attrs(const lb_graph *graph, const lb_node *node, lb_attr *attrs,
                        double limits[2]);

/* The tensor of a param or constant that has channels elements; else NULL. */
const lb_tensor *lb_channel_tensor(const lb_graph *graph, lb_value v, int channels);

#endif
