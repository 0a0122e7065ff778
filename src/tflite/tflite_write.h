/* tflite_write.h: what the files that write .tflite share.
 *
 * A writing goes: tflite_export.c walks the graph and lists tensors and operators as the
 * file will have them, tflite_pack.c makes a flatbuffer of the list. Each file calls only
 * those above it in this header: steps, weights, layers, the table of operators, and on
 * top the walk. */
#ifndef LB_TFLITE_TFLITE_WRITE_H
#define LB_TFLITE_TFLITE_WRITE_H

#include "base/file.h"
#include "base/findings.h"
#include "graph/graph.h"
#include "ops/window.h"
#include "tflite/tflite_build.h"
#include "tflite/tflite_schema.h"

/* A tensor to be written. All that it points to lives at least as long as the writing. */
typedef struct lb_tfl_sketch {
    const char *name;
    int type;         /* LB_TFL_INT8 ... */
    lb_shape shape;   /* channels last, a batch of 1 */
    const void *data; /* of constants */
    size_t bytes;
    const float *scale; /* [n_scales] */
    const int64_t *zero;
    int n_scales, axis;
    lb_shape map; /* a vector in the file's order of this [H,W,C] map; rank 0: no such */
} lb_tfl_sketch;

typedef struct lb_tfl_step {
    int code, version;
    int32_t in[LB_MAX_INPUTS];
    int n_in;
    int32_t out;
    int options_type;
    lb_flat_field option[8];
    int n_options;
} lb_tfl_step;

typedef struct lb_tfl_draft {
    lb_tfl_sketch *tensor;
    int n_tensors, tensor_capacity;
    lb_tfl_step *step;
    int n_steps, step_capacity;
    int32_t *input, *output;
    int n_inputs, n_outputs;
} lb_tfl_draft;

/* tflite_pack.c. The bytes live in the arena. */
lb_code lb_tfl_pack(const lb_tfl_draft *draft, lb_arena *arena, lb_bytes *out,
                    lb_error *err) LB_MUST_USE;

/* Weights or a bias behind DequantizeLinear. */
typedef struct lb_tfl_kept {
    const lb_tensor *whole; /* int8 or int32; NULL: the value is none such */
    const lb_tensor *scale;
    int axis;
} lb_tfl_kept;

typedef struct lb_tfl_writer {
    const lb_graph *g;
    lb_arena *arena;
    lb_tfl_draft draft;
    lb_findings findings;
    bool failed;       /* out of memory */
    lb_tfl_kept *kept; /* [n_values] */
    int *tensor;       /* [n_values] that holds the value; below 0: none */
    int *quantized_by; /* [n_values] the QuantizeLinear that reads the value first; -1 */
    int *uses;         /* [n_values] by nodes and outputs */
    int *last_user;    /* [n_values] */
    const char **name; /* [n_values] to be called so in the file, or NULL */
    bool *done;        /* [n_nodes] written with the node before */
} lb_tfl_writer;

/* Writes a node; false after a refusal, which was told. */
typedef bool (*lb_tfl_put)(lb_tfl_writer *w, const lb_node *node);

/* tflite_steps.c. A finding about the node; returns false. */
bool lb_tfl_cannot(lb_tfl_writer *w, const lb_node *node, const char *format, ...)
    LB_PRINTF(3, 4);
/* The numbers of new tensors; -1 without memory. */
int lb_tfl_add_tensor(lb_tfl_writer *w, const lb_tfl_sketch *sketch);
/* An int32 constant [n], or [n / columns, columns], called `base` and `suffix`. */
int lb_tfl_add_ints(lb_tfl_writer *w, const char *base, const char *suffix,
                    const int32_t *values, int n, int columns);
void lb_tfl_add_step(lb_tfl_writer *w, const lb_tfl_step *step);
/* The file's shape of a value: channels last, a sequence as a map of height 1. */
lb_shape lb_tfl_shape_out(const lb_shape *from);
/* Scale and zero point of a QuantizeLinear that a device can have; false after a refusal.
 */
bool lb_tfl_read_grid(lb_tfl_writer *w, const lb_node *node, float *scale, int *zero);
/* Gives a tensor one scale and zero point of its own; false without memory. */
bool lb_tfl_set_grid(lb_tfl_writer *w, lb_tfl_sketch *t, float scale, int zero);
bool lb_tfl_has_grid(const lb_tfl_sketch *t, float scale, int zero);
/* The int8 tensor for a value, as yet without a grid. */
lb_tfl_sketch lb_tfl_sketch_of(const lb_tfl_writer *w, lb_value v);
/* The tensor of the node's input k; below 0 after a refusal. */
int lb_tfl_input(lb_tfl_writer *w, const lb_node *node, int k);
/* The tensor for a value that the node computes: on the grid of its QuantizeLinear, or on
 * that of the tensor `like` (-1: none), which it must then share. -1 after a refusal. */
int lb_tfl_result(lb_tfl_writer *w, const lb_node *node, lb_value v, int like);
/* LB_TFL_ACT_RELU ...; LB_TFL_NONE: limits that the grid has anyway; -1: none that the
 * file knows. */
int lb_tfl_activation_of(lb_tfl_writer *w, const lb_node *node);
/* The activation behind a value that nothing else reads and that is not quantised by
 * itself; *out becomes what the activation computes, its node is done with. LB_TFL_NONE
 * if there is none; -1 after a refusal. */
int lb_tfl_activation(lb_tfl_writer *w, lb_value *out);
/* Steps from one tensor to another: a PAD, two numbers an axis of the file; a RESHAPE. */
void lb_tfl_put_pads(lb_tfl_writer *w, int from, int to,
                     const int32_t pads[2 * LB_MAX_RANK]);
void lb_tfl_put_shape(lb_tfl_writer *w, int from, int to);

/* tflite_export_weights.c. What a DequantizeLinear keeps for the node's input k; its
 * `whole` is NULL where there is no such input. */
const lb_tfl_kept *lb_tfl_kept_of(const lb_tfl_writer *w, const lb_node *node, int k);
/* Is input 1 int8 weights? false after a refusal. */
bool lb_tfl_has_int8_weights(lb_tfl_writer *w, const lb_node *node);
/* These three return the number of the tensor; -1 after a refusal, or without memory.
 * The bias [m], of scale input times weights; zeros where the graph has none, for not
 * every kernel does without. */
int lb_tfl_add_bias(lb_tfl_writer *w, const lb_node *node, const lb_tfl_sketch *in,
                    const lb_tfl_sketch *weights, int m);
/* A convolution's: [M,H,W,C]; depthwise: [1,H,W,M]. */
int lb_tfl_add_filters(lb_tfl_writer *w, const lb_node *node, const lb_window *window,
                       bool depthwise);
/* A dense layer's [M,D], from [D,M] unless transposed; map: of the flattened map that the
 * layer reads, rank 0 where it reads none. */
int lb_tfl_add_matrix(lb_tfl_writer *w, const lb_node *node, bool transposed,
                      const lb_shape *map);

/* tflite_export_layers.c */
bool lb_tfl_put_conv(lb_tfl_writer *w, const lb_node *node);
bool lb_tfl_put_dense(lb_tfl_writer *w, const lb_node *node);
bool lb_tfl_put_pool(lb_tfl_writer *w, const lb_node *node);
bool lb_tfl_put_mean(lb_tfl_writer *w, const lb_node *node);

/* tflite_export_ops.c. NULL if no operator of the file does this. */
lb_tfl_put lb_tfl_find_put(const char *op);

#endif
