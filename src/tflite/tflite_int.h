/* tflite_int.h: what the files of tflite/ share.
 *
 * A reading goes: tflite_file.c checks the tables and gathers them in plain structs, then
 * tflite_import.c takes operator after operator: a handler (tflite_ops.c, tflite_shape.c)
 * adds the node over real numbers, and the result is put on the grid of its tensor. Each
 * file calls only those above it in this header. */
#ifndef LB_TFLITE_TFLITE_INT_H
#define LB_TFLITE_TFLITE_INT_H

#include "base/findings.h"
#include "graph/builder.h"
#include "tflite/tflite_flat.h"
#include "tflite/tflite_schema.h"

enum { LB_TFL_MAX_NAME = 200 };

/* A tensor of the file. Pointers lead into the file, or into the scratch arena. */
typedef struct lb_tfl_tensor {
    const char *name;    /* harmless to print; "" if it has none */
    const char *strange; /* why it cannot be used at all, or NULL */
    int type;            /* LB_TFL_FLOAT32 ..., or a number that limbeck does not know */
    lb_shape shape;      /* channels last, as in the file */
    lb_flat_vector data; /* bytes of a constant; data NULL: computed, or an input */
    lb_flat_vector scale, zero; /* float32, int64; none where it is not quantised */
    int axis;                   /* that the scales go along */
} lb_tfl_tensor;

typedef struct lb_tfl_op {
    int code;
    const char *custom; /* name of a custom operator, or NULL */
    int n_in, n_out;
    const int32_t *in, *out; /* tensors; -1: left out */
    int options_type;
    lb_flat_table options;
} lb_tfl_op;

typedef struct lb_tfl_file {
    lb_flat flat;
    lb_tfl_tensor *tensor;
    int n_tensors;
    lb_tfl_op *op;
    int n_ops;
    const int32_t *input, *output;
    int n_inputs, n_outputs;
} lb_tfl_file;

/* tflite_file.c. Everything lives in scratch or in `data`. All indices of tensors are in
 * range afterwards; -1 only among an operator's inputs. */
lb_code lb_tfl_read_file(const char *name, const uint8_t *data, size_t size,
                         lb_arena *scratch, lb_tfl_file *out, lb_error *err) LB_MUST_USE;

/* tflite_names.c. "CONV_2D"; "an unknown one" for numbers beyond the schema. */
const char *lb_tfl_op_name(int code);
const char *lb_tfl_type_name(int type);

/* What has become of a tensor of the file. */
typedef enum lb_tfl_state {
    LB_TFL_UNKNOWN, /* not computed yet */
    LB_TFL_READY,
    LB_TFL_REFUSED, /* so is what depends on it, in silence */
    LB_TFL_SHAPES,  /* a shape that the file computes: only a reshape may read it */
} lb_tfl_state;

typedef struct lb_tfl_spot {
    lb_tfl_state state;
    lb_value v; /* real numbers, channels first */
    /* A vector whose elements are those of this [N,C,H,W] map in the graph's order, where
     * the file has them channels last. Only dense layers read such. rank 0: no such. */
    lb_shape map;
    /* What was padded with 0 to become this, and by how much: before H and W, then
     * behind. A convolution without padding of its own reads that instead. {0}: nothing
     * was. */
    lb_value bare;
    int pads[4];
    int uses, dense_uses; /* by operators and outputs; by dense layers as their input */
    bool is_output;
} lb_tfl_spot;

typedef struct lb_tfl_reader {
    const char *name; /* of the file, for messages */
    lb_tfl_file file;
    lb_builder b;
    lb_arena *scratch; /* gone after the import */
    lb_findings findings;
    size_t budget;     /* bytes that the graph may take */
    lb_tfl_spot *spot; /* [n_tensors] */
} lb_tfl_reader;

/* An operator on its way into the graph. */
typedef struct lb_tfl_node {
    const lb_tfl_op *op;
    int index; /* in the file, from 0 */
    lb_value
        x[LB_MAX_INPUTS]; /* the activations among its inputs, where they are ready */
    lb_shape map;         /* these three of the result, as in lb_tfl_spot */
    lb_value bare;
    int pads[4];
    bool refused;
    bool passes; /* the result is an input as it is: no node is there to be named */
    lb_tfl_state result; /* READY as a rule */
} lb_tfl_node;

/* Makes the operator's one result from its inputs; {0} after a refusal. */
typedef lb_value (*lb_tfl_take)(lb_tfl_reader *r, lb_tfl_node *node);

