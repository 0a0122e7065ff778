/* simd_table.h: the inner kernels, one table of them for each instruction set.
 *
 * Arrays are blocked as kernel.h says, with this table's block; channels are given in
 * blocks. Nothing is allocated; scratch is the caller's, 64-byte aligned. */
#ifndef LB_ENGINE_SIMD_SIMD_TABLE_H
#define LB_ENGINE_SIMD_SIMD_TABLE_H

#include <stdbool.h>
#include <stddef.h>

/* A 3x3 convolution with stride 1: x [n, ic, h, w, block] -> y [n, oc, oh, ow, block];
 * pad: zeros above and on the left, 0..2. */
typedef struct lb_wino {
    int n, ic, oc; /* samples; blocks of channels */
    int h, w, oh, ow;
    int pad_h, pad_w;
    int tiles_h, tiles_w;   /* of 4x4 pixels of y */
    int threes_h, threes_w; /* how many of them, at the end, are only 3 long */
    int samples, band;      /* samples and rows of tiles that are worked on at a time */
    int chunk;              /* tiles of that */
} lb_wino;

/* Which gradient, or none, a plan is for. */
typedef enum lb_wino_pass { LB_WINO_FORWARD, LB_WINO_BACK, LB_WINO_WEIGHT } lb_wino_pass;

/* A depthwise 3x3 convolution: x [n, c, h, w, block] -> y [n, c, oh, ow, block]; the
 * window at row i begins at row i * stride - pad_h of x; it may lie outside. */
typedef struct lb_depth {
    int n, c; /* samples; blocks of channels */
    int h, w, oh, ow;
    int stride; /* 1 or 2 */
    int pad_h, pad_w;
} lb_depth;

/* A 1x1 convolution with stride 1: x [n, ic, pixels, block] -> y [n, oc, pixels, block];
 * channels of x and filters of y: those that are not padding. */
typedef struct lb_point {
    int n, ic, oc; /* samples; blocks of channels */
    int pixels, channels, filters;
} lb_point;

/* y [m, n] = alpha * a * b + bias, all plain: row i and column k of a at
 * a[i * row + k * column]; b [k, n] with rows `pitch` floats apart; bias [n] or NULL. */
typedef struct lb_dense {
    int m, k, n;
    size_t row, column, pitch;
    float alpha;
} lb_dense;

/* What follows the convolution, in this order; NULL: left out. */
typedef struct lb_conv_after {
    const float *bias;     /* [oc * block] */
    const float *residual; /* like y; may be y */
    bool clips;
    float low, high;
} lb_conv_after;

/* Batch norm over one block of channels: n samples of `pixels` blocks each, `stride`
 * floats from one sample to the next. */
typedef struct lb_norm {
    int n;
    size_t pixels, stride;
    bool clips; /* low and high follow */
    float low, high;
} lb_norm;

/* Per channel of the block: t = (x - mean) * scale + shift (+ residual), clipped to y;
 * and from g, dy where t or y is between the limits:
 * dx = scale * (g - dshift - (x - mean) * dscale). */
typedef struct lb_norm_factors {
    float mean[16], scale[16], shift[16], dshift[16], dscale[16];
} lb_norm_factors;

/* Where a gradient comes from: g = dy (+ more), where y is between the limits. */
typedef struct lb_norm_join {
    const float *dy;
    const float *more, *y; /* NULL: left out; y only with clips */
} lb_norm_join;

/* Each row of simd_kernels.def is a member. */
typedef struct lb_simd {
    int block;
#define LB_SIMD_KERNEL(result, name, arguments) result(*name) arguments;
#include "engine/simd/simd_kernels.def"
#undef LB_SIMD_KERNEL
} lb_simd;

/* The table for this CPU; its block is lb_cpu_block(). */
const lb_simd *lb_simd_best(void);

#endif
