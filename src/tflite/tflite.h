/* tflite.h: TensorFlow Lite files in and out.
 *
 * A .tflite file of int8 becomes a graph in ONNX's QDQ form: every int8 tensor of the
 * file is QuantizeLinear and DequantizeLinear behind the node that computes it; inputs
 * and outputs of the graph are float32, in the units that the file's scales say. A file
 * of float32 (float16 or int8 weights are widened) becomes an ordinary graph.
 *
 * The file is channels-last, the graph is not: [1,H,W,C] becomes [N,C,H,W], [1,L,C]
 * becomes [N,C,L], [1,D] becomes [N,D]; the batch of 1 is opened. The elements of a
 * flattened map stand in ONNX's order in the graph; the weights of the dense layers
 * behind it are reordered to match, and where something else reads it, a Transpose keeps
 * the file's order. What is not supported is refused with operator and tensor, all at
 * once. */
#ifndef LB_TFLITE_TFLITE_H
#define LB_TFLITE_TFLITE_H

#include "base/hash.h"
#include "graph/graph.h"

/* Do these first bytes of a file say that it is TensorFlow Lite's? 8 are looked at. */
bool lb_tflite_is(const uint8_t *data, size_t size);

/* The graph owns its tensors. digest (may be NULL): SHA-256 of the file. */
lb_code lb_tflite_load(const char *path, lb_graph **out, lb_digest *digest,
                       lb_error *err) LB_MUST_USE;
/* The same from memory; `name` is for messages. */
lb_code lb_tflite_parse(const char *name, const uint8_t *data, size_t size,
                        lb_graph **out, lb_error *err) LB_MUST_USE;

/* Writes a graph in QDQ form (every activation on one int8 grid, weights and biases
 * behind DequantizeLinear with zero point 0) as an int8 file: inputs and outputs are
 * int8, channels last. Pads that are not SAME become PAD. What the file has no operator
 * for is refused by node, all at once. Atomic. */
lb_code lb_tflite_save(const lb_graph *graph, const char *path,
                       lb_error *err) LB_MUST_USE;

#endif