/* tflite_findings.c. A finding; malformed: the file is at fault, not limbeck. */
void lb_tfl_complain(lb_tfl_reader *r, bool malformed, const char *format, ...)
    LB_PRINTF(3, 4);
/* A finding about a node, which is then refused; returns no value. As sentences: limbeck
 * must refuse the node, or the file is to blame:
 *     return lb_tfl_refuse(r, node, "its weights are shuffled"); */
#define lb_tfl_refuse(r, node, ...) lb_tfl_reject((r), (node), false, __VA_ARGS__)
#define lb_tfl_blame(r, node, ...) lb_tfl_reject((r), (node), true, __VA_ARGS__)
lb_value lb_tfl_reject(lb_tfl_reader *r, lb_tfl_node *node, bool malformed,
                       const char *format, ...) LB_PRINTF(4, 5);

/* tflite_node.c. Input k of an operator as the file has it; NULL if it is left out. */
const lb_tfl_tensor *lb_tfl_in(const lb_tfl_reader *r, const lb_tfl_node *node, int k);
const lb_tfl_tensor *lb_tfl_out(const lb_tfl_reader *r, const lb_tfl_node *node);
/* Names a value and the node that computes it after a tensor. */
void lb_tfl_name(lb_tfl_reader *r, lb_value v, const lb_tfl_tensor *t,
                 const char *suffix);
static inline bool lb_tfl_is_constant(const lb_tfl_tensor *t)
{
    return t->data.data != NULL;
}

/* tflite_tensor.c. Whole numbers of a constant input (axes, pads); false with a finding
 * if it is none or has more than `most`. */
bool lb_tfl_ints(lb_tfl_reader *r, lb_tfl_node *node, int k, int most, int64_t *out,
                 int *n);
/* Is the tensor quantised to int8, with one grid for all its elements? */
bool lb_tfl_is_int8(const lb_tfl_tensor *t);
/* Have both int8 tensors the same grid, or is neither quantised? */
bool lb_tfl_same_grid(const lb_tfl_tensor *a, const lb_tfl_tensor *b);
/* Weights: the constant input k seen as `view`, its axes permuted and then given `shape`,
 * over real numbers: a param, or int8 behind DequantizeLinear with scales along axis 0.
 */
lb_value lb_tfl_weights(lb_tfl_reader *r, lb_tfl_node *node, int k, const lb_shape *view,
                        const int *perm, const lb_shape *shape);
/* The bias [m], input k; {0} without a finding where it is left out. `weights`: input of
 * the weights, whose scales times the input's are the bias's. */
lb_value lb_tfl_bias(lb_tfl_reader *r, lb_tfl_node *node, int k, int m);
/* The grid is one that int8 can have. */
bool lb_tfl_grid_is_sound(const lb_tfl_tensor *t);
/* The real numbers at its ends. */
void lb_tfl_grid_ends(const lb_tfl_tensor *t, double *low, double *high);
/* Is one the uint8 form of the other, which is int8: 128 apart on the same scale? */
bool lb_tfl_is_shifted(const lb_tfl_tensor *a, const lb_tfl_tensor *b);
/* v behind QuantizeLinear and DequantizeLinear on the grid of the tensor. */
lb_value lb_tfl_on_grid(lb_tfl_reader *r, lb_value v, const lb_tfl_tensor *t,
                        bool is_output);

/* tflite_shape.c. The file's shape in the graph: channels first, the batch open. */
lb_shape lb_tfl_shape_in(const lb_shape *from);
/* The axis of the graph for the axis of a shape of that rank in the file. */
int lb_tfl_axis_in(int rank, int axis);
lb_value lb_tfl_reshape(lb_tfl_reader *r, lb_tfl_node *node);

/* tflite_ops.c. NULL if there is no way to take this operator. */
typedef struct lb_tfl_row {
    int code;
    lb_tfl_take take;
    int options; /* LB_TFL_CONV_OPTIONS ... */
    int min_in, max_in;
    int n_x; /* how many of its inputs, from the first on, are activations; -1: all */
} lb_tfl_row;
const lb_tfl_row *lb_tfl_find_row(int code);

/* tflite_import.c. The graph of a file that was read; r->scratch and r->budget are set.
 */
lb_code lb_tfl_import(lb_tfl_reader *r, lb_graph **out, lb_error *err) LB_MUST_USE;

#endif
