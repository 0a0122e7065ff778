/* nodes.h: what a graph is made of. */
#ifndef LB_TESTS_NODES_H
#define LB_TESTS_NODES_H

#include "graph/graph.h"

#include <string.h>

/* Nodes of an operator. */
static inline int count_nodes(const lb_graph *g, const char *op)
{
    int n = 0;

    for (int i = 0; i < g->n_nodes; i++)
        n += strcmp(g->nodes[i].op->name, op) == 0;
    return n;
}

#endif
