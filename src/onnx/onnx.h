/* onnx.h: ONNX files in (opset 8 to 17) and out (17).
 *
 * Import: inputs' batch dimension becomes LB_BATCH (symbolic, or fixed at 1 by the file);
 * initialisers become params (float, used as weights) or constants; shape computations
 * are folded. What is not supported is refused with node, operator and opset, all at
 * once. */
#ifndef LB_ONNX_ONNX_H
#define LB_ONNX_ONNX_H

#include "base/hash.h"
#include "graph/graph.h"

/* The graph owns its tensors. digest (may be NULL): SHA-256 of the file. */
lb_code lb_onnx_load(const char *path, lb_graph **out, lb_digest *digest,
                     lb_error *err) LB_MUST_USE;
/* The same from memory; `name` is for messages. */
lb_code lb_onnx_parse(const char *name, const uint8_t *data, size_t size, lb_graph **out,
                      lb_error *err) LB_MUST_USE;

/* Atomic. Nodes that ONNX does not have are an LB_ERR_BUG. float32 and float64 graphs. */
lb_code lb_onnx_save(const lb_graph *graph, const char *path, lb_error *err) LB_MUST_USE;

/* Copies weights by name from `from` into the params of `to`; every trained param must be
 * there with its shape, all that differ are listed. For `student.init`. */
lb_code lb_onnx_load_weights(const char *path, lb_graph *to, lb_error *err) LB_MUST_USE;

#endif
