/* nat_conv.h: what native convolutions share: their sizes and what follows them. */
#ifndef LB_ENGINE_NATIVE_NAT_CONV_H
#define LB_ENGINE_NATIVE_NAT_CONV_H

#include "engine/native/nat_util.h"
#include "engine/simd/simd_table.h"
#include "ops/window.h"

typedef enum lb_nat_pass { LB_NAT_FORWARD, LB_NAT_INPUT, LB_NAT_WEIGHT } lb_nat_pass;

/* x [n,c,h,w] and y [n,m,oh,ow], of whichever pass; 1-D ones have h = 1. */
typedef struct lb_nat_conv {
    lb_nat_pass pass;
    int n, c, h, w, m, oh, ow, group;
    int block, c_blocks, m_blocks;
    lb_window window; /* 2-D */
    const lb_simd *simd;
    lb_conv_after after; /* of a FusedConv; bias and residual come with each call */
} lb_nat_conv;

/* Conv, FusedConv or one of their gradients. False if it is no convolution of float32
 * maps whose weights are at hand, or if the filters that only fill a block would not stay
 * zero. */
bool lb_nat_conv_of(const lb_ask *ask, lb_nat_conv *out);

/* The answers of a kernel that takes it: maps in blocks, a padded bias; bytes: of the
 * packed weights, or of a share of their gradient. */
void lb_nat_conv_accept(lb_ask *ask, const lb_nat_conv *c, size_t bytes);

/* What follows the sum in this call of a forward pass. */
lb_conv_after lb_nat_after_in(const lb_nat_conv *c, const lb_call *call);

/* Square kernel k, both strides `stride`, no dilation, one group. */
bool lb_nat_conv_is(const lb_nat_conv *c, int k, int stride);

/* m values and zeros up to whole blocks. */
void lb_nat_pack_bias(const lb_nat_conv *c, const float *plain, float *packed);

/* dw [m][c][taps] from [taps][c padded][m padded], and the bytes of the latter. */
size_t lb_nat_taps_bytes(const lb_nat_conv *c);
void lb_nat_unpack_taps(const lb_nat_conv *c, const float *sum, float *plain);

#endif
