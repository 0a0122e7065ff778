/* op_util.h: what the operators' rules share; only ops/ includes it. */
#ifndef LB_OPS_OP_UTIL_H
#define LB_OPS_OP_UTIL_H

#include "graph/builder.h"
#include "ops/ops.h"

#define LB_COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

/* Elements of a bound type. */
size_t lb_elements(const lb_type *type);
/* Elements without the batch dimension, as a number for costs. */
double lb_per_sample(const lb_type *type);
/* lb_op.cost of an operator that does one operation for each element of its output. */
lb_cost lb_cost_elements(const lb_view *view, const lb_type *out);

/* All inputs that are there have one and the same float type. */
lb_code lb_check_floats(const lb_view *view, lb_error *err) LB_MUST_USE;
lb_code lb_check_rank(const lb_view *view, int input, int least, int most,
                      lb_error *err) LB_MUST_USE;
/* Input `input` has exactly the shape; `what` names it in the message. */
lb_code lb_check_shape(const lb_view *view, int input, const lb_shape *shape,
                       const char *what, lb_error *err) LB_MUST_USE;
/* An axis as given, counted from the end if negative, becomes 0..rank-1. */
lb_code lb_check_axis(int64_t axis, int rank, int *out, lb_error *err) LB_MUST_USE;
/* No dimension is negative but a batch in front, and the product is sane. */
lb_code lb_check_size(const lb_shape *shape, lb_error *err) LB_MUST_USE;

/* The whole numbers of a constant input of at most `most` elements. */
lb_code lb_constant_ints(const lb_view *view, int input, const char *what, int most,
                         int64_t *out, int *n, lb_error *err) LB_MUST_USE;

/* The value of an attribute or call input that holds one number. */
double lb_scalar_of(const lb_ref_call *call, int input, double usual);

/* The attribute activation of an operator that ends in one is "", Relu, or Clip with the
 * limits in activation_params. */
lb_code lb_check_activation(const lb_view *view, lb_error *err) LB_MUST_USE;
/* The limits that its result is held between; false if there is no activation. */
bool lb_activation_of(const lb_node *node, double limits[2]);

/* ONNX's broadcasting. */
lb_code lb_broadcast(const lb_shape *a, const lb_shape *b, lb_shape *out,
                     lb_error *err) LB_MUST_USE;

/* Walks over a space of up to LB_MAX_RANK axes row by row; a row runs along the last
 * axis. Each of up to three operands has its own strides:
 *     for (lb_walk_begin(&w); w.more; lb_walk_next(&w))
 *         for (int i = 0; i < w.n; i++)
 *             y[w.at[0] + i * w.step[0]] = x[w.at[1] + i * w.step[1]]; */
typedef struct lb_walk {
    int rank, dim[LB_MAX_RANK], index[LB_MAX_RANK];
    int64_t stride[3][LB_MAX_RANK];
    int64_t at[3], step[3];
    int n; /* elements of a row */
    bool more;
} lb_walk;

void lb_walk_init(lb_walk *w, const lb_shape *space);
/* Row-major strides; 0 along the axes that the operand broadcasts. Axes are aligned at
 * the end. */
void lb_walk_operand(lb_walk *w, int operand, const lb_shape *shape);
void lb_walk_begin(lb_walk *w);
void lb_walk_next(lb_walk *w);
/* Row-major strides of a bound shape. */
void lb_strides(const lb_shape *shape, int64_t out[LB_MAX_RANK]);

/* Nodes without attributes; names are made up. */
lb_value lb_unary(lb_builder *b, const lb_op *op, lb_value x);
lb_value lb_binary(lb_builder *b, const lb_op *op, lb_value x, lb_value y);
/* A constant list of int64. */
lb_value lb_int_list(lb_builder *b, const int64_t *values, int n);
/* A constant [n] filled with one value. */
lb_value lb_filled(lb_builder *b, lb_dtype dtype, int n, double value);
/* dy summed down to the shape of `like`; dy itself if it has that shape. */
lb_value lb_reduce_to(lb_builder *b, lb_value dy, lb_value like);

#endif
