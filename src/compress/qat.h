/* qat.h: quantisation-aware training: a network that has been quantised is trained on, as
 * it will be deployed.
 *
 * The training form computes in floats, but every value that the device holds in int8 is
 * rounded to its grid (FakeQuantize): weights by a scale for each output channel, values
 * between layers by one scale. Weights, biases and scales are trained ("Learned Step Size
 * Quantization", Esser et al. 2020); zero points stay as calibration found them. Batch
 * norms were folded before the network was quantised, so that what is trained is what
 * runs. */
#ifndef LB_COMPRESS_QAT_H
#define LB_COMPRESS_QAT_H

#include "graph/graph.h"

/* quantised: as lb_network_quantize makes it. *out is owned by the caller and has tensors
 * of its own; names of inputs, outputs, nodes and of the values between layers stay.
 * LB_ERR_INPUT if the graph is not quantised. */
lb_code lb_qat_train_form(const lb_graph *quantised, lb_graph **out,
                          lb_error *err) LB_MUST_USE;

/* The way back, once the parameters are trained: QuantizeLinear, DequantizeLinear, whole
 * numbers. LB_ERR_FAILED if training has driven a scale to 0 or a bias out of int32. */
lb_code lb_qat_deploy(const lb_graph *trained, lb_graph **out, lb_error *err) LB_MUST_USE;

#endif
