/* graph.h: the intermediate representation: values, nodes and graphs.
 *
 * A graph owns its values and nodes; nodes stand in an order in which they can run.
 * Parameters and constants point to tensors that live in the arena of the graph which
 * made them; a clone borrows them, so that a training graph, an inference graph and an
 * export all see the same weights. */
#ifndef LB_GRAPH_GRAPH_H
#define LB_GRAPH_GRAPH_H

#include "graph/op.h"

typedef enum lb_value_kind {
    LB_VALUE_NONE,
    LB_VALUE_INPUT,    /* given at each run */
    LB_VALUE_PARAM,    /* trained, or part of the network's state (running statistics) */
    LB_VALUE_CONSTANT, /* never changes */
    LB_VALUE_NODE,     /* computed */
} lb_value_kind;

typedef struct lb_value_info {
    const char *name; /* unique in the graph; never NULL */
    lb_value_kind kind;
    lb_type type;
    lb_tensor *tensor; /* of params and constants */
    bool trained;      /* params: has a gradient (running statistics do not) */
    bool no_decay;     /* params: spared by weight decay (biases, norms) */
    int node, output;  /* of LB_VALUE_NODE: who computes it */
} lb_value_info;

struct lb_node {
    const lb_op *op;
    const char *name; /* as in the ONNX file, or made up; never NULL */
    int n_in, n_out;
    lb_value in[LB_MAX_INPUTS]; /* {0}: left out */
    lb_value out[LB_MAX_OUTPUTS];
    const lb_attr *attrs;
    int n_attrs;
    bool late; /* best computed just before its result is wanted: it spares memory */
};

struct lb_graph {
    lb_arena *arena;       /* owned */
    lb_value_info *values; /* [0] is no value */
    int n_values, values_capacity;
    lb_node *nodes;
    int n_nodes, nodes_capacity;
    lb_value *inputs;
    int n_inputs, inputs_capacity;
    lb_value *outputs;
    int n_outputs, outputs_capacity;
    int *slots; /* values by name: open addressing, 0 is empty */
    int n_slots;
};

lb_code lb_graph_new(lb_graph **out, lb_error *err) LB_MUST_USE;
void lb_graph_free(lb_graph *graph); /* takes NULL */

/* A copy that borrows the tensors of `from`, which must outlive it. Value numbers are the
 * same in both. */
lb_code lb_graph_clone(const lb_graph *from, lb_graph **out, lb_error *err) LB_MUST_USE;

static inline const lb_value_info *lb_info(const lb_graph *g, lb_value v)
{
    return &g->values[v.id];
}

/* {0} if no value has that name. */
lb_value lb_graph_find(const lb_graph *graph, const char *name);

/* What a node looks like to infer, cost and kernels. */
void lb_graph_view(const lb_graph *graph, const lb_node *node, lb_view *out);

/* Checks that the graph is well formed: order, types, names, arities. For tests and after
 * an import. */
lb_code lb_graph_check(const lb_graph *graph, lb_error *err) LB_MUST_USE;

/* Readable text, one node a line, stable: golden files and --debug. Lives in the arena;
 * NULL without memory. */
const char *lb_graph_dump(const lb_graph *graph, lb_arena *arena);

/* Elements of all params that are trained or part of the state of a norm. */
size_t lb_graph_parameters(const lb_graph *graph);

/* Types of a node's outputs, for lb_op.cost. */
void lb_graph_out_types(const lb_graph *graph, const lb_node *node,
                        lb_type out[LB_MAX_OUTPUTS]);

/* Multiply-adds of one sample. */
double lb_graph_macs(const lb_graph *graph);

#endif
