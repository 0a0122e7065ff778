/* layer_list.h: what a network is made of, as `inspect` and `fit` tell it. */
#ifndef LB_CLI_LAYER_LIST_H
#define LB_CLI_LAYER_LIST_H

#include "base/json.h"
#include "graph/graph.h"

typedef struct lb_layer_row {
    const char *name, *op, *output;
    lb_shape shape;
    double macs;
    size_t parameters;
} lb_layer_row;

/* Names are the graph's. */
typedef struct lb_layer_list {
    lb_layer_row *row;
    int n;
    size_t parameters; /* of all */
} lb_layer_list;

/* Nodes in their order; how numbers are stored (QuantizeLinear) is no layer. */
lb_code lb_layer_list_fill(const lb_graph *graph, lb_arena *arena, lb_layer_list *out,
                           lb_error *err) LB_MUST_USE;

/* The key `layers`. */
void lb_layer_list_json(lb_json *json, const lb_layer_list *list);

#endif
