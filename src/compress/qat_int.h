/* qat_int.h: what both directions between the deployed and the trained form share. */
#ifndef LB_COMPRESS_QAT_INT_H
#define LB_COMPRESS_QAT_INT_H

#include "compress/qat.h"

#include "ops/build.h"

/* A graph that is written node by node from another one. */
typedef struct lb_qat {
    const lb_graph *from;
    lb_builder b;
    lb_value *to; /* [values of from]: what each is in the new graph; {0}: not yet */
} lb_qat;

/* Writes a node in another form; false: it is copied. Errors go to the builder. */
typedef bool (*lb_qat_node)(lb_qat *w, const lb_node *node);

/* The whole graph: inputs, nodes in their order, outputs. */
lb_code lb_qat_write(const lb_graph *from, lb_qat_node node, lb_graph **out,
                     lb_error *err) LB_MUST_USE;

/* What the value is in the new graph; params and constants are copied when they are first
 * asked for. */
lb_value lb_qat_to(lb_qat *w, lb_value v);

const char *lb_qat_name(const lb_qat *w, lb_value v);
const lb_tensor *lb_qat_old(const lb_qat *w, const lb_node *node, int k);

/* The node that computes v, if that is its operator; else NULL. */
const lb_node *lb_qat_maker(const lb_graph *g, lb_value v, const char *op);

#endif
