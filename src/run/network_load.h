/* network_load.h: networks from files, whatever their format. */
#ifndef LB_RUN_NETWORK_LOAD_H
#define LB_RUN_NETWORK_LOAD_H

#include "base/hash.h"
#include "graph/graph.h"

/* An ONNX file, or a TensorFlow Lite one, as its first bytes say. digest (may be NULL):
 * SHA-256 of the file. */
lb_code lb_network_load(const char *path, lb_graph **out, lb_digest *digest,
                        lb_error *err) LB_MUST_USE;

#endif
