/* network.h: networks as the commands use them. */
#ifndef LB_CLI_NETWORK_H
#define LB_CLI_NETWORK_H

#include "device/device.h"
#include "graph/graph.h"

/* Loads and brings into inference form (folded, fused). Owned by the caller. */
lb_code lb_network_open(const char *path, lb_graph **out, lb_error *err) LB_MUST_USE;

/* The same for a graph that was loaded, in place. */
lb_code lb_network_infer(lb_graph *graph, lb_error *err) LB_MUST_USE;

/* A row of the device table; NULL for a name that is NULL. */
lb_code lb_network_device(const char *name, const lb_device **out,
                          lb_error *err) LB_MUST_USE;

#endif
