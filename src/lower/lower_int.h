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

/* A step under construction; its weights may still change. */
typedef struct lb_draft {
    float *weight, *bias;
} lb_draft;

typedef struct lb_lowering {
    const lb_graph *graph; /* folded and fused */
    lb_arena *arena;
    lb_low *low;
    lb_spot *spot;   /* [n_values] */
    lb_draft *draft; /* of each step */
    int *maker;      /* of each buffer: the step that writes it; -1: none */
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
