/* lower.h: from a graph to the steps that a device will run. */
#ifndef LB_LOWER_LOWER_H
#define LB_LOWER_LOWER_H

#include "lower/low.h"
#include "ops/rewrite.h"

/* graph: any form with up to LB_LOW_INPUTS inputs and one output; it is copied, folded
 * and fused here. Everything lives in the arena. LB_ERR_UNSUPPORTED lists every node that
 * no device step exists for.
 *
 * A graph with QuantizeLinear and DequantizeLinear nodes becomes int8 steps, with single
 * rounding: every value that a step computes must be quantised (a max pool, a pad and
 * what keeps the elements may take over their input's grid), weights and biases come
 * through DequantizeLinear with zero point 0. The input's QuantizeLinear and the output's
 * DequantizeLinear are left to the caller: the network's input and output are int8. */
lb_code lb_lower(const lb_graph *graph, lb_arena *arena, lb_low **out,
                 lb_error *err) LB_MUST_USE;
lb_code lb_lower_rounded(const lb_graph *graph, lb_rounding rounding, lb_arena *arena,
                         lb_low **out, lb_error *err) LB_MUST_USE;

/* Whether lb_lower makes int8 steps of it. */
bool lb_is_quantised(const lb_graph *graph);

#endif
