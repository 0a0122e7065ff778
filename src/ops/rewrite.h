/* rewrite.h: passes that know operators. */
#ifndef LB_OPS_REWRITE_H
#define LB_OPS_REWRITE_H

#include "graph/passes.h"

/* Inference form: Conv + BatchNormalization becomes one Conv (its weights are new
 * constants in this graph's arena); then Conv + Add of an equal shape + Relu or Clip
 * become one FusedConv. Values named in the outputs keep their names. */
lb_code lb_fold_batch_norm(lb_graph *graph, lb_error *err) LB_MUST_USE;
lb_code lb_fuse_convolutions(lb_graph *graph, lb_error *err) LB_MUST_USE;

/* Training form: BatchNormalization becomes BatchNormStats + BatchNormApply over the
 * whole batch, and a BatchNormTrack that updates the running mean and variance (momentum
 * and epsilon as in the node). Value numbers of all other values stay. */
lb_code lb_train_norms(lb_graph *graph, lb_error *err) LB_MUST_USE;

/* In a graph in training form, without gradients yet: whether all that a param does is to
 * be added, channel by channel, to what batch norms take the mean off again. Then nothing
 * depends on it but running means, and its gradient is zero. */
bool lb_bias_cancels(const lb_graph *graph, lb_value param);

/* The nodes behind the one that computes the loss, which are the backward pass, get
 * copies of norms, and of a Relu or Clip behind one, marked as late, instead of values
 * from before. */
lb_code lb_compute_late(lb_graph *graph, lb_value loss, lb_error *err) LB_MUST_USE;

/* A training graph with its gradients: batch norms take in the residual additions and the
 * activations behind them, and their gradients those of both. */
lb_code lb_fuse_norms(lb_graph *graph, lb_error *err) LB_MUST_USE;

#endif
