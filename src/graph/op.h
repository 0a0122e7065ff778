/* op.h: what an operator is. The interface only: src/ops/ fills it, so that graph/ runs
 * the rules of operators without knowing any.
 *
 * Names, attributes and meaning are ONNX's wherever ONNX has the operator; training
 * adds a few of its own (gradients, statistics, updates), named in the same manner.
 *
 * BATCHES. A value whose dimension 0 is LB_BATCH is *batched*. The engine runs a node
 * with a batched value once for each group of samples. Where a batched input meets an
 * output without LB_BATCH (a weight's gradient, a mean over the batch) each group gives
 * its share and the shares are added in group order; the operator must be additive over
 * samples then, and scale by 1/batch itself if it means a mean. */
#ifndef LB_GRAPH_OP_H
#define LB_GRAPH_OP_H

#include "tensor/tensor.h"

enum { LB_MAX_INPUTS = 8, LB_MAX_OUTPUTS = 4 };

typedef struct lb_graph lb_graph;
typedef struct lb_builder lb_builder;
typedef struct lb_node lb_node;

/* A value of a graph, by number; {0} is no value. */
typedef struct lb_value {
    int id;
} lb_value;

typedef struct lb_type {
    lb_dtype dtype;
    lb_shape shape;
} lb_type;

static inline bool lb_type_batched(const lb_type *t)
{
    return t->shape.rank > 0 && t->shape.dim[0] == LB_BATCH;
}

typedef enum lb_attr_kind {
    LB_ATTR_INT,
    LB_ATTR_FLOAT,
    LB_ATTR_TEXT,
    LB_ATTR_INTS,
    LB_ATTR_FLOATS,
    LB_ATTR_TENSOR
} lb_attr_kind;

/* An attribute of a node. Arrays and text live in the graph's arena. */
typedef struct lb_attr {
    const char *name;
    lb_attr_kind kind;
    int n; /* of ints, floats */
    int64_t i;
    double f;
    const char *text;
    const int64_t *ints;
    const double *floats;
    const lb_tensor *tensor;
} lb_attr;

/* What infer, cost and the reference kernel see of a node. */
typedef struct lb_view {
    const lb_node *node; /* attributes: lb_attr_int(view->node, ...) */
    int n_in, n_out;
    const lb_type *in[LB_MAX_INPUTS];         /* NULL: the optional input is left out */
    const lb_tensor *constant[LB_MAX_INPUTS]; /* its value if it is known now, or NULL */
} lb_view;

/* Per sample for batched nodes, in all for the others. */
typedef struct lb_cost {
    double macs;
    double other; /* element operations that are not multiply-adds */
} lb_cost;

/* A call of a reference kernel: plain row-major arrays of doubles. Types are bound: the
 * batch dimension is the number of samples at hand, `batch` the size of the whole batch
 * (for means over it). Outputs are not zeroed. inout: outputs of an update start as a
 * copy of the input that they replace. */
typedef struct lb_ref_call {
    const lb_node *node;
    int n_in, n_out;
    const double *in[LB_MAX_INPUTS]; /* NULL: left out */
    lb_type in_type[LB_MAX_INPUTS];
    bool batched_in[LB_MAX_INPUTS]; /* dimension 0 of the input is the batch */
    double *out[LB_MAX_OUTPUTS];
    lb_type out_type[LB_MAX_OUTPUTS];
    int batch;
    int first; /* number of the first sample at hand within the batch */
} lb_ref_call;

typedef enum lb_op_flag {
    LB_OP_ONNX = 1 << 0,         /* exists in ONNX: may be imported and exported */
    LB_OP_FOLD_ONLY = 1 << 1,    /* may only appear where folding removes it */
    LB_OP_ELEMENTWISE = 1 << 2,  /* unary, shape kept, element by element */
    LB_OP_UPDATE = 1 << 3,       /* output i replaces input i in place (parameters) */
    LB_OP_SHAPE_ONLY = 1 << 5,   /* the result depends on the types of the inputs alone */
    LB_OP_FORWARD_ONLY = 1 << 4, /* has no gradient on purpose: constants, gradients */
    /* Between real and whole numbers: gradients pass through its whole numbers, and an
     * import leaves it in the graph even where its inputs are constants. */
    LB_OP_QUANTISES = 1 << 6,
} lb_op_flag;

typedef struct lb_op {
    const char *name; /* ONNX's */
    const char *help; /* one line, for docs */
    unsigned flags;   /* lb_op_flag */
    int min_in, max_in, n_out;
    int opset_min,
        opset_max; /* ONNX opsets that the importer takes it from; 0: not ONNX */
    /* Fills out[0..n_out-1]. Messages start after "node 'x' (Conv): ". */
    lb_code (*infer)(const lb_view *view, lb_type *out, lb_error *err);
    /* Adds nodes for the gradient of each input that wants one. dy[i] is the gradient of
     * output i ({0} if none); leave dx[i] at {0} where no gradient flows. */
    void (*grad)(lb_builder *b, const lb_node *node, const lb_value *dy, lb_value *dx);
    lb_cost (*cost)(const lb_view *view, const lb_type *out); /* NULL: free */
    void (*run)(const lb_ref_call *call);                     /* the reference kernel */
} lb_op;

/* Attributes of a node, with ONNX's default where absent. Not for use inside a step. */
int64_t lb_attr_int(const lb_node *node, const char *name, int64_t usual);
double lb_attr_float(const lb_node *node, const char *name, double usual);
const char *lb_attr_text(const lb_node *node, const char *name, const char *usual);
/* Copies up to `most` ints and returns how many the attribute has; 0 if absent. */
int lb_attr_ints(const lb_node *node, const char *name, int64_t *out, int most);
bool lb_attr_has(const lb_node *node, const char *name);
const lb_attr *lb_attr_find(const lb_node *node, const char *name);

#endif
