/* quantize.h: int8 after training: a network and some samples become a network that
 * computes in whole numbers.
 *
 * The result is an ordinary graph with ONNX's QuantizeLinear and DequantizeLinear around
 * its layers (QDQ): on the input, behind every convolution and dense layer with its Relu
 * or Clip, behind additions, pools and everything else that computes, and on the output.
 * Activations are int8 with one scale and zero point each, scalars, 0 exactly
 * representable. Weights are int8 in [-127,127] with a scale for each output channel and
 * zero points of 0 (axis 0; depthwise too; a Gemm's are written as [M,K]); biases are
 * int32 of scale s_in * s_w. Weights of 4 bits are int8 in [-7,7]: lb_low_fits_4_bits
 * knows them by that, and the firmware has them two to a byte. What only moves numbers
 * (max pools, reshapes, transposes, concatenations) keeps the scale of its inputs. Names
 * of nodes, inputs and outputs stay.
 *
 * The scheme is that of Jacob et al. (CVPR 2018) and of TFLite; equalisation and bias
 * correction follow Nagel et al. (ICCV 2019). */
#ifndef LB_COMPRESS_QUANTIZE_H
#define LB_COMPRESS_QUANTIZE_H

#include "base/key.h"
#include "device/device.h"
#include "engine/plan.h"

typedef enum lb_ranges {
    LB_RANGES_MINMAX,     /* all that was seen */
    LB_RANGES_PERCENTILE, /* but for a share at either end */
    LB_RANGES_MSE,        /* the least mean square of what is lost */
} lb_ranges;

typedef enum lb_weights {
    LB_WEIGHTS_8,    /* bits, in every layer */
    LB_WEIGHTS_4,    /* in every layer */
    LB_WEIGHTS_MIXED /* 4 in the layers that mind it least, 8 in the others */
} lb_weights;

typedef struct lb_quantize_options {
    int samples;       /* that the ranges are found with */
    int ranges;        /* lb_ranges */
    double percentile; /* of LB_RANGES_PERCENTILE */
    bool equalise;     /* cross-layer equalisation */
    bool correct_bias; /* takes off the mean shift of each output channel */
    int rounding;      /* lb_rounding: tflite makes average pools keep their scale */
    int weights;       /* lb_weights */
    /* Of LB_WEIGHTS_MIXED. flash: of the firmware, in bytes; as few layers have 4 bits as
     * it asks for. If it is 0, as many do as max_drop allows: percentage points of
     * accuracy less than with 8 bits throughout. */
    double flash, max_drop;
} lb_quantize_options;
extern const lb_key lb_quantize_keys[];

/* The share of right answers of a quantised network. */
typedef lb_code lb_quantize_score(void *arg, const lb_graph *graph, double *accuracy,
                                  lb_error *err);

/* All borrowed. */
typedef struct lb_quantize_setup {
    const lb_graph *graph; /* one batched float input, any form that can be trained or
                              imported; not changed */
    const lb_tensor
        *samples; /* [n, ...] float32, as the input wants them; n at least 1 */
    lb_quantize_options options;
    lb_pool *pool;
    lb_kernels kernels;
    const lb_device *device; /* whose `flash`; NULL: the first one of the table */
    /* Of LB_WEIGHTS_MIXED without `flash`, with samples of its own; else not looked at.
     */
    lb_quantize_score *score;
    void *score_arg;
} lb_quantize_setup;

/* A layer: a value of the network that is held in int8. */
typedef struct lb_quantised_layer {
    const char *name;     /* of the node that computes it (of its activation) */
    const char *op;       /* ONNX's name of the layer's own operator */
    lb_value real, whole; /* the value in `real`; the dequantised one in `graph` */
    lb_qparams q;
    int bits;           /* of its weights; 0: it has none */
    double sensitivity; /* of LB_WEIGHTS_MIXED: what 4 bits in this layer alone do to the
                           answers, see quant_choose.c; NaN: not measured */
} lb_quantised_layer;

typedef struct lb_quantised {
    lb_graph *graph; /* with its own tensors */
    lb_graph *real;  /* what it stands for, in float32: folded and equalised */
    lb_quantised_layer *layer;
    int n_layers;
    int n_equalised; /* pairs of layers whose channels were brought to like ranges */
} lb_quantised;

/* The graphs are owned by the caller, the layers live in the arena. A network that holds
 * QuantizeLinear or DequantizeLinear is LB_ERR_INPUT; LB_ERR_BUDGET if options.flash is
 * too little even for 4 bits throughout. */
lb_code lb_network_quantize(const lb_quantize_setup *setup, lb_arena *arena,
                            lb_quantised *out, lb_error *err) LB_MUST_USE;
/* Gives back both graphs; takes one that was never filled (zeroed). */
void lb_quantised_free(lb_quantised *quantised);

/* How far a layer is off, over all its elements on some samples. */
typedef struct lb_layer_error {
    double sqnr;     /* 10 log10(sum x^2 / sum (x - x')^2), dB; infinite if exact */
    double relative; /* root of the mean square of x - x', as a share of that of x */
} lb_layer_error;

/* For each layer of `quantised`, on samples [n, ...]: both graphs run, each by itself, so
 * that what layers before have lost is counted too. out: [n_layers]. */
lb_code lb_quantised_errors(const lb_quantised *quantised, const lb_tensor *samples,
                            lb_pool *pool, lb_kernels kernels, lb_layer_error *out,
                            lb_error *err) LB_MUST_USE;

#endif
