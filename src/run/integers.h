/* integers.h: what an int8 network answers in limbeck's integer arithmetic, the one that
 * its firmware has. */
#ifndef LB_RUN_INTEGERS_H
#define LB_RUN_INTEGERS_H

#include "lower/lower.h"
#include "train/train.h"

/* As lb_evaluate. low: int8 steps of `graph`, whose output is a vector of classes (of
 * probabilities, if its last step is a softmax); samples run in threads of the pool. */
lb_code lb_evaluate_integers(const lb_low *low, const lb_graph *graph,
                             const lb_input_options *input, const lb_data *data,
                             lb_split split, lb_pool *pool, const int32_t *other,
                             lb_arena *arena, lb_metrics *out, lb_error *err) LB_MUST_USE;

#endif
