/* qat.h: quantisation-aware training: a network that has been quantised is trained on, as
 * it will be deployed.
 *
 * The training form computes in floats, but every value that the device holds in int8 is
 * rounded to its grid (FakeQuantize): weights by a scale for each output channel, values
 * between layers by one scale. Weights, biases and the scales between layers are trained
 * ("Learned Step Size Quantization", Esser et al. 2020). A scale is what it was
 * calibrated to, times e to the power of a parameter: it stays above 0 whatever a step
 * does (Jain et al. 2019, "Trained Quantization Thresholds", train its logarithm for that
 * reason). Scales of weights and zero points stay as they were calibrated: a folded
 * depthwise filter has nine weights, and a scale would follow every one of them. Batch
 * norms were folded before the network was quantised, so that what is trained is what
 * runs. */
#ifndef LB_COMPRESS_QAT_H
#define LB_COMPRESS_QAT_H

#include "base/key.h"
#include "graph/graph.h"

typedef enum lb_int8_mode { LB_INT8_PTQ, LB_INT8_QAT } lb_int8_mode;

/* How a trained network becomes int8. */
typedef struct lb_qat_options {
    int mode;   /* lb_int8_mode */
    int epochs; /* of training on, with qat */
    double lr;  /* its first learning rate, as a share of that of the training before */
} lb_qat_options;
extern const lb_key lb_qat_keys[];

/* quantised: as lb_network_quantize makes it. *out is owned by the caller and has tensors
 * of its own; names of inputs, outputs, nodes and of the values between layers stay.
 * LB_ERR_INPUT if the graph is not quantised. */
lb_code lb_qat_train_form(const lb_graph *quantised, lb_graph **out,
                          lb_error *err) LB_MUST_USE;

/* The way back, once the parameters are trained: QuantizeLinear, DequantizeLinear, whole
 * numbers. LB_ERR_FAILED if training has driven a scale or a bias out of its type. */
lb_code lb_qat_deploy(const lb_graph *trained, lb_graph **out, lb_error *err) LB_MUST_USE;

#endif
