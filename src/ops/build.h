/* build.h: the verbs that add named operators to a graph. Shapes are ONNX's; x is
 * [N,C,H,W] or [N,C,L]. Every verb returns the node's first output, {0} after a failure.
 */
#ifndef LB_OPS_BUILD_H
#define LB_OPS_BUILD_H

#include "graph/autodiff.h"
#include "graph/builder.h"

/* Spatial settings of convolutions and pools; [0] is H (or L), [1] is W. Zero strides and
 * dilations mean 1. pads: begins, then ends, ONNX's order. */
typedef struct lb_window {
    int n; /* spatial axes: 1 or 2 */
    int kernel[2], stride[2], dilation[2], pad_begin[2], pad_end[2];
    int group;
} lb_window;

/* w [M, C/group, kH, kW]; bias [M] or {0}. */
lb_value lb_conv(lb_builder *b, lb_value x, lb_value w, lb_value bias,
                 const lb_window *window, const char *name);
/* scale, bias, mean, var: [C]. */
lb_value lb_batch_norm(lb_builder *b, lb_value x, lb_value scale, lb_value bias,
                       lb_value mean, lb_value var, double epsilon, double momentum,
                       const char *name);
/* The same by the statistics of the batch at hand, for training graphs. */
lb_value lb_batch_norm_now(lb_builder *b, lb_value x, lb_value scale, lb_value bias,
                           double epsilon);
/* y = x w^T + bias if trans_b, with x [N,K], w [M,K]. */
lb_value lb_gemm(lb_builder *b, lb_value x, lb_value w, lb_value bias, bool trans_a,
                 bool trans_b, const char *name);
lb_value lb_matmul(lb_builder *b, lb_value x, lb_value y);
lb_value lb_add(lb_builder *b, lb_value x, lb_value y);
lb_value lb_sub(lb_builder *b, lb_value x, lb_value y);
lb_value lb_mul(lb_builder *b, lb_value x, lb_value y);
lb_value lb_div(lb_builder *b, lb_value x, lb_value y);
lb_value lb_scale(lb_builder *b, lb_value x, double factor); /* no node for 1 */
lb_value lb_neg(lb_builder *b, lb_value x);
lb_value lb_abs(lb_builder *b, lb_value x); /* gradient 0 at 0 */
lb_value lb_exp(lb_builder *b, lb_value x);
lb_value lb_ln(lb_builder *b, lb_value x);   /* gradient 0 at 0 and below */
lb_value lb_sqrt(lb_builder *b, lb_value x); /* gradient 0 at 0 */
lb_value lb_reciprocal(lb_builder *b, lb_value x);
/* Gradient 0 at 0 if the exponent is below 1. */
lb_value lb_pow(lb_builder *b, lb_value x, double exponent);
lb_value lb_sigmoid(lb_builder *b, lb_value x);
lb_value lb_tanh(lb_builder *b, lb_value x);
lb_value lb_softplus(lb_builder *b, lb_value x); /* log(1 + e^x) */
lb_value lb_leaky_relu(lb_builder *b, lb_value x, double alpha, const char *name);
/* With broadcasting; the gradient goes to x at ties. */
lb_value lb_max(lb_builder *b, lb_value x, lb_value y);
lb_value lb_min(lb_builder *b, lb_value x, lb_value y);
/* 1 where x > threshold, else 0; no gradient. */
lb_value lb_step_above(lb_builder *b, lb_value x, double threshold);
/* x itself; no gradient flows through. */
lb_value lb_stop_gradient(lb_builder *b, lb_value x);
/* The whole batch as an ordinary array: [N,D...] -> [batch,D...], and its rows as a batch
 * again. Each is the other's gradient; the plan must be for `batch` samples. */
lb_value lb_batch_gather(lb_builder *b, lb_value x, int batch);
lb_value lb_batch_rows(lb_builder *b, lb_value x);
lb_value lb_relu(lb_builder *b, lb_value x, const char *name);
lb_value lb_clip(lb_builder *b, lb_value x, double low, double high, const char *name);
lb_value lb_max_pool(lb_builder *b, lb_value x, const lb_window *window,
                     const char *name);
