/* passes.h: rewrites that need no knowledge of operators. Those that do (batch-norm
 * folding, fusion, training form) are in ops/. */
#ifndef LB_GRAPH_PASSES_H
#define LB_GRAPH_PASSES_H

#include "graph/graph.h"

/* Replaces nodes whose inputs are all constants by constants, running their reference
 * kernels. Nodes whose result would pass `most` bytes are left. */
lb_code lb_fold_constants(lb_graph *graph, size_t most, lb_error *err) LB_MUST_USE;

/* The same for the node that was added last, and only if it runs quickly: an importer
 * calls this after each node, since later nodes infer from the values of shapes. A node
 * that quantises stays: dequantised weights are left as they are stored. */
lb_code lb_fold_last(lb_graph *graph, size_t most, lb_error *err) LB_MUST_USE;

/* Removes nodes and constants that no output depends on. Updates of parameters stay. */
lb_code lb_remove_dead(lb_graph *graph, lb_error *err) LB_MUST_USE;

/* Removes updates of parameters that are fed by nothing that an output depends on, and
 * what is dead then: a network that is trained up to some layer tracks no statistics
 * behind it. */
lb_code lb_remove_untaught(lb_graph *graph, lb_error *err) LB_MUST_USE;

/* Removes all updates of parameters, and what is dead then: the graph only reads them. */
lb_code lb_remove_updates(lb_graph *graph, lb_error *err) LB_MUST_USE;

/* How many node inputs and graph outputs use v. */
int lb_count_uses(const lb_graph *graph, lb_value v);

/* A copy in another precision: every float value and tensor (params too, which become
 * the copy's own) gets that type; node attributes stay. */
lb_code lb_graph_with_precision(const lb_graph *from, lb_dtype dtype, lb_graph **out,
                                lb_error *err) LB_MUST_USE;

#endif
