/* network.h: networks as the commands use them. */
#ifndef LB_CLI_NETWORK_H
#define LB_CLI_NETWORK_H

#include "graph/graph.h"

/* Loads and brings into inference form (folded, fused). Owned by the caller. */
lb_code lb_network_open(const char *path, lb_graph **out, lb_error *err) LB_MUST_USE;

#endif