lb_value lb_average_pool(lb_builder *b, lb_value x, const lb_window *window,
                         bool count_include_pad, const char *name);
lb_value lb_global_average_pool(lb_builder *b, lb_value x, const char *name);
lb_value lb_global_max_pool(lb_builder *b, lb_value x, const char *name);
/* w [C, M/group, kH, kW] for x [N,C,H,W]; the result is extra[i] longer at the end of
 * axis i than the window needs, less than its stride (ONNX's output_padding). */
lb_value lb_conv_transpose(lb_builder *b, lb_value x, lb_value w, lb_value bias,
                           const lb_window *window, const int extra[2], const char *name);
/* Each element of H (or L) and W repeated factor[i] times. */
lb_value lb_resize(lb_builder *b, lb_value x, const int factor[2], const char *name);
lb_value lb_reshape(lb_builder *b, lb_value x,
                    const lb_shape *shape);                       /* may hold LB_BATCH */
lb_value lb_flatten(lb_builder *b, lb_value x, const char *name); /* [N, rest] */
lb_value lb_transpose(lb_builder *b, lb_value x, const int *perm, int n);
lb_value lb_concat(lb_builder *b, const lb_value *x, int n, int axis);
lb_value lb_softmax(lb_builder *b, lb_value x, int axis);
lb_value lb_log_softmax(lb_builder *b, lb_value x, int axis);
lb_value lb_reduce_mean(lb_builder *b, lb_value x, const int *axes, int n, bool keepdims);
lb_value lb_reduce_sum(lb_builder *b, lb_value x, const int *axes, int n, bool keepdims);
/* Not over the batch; the gradient goes to the first of the largest elements. */
lb_value lb_reduce_max(lb_builder *b, lb_value x, const int *axes, int n, bool keepdims);
/* Over everything: a scalar. */
lb_value lb_mean_all(lb_builder *b, lb_value x);
lb_value lb_sum_all(lb_builder *b, lb_value x);
/* labels [N] int32 -> [N,depth] of x's float type; a label outside 0..depth-1 (a sample
 * without a label is -1) gives a row of `off`. */
lb_value lb_one_hot(lb_builder *b, lb_value labels, lb_dtype dtype, int depth, double on,
                    double off);

/* ONNX's QuantizeLinear and DequantizeLinear: q = saturate(round(x / scale) + zero), ties
 * to even, and (q - zero) * scale. scale: a float scalar, or [C] along `axis`; zero has
 * its shape and gives the whole numbers their type, int8 or uint8 (to dequantise, int32
 * too); {0} is a zero point of 0, and uint8. The gradient passes straight through both,
 * but is 0 where something was saturated. */
lb_value lb_quantize(lb_builder *b, lb_value x, lb_value scale, lb_value zero, int axis,
                     const char *name);
lb_value lb_dequantize(lb_builder *b, lb_value q, lb_value scale, lb_value zero, int axis,
                       const char *name);

/* Both together as one node, for training: whole numbers from low to high (-128, 127; of
 * weights -127 or, with 4 bits, -7 and 7) with that zero point. scale: a number, or [M]
 * along the first axis of weights; its gradient is that of learned step sizes, see
 * op_fake_quantize.c. */
lb_value lb_fake_quantize(lb_builder *b, lb_value x, lb_value scale, int zero, int low,
                          int high, const char *name);

/* What lb_autodiff needs. */
extern const lb_diff_verbs lb_op_verbs;

/* How one parameter moves, by the rules of torch.optim.SGD. */
typedef struct lb_sgd_rule {
    lb_value lr;    /* a scalar */
    lb_value scale; /* a scalar that gradients are multiplied by; {0}: none */
    double momentum, weight_decay;
    bool nesterov;
} lb_sgd_rule;

/* param <- param - lr * (its momentum); velocity is updated too. */
void lb_sgd_update(lb_builder *b, lb_value param, lb_value grad, lb_value velocity,
                   const lb_sgd_rule *rule);
/* min(1, most / (norm + 1e-6)), norm the Euclidean length of n gradients together: what
 * clipping leaves of them (torch.nn.utils.clip_grad_norm_). {0} if n is 0. */
lb_value lb_clip_norm(lb_builder *b, const lb_value *grad, int n, double most);

#endif
