/* network.h: ONNX files as the commands use them. */
#ifndef LB_CLI_NETWORK_H
#define LB_CLI_NETWORK_H

#include "data/data.h"
#include "graph/graph.h"

/* Loads and brings into inference form (folded, fused). Owned by the caller. */
lb_code lb_network_open(const char *path, lb_graph **out, lb_error *err) LB_MUST_USE;

/* Checks that the graph takes samples of this shape as its only input, and finds its
 * layout. path: for messages. */
lb_code lb_network_fit_input(const lb_graph *graph, const char *path,
                             const lb_shape *sample, lb_input_options *options,
                             lb_error *err) LB_MUST_USE;

#endif
