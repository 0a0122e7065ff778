/* builder.h: adds to a graph and keeps the first error.
 *
 * After a failure every verb does nothing and returns {0}, and every question has a
 * harmless answer; the caller asks once at the end with lb_builder_finish. So code that
 * builds graphs (models, losses, gradients, passes) is free of error checks. The verbs
 * that name operators, lb_conv(b, x, ...), are in ops/build.h. */
#ifndef LB_GRAPH_BUILDER_H
#define LB_GRAPH_BUILDER_H

#include "graph/graph.h"

struct lb_builder {
    lb_graph *graph;
    lb_error error;     /* code LB_OK until something fails */
    const char *prefix; /* put before the names of new nodes and values; NULL: none */
};

void lb_builder_init(lb_builder *b, lb_graph *graph);
/* The first error, copied to err; LB_OK if there was none. */
lb_code lb_builder_finish(lb_builder *b, lb_error *err) LB_MUST_USE;
/* Holds this error, unless there is one already; returns {0}. */
lb_value lb_build_fail(lb_builder *b, lb_code code, const char *format, ...)
    LB_PRINTF(3, 4);

/* Names are made unique by a number if they are taken; NULL makes one up. */
lb_value lb_input(lb_builder *b, const char *name, lb_dtype dtype, const lb_shape *shape);
/* The tensor is borrowed, or lives in the graph's arena. */
lb_value lb_param(lb_builder *b, const char *name, lb_tensor *tensor);
lb_value lb_constant(lb_builder *b, const char *name, lb_tensor *tensor);
/* A zeroed tensor in the graph's arena, to be filled for a param or a constant; NULL
 * after a failure. */
lb_tensor *lb_build_tensor(lb_builder *b, lb_dtype dtype, const lb_shape *shape);
/* A constant scalar of that element type. */
lb_value lb_scalar(lb_builder *b, lb_dtype dtype, double value);
void lb_output(lb_builder *b, lb_value v);

/* Adds a node; infers the types of its outputs. Attributes are copied. Returns the first
 * output; the others are at lb_nth(b, v, i). */
lb_value lb_add_node(lb_builder *b, const lb_op *op, const char *name, const lb_value *in,
                     int n_in, const lb_attr *attrs, int n_attrs);
lb_value lb_nth(const lb_builder *b, lb_value first, int i);
void lb_rename(lb_builder *b, lb_value v, const char *name);

/* Questions; harmless after a failure ("", a scalar, 1). */
const char *lb_name(const lb_builder *b, lb_value v);
lb_type lb_type_of(const lb_builder *b, lb_value v);
int lb_rank(const lb_builder *b, lb_value v);
int lb_dim(const lb_builder *b, lb_value v, int axis); /* may be LB_BATCH */

/* Attributes to pass to lb_add_node. */
static inline lb_attr lb_ai(const char *name, int64_t i)
{
    return (lb_attr){.name = name, .kind = LB_ATTR_INT, .i = i};
}
static inline lb_attr lb_af(const char *name, double f)
{
    return (lb_attr){.name = name, .kind = LB_ATTR_FLOAT, .f = f};
}
static inline lb_attr lb_at(const char *name, const char *text)
{
    return (lb_attr){.name = name, .kind = LB_ATTR_TEXT, .text = text};
}
static inline lb_attr lb_ais(const char *name, const int64_t *ints, int n)
{
    return (lb_attr){.name = name, .kind = LB_ATTR_INTS, .ints = ints, .n = n};
}

#endif
