/* fw.h: the kernels of a network that limbeck has emitted. C99, no memory of their own.
 *
 * Maps lie channels-last: element (h, w, c) is at (h * width + w) * channels + c. Every
 * sum begins with the bias (pools: 0) and adds one product after the other, by kernel
 * row, kernel column and channel; taps in the padding are left out. Results are clamped
 * to low..high. */
#ifndef FW_H
#define FW_H

typedef struct fw_shape {
    int in_h, in_w, in_c, out_h, out_w, out_c;
    int kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
    int pad_top, pad_left, pad_bottom, pad_right;
    int count_include_pad;
    float low, high;
} fw_shape;

/* weight [out_c, kernel_h, kernel_w, in_c], bias [out_c]; residual: like y, or NULL; y
 * may be the residual. */
void fw_conv(const fw_shape *s, const float *x, const float *weight, const float *bias,
             const float *residual, float *y);
/* kernel 1x1, stride 1, no padding. */
void fw_pointwise(const fw_shape *s, const float *x, const float *weight,
                  const float *bias, const float *residual, float *y);
/* weight [kernel_h, kernel_w, in_c]; as many channels out as in. */
void fw_depthwise(const fw_shape *s, const float *x, const float *weight,
                  const float *bias, const float *residual, float *y);
/* weight [out_c, in_h * in_w * in_c]. */
void fw_dense(const fw_shape *s, const float *x, const float *weight, const float *bias,
              float *y);
void fw_max_pool(const fw_shape *s, const float *x, float *y);
void fw_average_pool(const fw_shape *s, const float *x, float *y);
/* Element by element; y may be an input. */
void fw_add(const fw_shape *s, const float *a, const float *b, float *y);
void fw_activation(const fw_shape *s, const float *x, float *y);
void fw_affine(const fw_shape *s, const float *x, const float *factor,
               const float *offset, float *y);
void fw_softmax(const fw_shape *s, const float *x, float *y);
/* value stands around x. */
void fw_pad(const fw_shape *s, const float *x, float value, float *y);
/* in_c channels of x become the channels of y from first on. */
void fw_concat(const fw_shape *s, const float *x, int first, float *y);
/* Element i in the order [C,H,W] stays element i. */
void fw_copy(const fw_shape *s, const float *x, float *y);

/* What the kernels share. */

/* The taps of a kernel's row or column that lie inside the input: from first to end. */
typedef struct fw_taps {
    int first, end;
} fw_taps;

/* start: where the first tap lies. */
static inline fw_taps fw_taps_at(int start, int kernel, int dilation, int size)
{
    fw_taps t = {0, kernel};

    while (t.first < kernel && start + t.first * dilation < 0)
        t.first++;
    while (t.end > t.first && start + (t.end - 1) * dilation >= size)
        t.end--;
    return t;
}

#endif
