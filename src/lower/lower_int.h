/* lower_int.h: what the files of lower/ share. */
#ifndef LB_LOWER_LOWER_INT_H
#define LB_LOWER_LOWER_INT_H

#include "lower/lower.h"

/* Where a value of the graph lies. */
typedef struct lb_spot {
    bool known;
    bool mixed; /* a vector whose elements lie as the channels-last map of its buffer:
                   only dense layers, whose weights are reordered for it, may read it */
    int buffer;
} lb_spot;

/* How a value of a quantised graph is stored. */
typedef struct lb_stored {
    bool known;
    lb_qparams q;             /* of what steps compute */
    const lb_tensor *integer; /* of weights and biases: int8 or int32 */
    const lb_tensor *scales;  /* ... [1], or one for each index of `axis` */
    int axis;
} lb_stored;

/* A step under construction; its weights may still change. */
typedef struct lb_draft {
    float *weight, *bias;
    lb_value weight_value, bias_value; /* {0}: none */
    int channel_axis;                  /* of the weights' output channels */
} lb_draft;

typedef struct lb_lowering {
    const lb_graph *graph; /* folded and fused */
    lb_arena *arena;
    lb_low *low;
    lb_spot *spot;           /* [n_values] */
    lb_draft *draft;         /* of each step */
    int *maker;              /* of each buffer: the step that writes it; -1: none */
    const lb_stored *stored; /* [n_values] of a quantised graph, whose weights hold the
                                integers; NULL: fp32 */
    lb_rounding rounding;
} lb_lowering;

/* Lowers one node. LB_ERR_UNSUPPORTED: no device step does this; the text says why. */
typedef lb_code (*lb_lower_node)(lb_lowering *l, const lb_node *node, lb_error *err);

/* NULL if no device step exists for the operator. */
lb_lower_node lb_lower_find(const char *op_name);

/* [H,W,C] of a batched value; UNSUPPORTED if it has none. */
lb_code lb_low_dims_of(const lb_type *type, lb_low_dims *out, lb_error *err) LB_MUST_USE;

/* The buffer of the node's input i; UNSUPPORTED for a constant or a mixed vector. */
lb_code lb_low_source(const lb_lowering *l, const lb_node *node, int i, int *buffer,
                      lb_error *err) LB_MUST_USE;

/* The tensor of a constant or a parameter, or NULL. */
const lb_tensor *lb_low_constant(const lb_lowering *l, const lb_node *node, int i);

/* A buffer for the node's output. */
lb_code lb_low_result(lb_lowering *l, const lb_node *node, int *buffer,
                      lb_error *err) LB_MUST_USE;

/* Appends a step without weights that reads `in` and writes `out`. */
lb_low_step *lb_low_append(lb_lowering *l, lb_low_kind kind, const lb_node *node, int in,
                           int out);

/* Takes zeroed weights and biases for the step that was appended last. */
lb_code lb_low_take_weights(lb_lowering *l, size_t n_weight, size_t n_bias,
                            lb_error *err) LB_MUST_USE;

/* The step that alone makes the node's input and that nothing else reads; NULL if there
 * is none. */
lb_low_step *lb_low_producer(lb_lowering *l, const lb_node *node, int i);

/* Notes how the graph's values are stored, and takes QuantizeLinear and DequantizeLinear
 * nodes out of it; weights and biases become floats that hold the integers. */
lb_code lb_low_read_grids(lb_graph *graph, lb_arena *arena, const lb_stored **out,
                          lb_error *err) LB_MUST_USE;

/* Whether what is stored as b can be stored as a: no grid of its own, or the same. */
bool lb_low_same_grid(const lb_lowering *l, lb_value a, lb_value b);

/* Puts an addition into the convolution before it, with which nobody else shares the
 * result. What the graph's fusion does in fp32. */
lb_code lb_low_fuse_adds(lb_lowering *l, lb_error *err) LB_MUST_USE;

/* Makes int8 steps of all that have been lowered. */
lb_code lb_low_quantise(lb_lowering *l, lb_error *err) LB_MUST_USE;

/* Handlers. */
lb_code lb_lower_conv(lb_lowering *l, const lb_node *node, lb_error *err);
lb_code lb_lower_gemm(lb_lowering *l, const lb_node *node, lb_error *err);
lb_code lb_lower_matmul(lb_lowering *l, const lb_node *node, lb_error *err);
lb_code lb_lower_pool(lb_lowering *l, const lb_node *node, lb_error *err);
lb_code lb_lower_global_pool(lb_lowering *l, const lb_node *node, lb_error *err);
lb_code lb_lower_reduce_mean(lb_lowering *l, const lb_node *node, lb_error *err);
lb_code lb_lower_binary(lb_lowering *l, const lb_node *node, lb_error *err);
lb_code lb_lower_norm(lb_lowering *l, const lb_node *node, lb_error *err);
lb_code lb_lower_clamp(lb_lowering *l, const lb_node *node, lb_error *err);
lb_code lb_lower_softmax(lb_lowering *l, const lb_node *node, lb_error *err);
lb_code lb_lower_reshape(lb_lowering *l, const lb_node *node, lb_error *err);
lb_code lb_lower_transpose(lb_lowering *l, const lb_node *node, lb_error *err);
lb_code lb_lower_concat(lb_lowering *l, const lb_node *node, lb_error *err);
lb_code lb_lower_pad(lb_lowering *l, const lb_node *node, lb_error *err);

/* Finds out lifetimes and what may happen in place, and places the buffers. */
lb_code lb_low_place(lb_lowering *l, lb_error *err) LB_MUST_USE;

#endif
