/* lower.h: a graph as a device will run it: a list of steps over one arena.
 *
 * Both `device` (estimates) and `emit` (firmware) read this form, so that the estimate is
 * the firmware: fused, in place where possible, buffers placed by graph/memory.h.
 * Activations are channels-last (NHWC; NLC; vectors), one sample. */
#ifndef LB_LOWER_LOWER_H
#define LB_LOWER_LOWER_H

#include "ops/rewrite.h"

typedef enum lb_low_kind {
    LB_LOW_CONV,      /* dense convolution, groups 1 */
    LB_LOW_POINTWISE, /* 1x1, stride 1 */
    LB_LOW_DEPTHWISE,
    LB_LOW_DENSE,
    LB_LOW_MAX_POOL,
    LB_LOW_AVERAGE_POOL, /* global too */
    LB_LOW_ADD,
    LB_LOW_SOFTMAX,
    LB_LOW_ACTIVATION,
    LB_LOW_PAD,
    LB_LOW_CONCAT,
    LB_LOW_COPY,   /* element i in ONNX's order stays element i: flatten, reshape */
    LB_LOW_AFFINE, /* per-channel y = a x + b that could not be folded */
} lb_low_kind;

/* [H,W,C] of one sample; vectors are [1,1,D], sequences [1,L,C]. */
typedef struct lb_low_dims {
    int h, w, c;
} lb_low_dims;

typedef struct lb_low_buffer {
    const char *name; /* of the graph's value */
    lb_low_dims dims;
    size_t bytes;
    size_t offset;   /* in the arena */
    int first, last; /* steps */
    int alias;       /* the buffer whose memory it takes over in place, or -1 */
} lb_low_buffer;

typedef struct lb_low_step {
    lb_low_kind kind;
    const char *name; /* of the node */
    int in[2], out;   /* buffers; in[1]: residual of a convolution or add, or -1 */
    int n_in_all;     /* of concat: the inputs are in_all */
    const int *in_all;
    int kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
    int pad_top, pad_left, pad_bottom, pad_right;
    bool count_include_pad;
    float value;         /* of pad: what stands around the input */
    float low, high;     /* clamp of the result; -FLT_MAX, FLT_MAX: none */
    const float *weight; /* conv: [M,kH,kW,C]; depthwise: [kH,kW,C]; dense: [M,D] (D in
                            the order of the input buffer, channels last); affine: [C] */
    const float *bias;   /* [M], never NULL where weight is not */
    double macs, other;  /* work of one run */
} lb_low_step;

typedef struct lb_low {
    const char *input_name, *output_name;
    lb_low_dims input, output;
    int input_buffer, output_buffer;
    lb_low_step *step;
    int n_steps;
    lb_low_buffer *buffer;
    int n_buffers;
    size_t arena_bytes; /* input and output counted */
    size_t bound_bytes; /* the most bytes alive at once: no order of placing needs less */
    size_t weight_bytes; /* weights and biases */
} lb_low;

/* graph: any form with one input and one output; it is copied, folded and fused here.
 * Everything lives in the arena. LB_ERR_UNSUPPORTED lists every node that no device step
 * exists for. */
lb_code lb_lower(const lb_graph *graph, lb_arena *arena, lb_low **out,
                 lb_error *err) LB_MUST_USE;

static inline size_t lb_low_count(const lb_low_dims *d)
{
    return (size_t)d->h * (size_t)d->w * (size_t)d->c;
}

/* Floats of a step's weights; 0 if it has none. Its biases: the output's channels. */
size_t lb_low_weights(const lb_low *low, const lb_low_step *step);

/* "conv", "pointwise", ... */
const char *lb_low_kind_name(lb_low_kind kind);

/* Runs the lowered form on one sample: in [C,H,W] as the network wants it, out plain.
 * This is the fp32 definition that the emitted firmware follows, sum order included.
 * scratch: arena_bytes. */
void lb_low_run(const lb_low *low, const float *in, float *out, void *scratch);

#endif
