/* dnnl_conv.h: convolutions in oneDNN's words, for the three passes. */
#ifndef LB_ENGINE_ONEDNN_DNNL_CONV_H
#define LB_ENGINE_ONEDNN_DNNL_CONV_H

#include "engine/onednn/dnnl_call.h"
#include "ops/window.h"

typedef enum lb_dnnl_pass { LB_DNNL_FORWARD, LB_DNNL_INPUT, LB_DNNL_WEIGHT } lb_dnnl_pass;

/* A convolution over [N,C,H,W]; channels are true, oneDNN sees them rounded up to whole
 * blocks so that it never pads by itself. */
typedef struct lb_dnnl_conv {
    lb_dnnl_pass pass;
    int block;
    int n, c, h, w, m, oh, ow, group;
    bool plain_x; /* the few channels of an image are left as they are */
    bool has_bias;
    lb_window window; /* 2-D */
} lb_dnnl_conv;

/* False if the node is none for oneDNN. */
bool lb_dnnl_conv_of(const lb_ask *ask, lb_dnnl_pass pass, lb_dnnl_conv *out);

/* Describes it into an open desc; false if oneDNN is slow at it. An image that it only
 * reads well in blocks loses plain_x. */
bool lb_dnnl_conv_find(lb_dnnl_conv *conv, lb_dnnl_desc *desc);

/* Output channels, rounded up. */
int lb_dnnl_conv_filters(const lb_dnnl_conv *conv);

/* The weights' plain form, and oneDNN's own form `wanted` seen with true channels. */
bool lb_dnnl_conv_weights(const lb_dnnl_conv *conv, const dnnl_memory_desc_t *wanted,
                          dnnl_memory_desc_t *plain, dnnl_memory_desc_t *packed);

#endif
