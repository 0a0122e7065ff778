/* parts.h: layers with their weights, for the files that build architectures.
 *
 * Each weight is a function of the seed and of how many weights came before it, so that a
 * network starts the same wherever it is built. Names: "stem/conv/weight". */
#ifndef LB_MODELS_PARTS_H
#define LB_MODELS_PARTS_H

#include "models/model.h"

typedef struct lb_maker {
    lb_builder *b; /* borrowed */
    uint64_t seed;
    int n_params; /* made so far */
} lb_maker;

/* A convolution of `channels` outputs. name: "block1/conv". Weights are He normal over
 * the fan-in (He et al., 2015); a bias starts at zero. */
lb_value lb_make_conv(lb_maker *m, lb_value x, int channels, const lb_window *window,
                      bool with_bias, const char *name);

/* BatchNormalization at its beginning: scale 1, bias 0, mean 0, variance 1. */
lb_value lb_make_norm(lb_maker *m, lb_value x, const char *name);

/* Mean over the plane, then a dense layer, whose weights and biases are uniform within
 * 1/sqrt(fan-in): the value "logits" [N,classes]. */
lb_value lb_make_dense(lb_maker *m, lb_value x, int classes);

/* head.c: what stands behind the last map x, [N,C,H,W]: the dense layer; or, with
 * options->tail, a projector (convolutions 1x1, 3x3, 1x1 with norms), then a copy of
 * another network's last part, which is not trained. Either way the value "logits". */
lb_value lb_make_head(lb_maker *m, lb_value x, const lb_model_options *options);

/* A square window of side k with padding k/2 all round. */
lb_window lb_square_window(int k, int stride);

/* Padding SAME_UPPER of ONNX (TensorFlow's SAME): the output has ceil(size / stride)
 * rows, and what does not divide evenly is added at the end. */
void lb_window_same(lb_window *window, int height, int width);

#endif
