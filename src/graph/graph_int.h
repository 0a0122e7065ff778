/* graph_int.h: what only graph/ may use. */
#ifndef LB_GRAPH_GRAPH_INT_H
#define LB_GRAPH_GRAPH_INT_H

#include "graph/graph.h"

/* A deep copy, except for tensors, which are shared; NULL without memory. */
const lb_attr *lb_attrs_copy(lb_arena *arena, const lb_attr *attrs, int n);

/* A new value with a name of its own; {0} without memory. */
lb_value lb_graph_new_value(lb_graph *graph, const char *name, lb_value_kind kind,
                            const lb_type *type);

/* Makes a value findable under its name (again, after a rename); false without memory. */
bool lb_graph_index(lb_graph *graph, int id);

/* Appends to one of the graph's lists of values; false without memory. */
bool lb_graph_append(lb_graph *graph, lb_value **list, int *n, int *capacity, lb_value v);

#endif
