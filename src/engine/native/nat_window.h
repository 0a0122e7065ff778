/* nat_window.h: the windows of pools over blocked values. */
#ifndef LB_ENGINE_NATIVE_NAT_WINDOW_H
#define LB_ENGINE_NATIVE_NAT_WINDOW_H

#include "engine/native/nat_util.h"
#include "ops/window.h"

typedef struct lb_nat_window {
    lb_nat_blocks x, y;
    lb_window window; /* 2-D */
    bool include_pad;
} lb_nat_window;

/* The elements of one window that lie inside the input: rows h0..h1-1, columns w0..w1-1;
 * count: what an average divides by. */
typedef struct lb_nat_taps {
    int h0, h1, w0, w1, count;
} lb_nat_taps;

/* x, y: bound shapes. False if a window might hold nothing, or is not right. */
bool lb_nat_window_of(const lb_ask *ask, const lb_shape *x, const lb_shape *y,
                      lb_nat_window *out);

/* Along one axis: where the window at a position begins and ends inside the input, and
 * how many of its elements lie inside the padded input. */
static inline int lb_nat_range(const lb_nat_window *s, int axis, int position, int *first,
                               int *end)
{
    const lb_window *const w = &s->window;
    const int in = axis == 0 ? s->x.h : s->x.w, limit = in + w->pad_end[axis];
    const int start = position * w->stride[axis] - w->pad_begin[axis];
    const int stop = start + w->kernel[axis];

    *first = start < 0 ? 0 : start;
    *end = stop > in ? in : stop;
    return (stop > limit ? limit : stop) - start;
}

static inline lb_nat_taps lb_nat_taps_at(const lb_nat_window *s, int oh, int ow)
{
    lb_nat_taps t;
    const int rows = lb_nat_range(s, 0, oh, &t.h0, &t.h1);
    const int columns = lb_nat_range(s, 1, ow, &t.w0, &t.w1);

    t.count = s->include_pad ? rows * columns : (t.h1 - t.h0) * (t.w1 - t.w0);
    return t;
}

/* Where a pixel of x lies within its plane. */
static inline size_t lb_nat_pixel(const lb_nat_window *s, int h, int w)
{
    return ((size_t)h * (size_t)s->x.w + (size_t)w) * (size_t)s->x.block;
}

#endif
