/* tflite_write.h: what the files that write .tflite share.
 *
 * A writing goes: tflite_export.c walks the graph and lists tensors and operators as the
 * file will have them (tflite_export_ops.c for each operator), tflite_pack.c makes a
 * flatbuffer of the list. */
#ifndef LB_TFLITE_TFLITE_WRITE_H
#define LB_TFLITE_TFLITE_WRITE_H

#include "base/file.h"
#include "base/findings.h"
#include "graph/graph.h"
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

/* tflite_export.c. A finding about the node; returns false. */
bool lb_tfl_cannot(lb_tfl_writer *w, const lb_node *node, const char *format, ...)
    LB_PRINTF(3, 4);
/* The numbers of new tensors; -1 without memory. */
int lb_tfl_add_tensor(lb_tfl_writer *w, const lb_tfl_sketch *sketch);
/* An int32 constant [n], or [n / columns, columns], called `base` and `suffix`. */
int lb_tfl_add_ints(lb_tfl_writer *w, const char *base, const char *suffix,
                    const int32_t *values, int n, int columns);
void lb_tfl_add_step(lb_tfl_writer *w, const lb_tfl_step *step);
/* The tensor of the node's input k; below 0 after a refusal. */
int lb_tfl_input(lb_tfl_writer *w, const lb_node *node, int k);
/* The tensor for a value that the node computes: on the grid of its QuantizeLinear, or on
 * that of the tensor `like` (-1: none), which it must then share. -1 after a refusal. */
int lb_tfl_result(lb_tfl_writer *w, const lb_node *node, lb_value v, int like);
/* The file's shape of a value: channels last, a sequence as a map of height 1. */
lb_shape lb_tfl_shape_out(const lb_shape *from);
/* The activation behind a value that nothing else reads and that is not quantised by
 * itself; *out becomes what the activation computes, its node is done with. LB_TFL_NONE
 * if there is none; -1 after a refusal. */
int lb_tfl_activation(lb_tfl_writer *w, lb_value *out);
/* LB_TFL_ACT_RELU ...; LB_TFL_NONE: limits that the grid has anyway; -1: none that the
 * file knows. */
int lb_tfl_activation_of(lb_tfl_writer *w, const lb_node *node);

/* tflite_export_ops.c. NULL if no operator of the file does this. */
lb_tfl_put lb_tfl_find_put(const char *op);

/* tflite_export_layers.c */
bool lb_tfl_put_conv(lb_tfl_writer *w, const lb_node *node);
bool lb_tfl_put_dense(lb_tfl_writer *w, const lb_node *node);
bool lb_tfl_put_pool(lb_tfl_writer *w, const lb_node *node);
bool lb_tfl_put_mean(lb_tfl_writer *w, const lb_node *node);

/* Steps from one tensor to another: a PAD, two numbers an axis of the file; a RESHAPE. */
void lb_tfl_put_pads(lb_tfl_writer *w, int from, int to,
                     const int32_t pads[2 * LB_MAX_RANK]);
void lb_tfl_put_shape(lb_tfl_writer *w, int from, int to);

#endif
