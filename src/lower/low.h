/* low.h: what a device will run: a list of steps over one arena, in fp32 or in int8.
 *
 * Both `device` (estimates) and `emit` (firmware) read this form, so that the estimate is
 * the firmware: fused, in place where possible, buffers placed by graph/memory.h.
 * Activations are channels-last (NHWC; NLC; vectors), one sample. lower.h makes it. */
#ifndef LB_LOWER_LOW_H
#define LB_LOWER_LOW_H

#include "lower/requantise.h"
#include "tensor/tensor.h"

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
    lb_qparams q;    /* int8 */
} lb_low_buffer;

/* What an int8 step has besides its geometry. x, y: int8 elements of input and output,
 * zx, zy their zero points. All sums are int32 and cannot overflow. Multipliers hold what
 * one unit of the sum is worth in units of the output; "round" is lb_requantise. */
typedef struct lb_low_int8 {
    /* Convolutions and dense layers: y = clamp(round(bias + sum of (x - zx) w) + zy);
     * taps in the padding are left out. A residual z is added to the finished y, whose
     * grid is `middle` then: see lb_sum. */
    const int8_t *weight; /* in the order of lb_low_step.weight */
    bool packed; /* they fit 4 bits: the firmware has them two to a byte in flash */
    const int32_t *bias; /* [M] */
    lb_qparams middle;   /* of the sum before the residual */
    int middle_low, middle_high;

    /* [M] of convolutions and dense layers. Average pool: [1], or if the pads do not
     * count [kernel_h * kernel_w], by the number of taps that do, less 1; the sum is that
     * of (x - zx). Activation: [1], copies (pad, max pool, copy): none, their grids
     * agree. Concat: one for each input. */
    const lb_multiplier *multiplier;
    int n_multipliers;

    lb_sum_params sum;         /* of add, and of a residual (first the convolution) */
    lb_softmax_params softmax; /* its output has scale 1/256, zero -128 */
    int low, high;             /* clamp of the result */
    int value;                 /* of pad */
} lb_low_int8;

typedef struct lb_low_step {
    lb_low_kind kind;
    const char *name; /* of the node */
    int in[2], out;   /* buffers; in[1]: residual of a convolution or add, or -1 */
    int scratch;      /* int8: a buffer that the firmware's kernel works in, or -1 */
    int n_in_all;     /* of concat: the inputs are in_all */
    int *in_all;
    int kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
    int pad_top, pad_left, pad_bottom, pad_right;
    bool count_include_pad;
    float value;          /* of pad: what stands around the input */
    float low, high;      /* clamp of the result; -FLT_MAX, FLT_MAX: none */
    const float *weight;  /* conv: [M,kH,kW,C]; depthwise: [kH,kW,C]; dense: [M,D] (D in
                             the order of the input buffer, channels last); affine: [C] */
    const float *bias;    /* [M], never NULL where weight is not */
    const lb_low_int8 *q; /* int8: this instead of weight, bias, value, low and high */
    double macs, other;   /* work of one run */
} lb_low_step;

typedef struct lb_low_input {
    const char *name;
    lb_low_dims dims;
    int buffer;
} lb_low_input;
enum { LB_LOW_INPUTS = 3 }; /* at most */

typedef struct lb_low {
    lb_dtype dtype;       /* of all buffers: LB_F32 or LB_I8 */
    lb_rounding rounding; /* int8 */
    lb_low_input input[LB_LOW_INPUTS];
    int n_inputs;
    const char *output_name;
    lb_low_dims output;
    int output_buffer;
    lb_low_step *step;
    int n_steps;
    lb_low_buffer *buffer;
    int n_buffers;
    size_t arena_bytes; /* input and output counted */
    size_t
        run_bytes; /* of lb_low_run_int8: the arena, and the largest output once more */
    size_t bound_bytes; /* the most bytes alive at once: no order of placing needs less */
    size_t weight_bytes; /* weights, biases and multipliers, as the firmware has them */
} lb_low;

static inline size_t lb_low_count(const lb_low_dims *d)
{
    return (size_t)d->h * (size_t)d->w * (size_t)d->c;
}

/* Elements of all inputs. */
static inline size_t lb_low_count_inputs(const lb_low *low)
{
    size_t n = 0;

    for (int k = 0; k < low->n_inputs; k++)
        n += lb_low_count(&low->input[k].dims);
    return n;
}

/* Elements of a step's weights; 0 if it has none. Its biases: the output's channels. */
size_t lb_low_weights(const lb_low *low, const lb_low_step *step);

/* Bytes of the arena in use while a step runs; what it works on in place counts once. */
size_t lb_low_live_bytes(const lb_low *low, int step);

/* Whether all are in [-7,7]. */
bool lb_low_fits_4_bits(const int8_t *weight, size_t n);

/* Channels of a packed step that the firmware unpacks at once, whole groups of four. */
int lb_low_tile(const lb_low *low, const lb_low_step *step);

/* Weights that it unpacks in one run, each as often as it does. */
double lb_low_unpacked(const lb_low *low, const lb_low_step *step);

/* Bytes of scratch memory that the firmware's kernel of a step needs. */
size_t lb_low_scratch_bytes(const lb_low *low, const lb_low_step *step);

/* Bytes of a step's weights, biases and multipliers, as the firmware has them in flash.
 */
size_t lb_low_constant_bytes(const lb_low *low, const lb_low_step *step);

/* "conv", "pointwise", ... */
const char *lb_low_kind_name(lb_low_kind kind);

/* Runs the lowered form on one sample: in [C,H,W] as the network wants it, of several
 * inputs one behind the other, out plain.
 * This is the fp32 definition that the emitted firmware follows, sum order included.
 * scratch: arena_bytes. */
void lb_low_run(const lb_low *low, const float *in, float *out, void *scratch);

/* The same in int8: the one definition of limbeck's integer arithmetic, which the emitted
 * firmware equals byte for byte. scratch: run_bytes. */
void lb_low_run_int8(const lb_low *low, const int8_t *in, int8_t *out, void *scratch);

/* The same; watch sees the output of each step, channels-last. */
typedef void (*lb_low_watch)(void *user, int step, const int8_t *y);
void lb_low_run_int8_watched(const lb_low *low, const int8_t *in, int8_t *out,
                             void *scratch, lb_low_watch watch, void *user);

/* As QuantizeLinear and DequantizeLinear do it, for n elements. */
void lb_quantise(lb_qparams q, const float *in, size_t n, int8_t *out);
void lb_dequantise(lb_qparams q, const int8_t *in, size_t n, float *out);
/* All inputs, each to its grid. */
void lb_low_quantise_inputs(const lb_low *low, const float *in, int8_t *out);

#endif
