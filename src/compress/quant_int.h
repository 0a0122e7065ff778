/* quant_int.h: what the files of a quantisation share.
 *
 * quantize.c leads: the network is brought into inference form, quant_equalise.c rescales
 * channels, quant_groups.c decides which values are held in int8 and which of them share
 * one scale, quant_ranges.c finds the scales, quant_choose.c the bits of each layer's
 * weights, quant_bias.c the shifts of means, and quant_build.c writes the new graph.
 * quant_observe.c runs the network for all of them.
 */
#ifndef LB_COMPRESS_QUANT_INT_H
#define LB_COMPRESS_QUANT_INT_H

#include "compress/quantize.h"

typedef struct lb_quant_where lb_quant_where;
typedef struct lb_quant {
    const lb_quantize_setup *setup;
    const lb_quant_where *where;
    lb_arena *arena;
    lb_graph *real;
    bool *held;       /* [values] has a QuantizeLinear behind it */
    int *parent;      /* [values] towards the one that stands for its group */
    lb_value *source; /* values whose numbers make the ranges of their groups */
    int n_sources;
    lb_qparams *scale;   /* [values], of those that stand for groups */
    double **shift;      /* [nodes] by how much each channel's mean is off; or NULL */
    int *bits;           /* [nodes] of the weights of layers: 8 or 4 */
    double *sensitivity; /* [nodes]; NaN: not measured */
} lb_quant;

/* The value that stands for v's group. */
int lb_quant_group(const lb_quant *q, lb_value v);

/* A layer with weights: Conv, or Gemm on [N,K], whose weights and bias are known. */
typedef struct lb_quant_layer {
    const lb_tensor *weight, *bias; /* bias may be NULL */
    int channels;                   /* of the result */
    bool columns;                   /* the weights of one output stand in a column */
} lb_quant_layer;
bool lb_quant_layer_of(const lb_graph *graph, const lb_node *node, lb_quant_layer *out);
/* The same, and its input is held in int8. */
bool lb_quant_is_layer(const lb_quant *q, const lb_node *node, lb_quant_layer *out);
/* Where weight i of output channel c stands, of n that it has. */
static inline size_t lb_quant_at(const lb_quant_layer *l, size_t n, size_t c, size_t i)
{
    return l->columns ? i * (size_t)l->channels + c : c * n + i;
}

/* quant_tidy.c: MatMul to Gemm, added constants to biases, lone norms to convolutions. */
lb_code lb_quant_tidy(lb_graph *graph, lb_error *err) LB_MUST_USE;

/* quant_groups.c: fills held, parent, source. */
lb_code lb_quant_find_groups(lb_quant *q, lb_error *err) LB_MUST_USE;
/* Whether the results of an operator are numbers of its inputs, or lie between two of
 * them, so that a scale which holds the inputs holds these. */
bool lb_quant_moves(const lb_op *op);
/* The Relu or Clip that is the only one to use v, or NULL. */
const lb_node *lb_quant_activation(const lb_graph *graph, lb_value v);

/* quant_observe.c: a graph that runs over samples so that values of it can be seen. */
struct lb_quant_where {
    const lb_tensor *samples; /* [n, ...] float32 */
    lb_pool *pool;
    lb_kernels kernels;
};
typedef struct lb_quant_probe {
    lb_graph *graph; /* a clone, owned */
    lb_plan *plan;
    const lb_value *value;
    int n_values, batch;
    const lb_tensor *samples;
} lb_quant_probe;
/* value: batched floats of the graph, inputs too; borrowed. */
lb_code lb_quant_probe_open(const lb_graph *graph, const lb_value *value, int n_values,
                            const lb_quant_where *where, lb_quant_probe *probe,
                            lb_error *err) LB_MUST_USE;
void lb_quant_probe_close(lb_quant_probe *probe);
/* Runs the batch of samples from `first` on; returns how many they are. */
int lb_quant_probe_run(lb_quant_probe *probe, int first);
/* What value k is for sample i of the batch, and how many elements it has. */
const float *lb_quant_probe_row(const lb_quant_probe *probe, int k, int i);
size_t lb_quant_probe_size(const lb_quant_probe *probe, int k);

/* Calls `see` for every sample and value, in order: x holds the n elements that value
 * `of` has for it. */
typedef void lb_quant_see(void *arg, int of, const float *x, size_t n);
lb_code lb_quant_observe(const lb_graph *graph, const lb_value *value, int n_values,
                         const lb_quant_where *where, lb_quant_see *see, void *arg,
                         lb_error *err) LB_MUST_USE;

/* quant_equalise.c: returns the number of pairs in *n. */
lb_code lb_quant_equalise(lb_quant *q, int *n, lb_error *err) LB_MUST_USE;

/* quant_ranges.c: fills scale. */
lb_code lb_quant_find_scales(lb_quant *q, lb_error *err) LB_MUST_USE;
/* The scale of values between low and high, which take in 0. */
lb_qparams lb_quant_scale_of(double low, double high);
/* x as it comes back from int8. */
double lb_quant_there_and_back(const lb_qparams *s, double x);

/* quant_weights.c: scales [channels] of a layer whose input has that scale: of the
 * weights, large enough for its bias. */
void lb_quant_weight_scales(const lb_quant_layer *layer, double input, int bits,
                            float *out);
/* Weight x in steps of the scale, held in [-127,127], or with 4 bits in [-7,7]. */
int lb_quant_weight(double x, double scale, int bits);

/* quant_choose.c: bits of LB_WEIGHTS_MIXED, and sensitivity. */
lb_code lb_quant_choose(lb_quant *q, lb_error *err) LB_MUST_USE;

/* quant_bias.c: fills shift. */
lb_code lb_quant_find_shifts(lb_quant *q, lb_error *err) LB_MUST_USE;

/* quant_build.c: all that follows from the scales and bits: a graph and its layers, which
 * live in q's arena. */
lb_code lb_quant_build(lb_quant *q, lb_quantised *out, lb_error *err) LB_MUST_USE;

#endif
