/* network_load.h: networks from files and into files, whatever their format. */
#ifndef LB_RUN_NETWORK_LOAD_H
#define LB_RUN_NETWORK_LOAD_H

#include "base/hash.h"
#include "graph/graph.h"

/* An ONNX file, or a TensorFlow Lite one, as its first bytes say. digest (may be NULL):
 * SHA-256 of the file. */
lb_code lb_network_load(const char *path, lb_graph **out, lb_digest *digest,
                        lb_error *err) LB_MUST_USE;

/* As TensorFlow Lite if the path ends in .tflite (int8 graphs in QDQ form alone), else as
 * ONNX. Atomic. */
lb_code lb_network_save(const lb_graph *graph, const char *path,
                        lb_error *err) LB_MUST_USE;

/* Does lb_network_save write this path as TensorFlow Lite? */
bool lb_network_is_tflite(const char *path);

#endif
