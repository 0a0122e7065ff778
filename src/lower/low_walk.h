/* low_walk.h: where things lie in channels-last memory, for the runs in fp32 and int8. */
#ifndef LB_LOWER_LOW_WALK_H
#define LB_LOWER_LOW_WALK_H

#include "lower/low.h"

/* The first channel of the input that a tap of the window at (oh, ow) meets; -1 in the
 * padding. */
static inline ptrdiff_t lb_low_tap(const lb_low_step *s, const lb_low_dims *in, int oh,
                                   int ow, int kh, int kw)
{
    const int h = oh * s->stride_h - s->pad_top + kh * s->dilation_h;
    const int w = ow * s->stride_w - s->pad_left + kw * s->dilation_w;

    if (h < 0 || h >= in->h || w < 0 || w >= in->w)
        return -1;
    return ((ptrdiff_t)h * in->w + w) * in->c;
}

/* Where element i in ONNX's order, [C,H,W], lies. */
static inline size_t lb_low_place_of(const lb_low_dims *d, size_t i)
{
    const size_t area = (size_t)d->h * (size_t)d->w;

    return i % area * (size_t)d->c + i / area;
}

#endif
