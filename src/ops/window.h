/* window.h: the sliding windows of convolutions and pools, with every default filled in.
 */
#ifndef LB_OPS_WINDOW_H
#define LB_OPS_WINDOW_H

#include "ops/build.h"

/* The window of a Conv, FusedConv, MaxPool, AveragePool or one of their gradients:
 * defaults filled in, auto_pad resolved against the input's shape. Works for bound and
 * for batched types. What it accepts is safe to run: sizes are positive and pads do not
 * pass the limits of an int. */
lb_code lb_window_of(const lb_view *view, lb_window *out, lb_error *err) LB_MUST_USE;

/* The same for a kernel that is running: the node was checked when it was added. */
lb_window lb_window_of_call(const lb_ref_call *call);

/* Positions of the window along spatial axis `axis` over `in` elements; <= 0 if the
 * window does not fit. ceil: ONNX's ceil_mode, without windows that start in the end
 * padding. */
int lb_window_count(const lb_window *window, int axis, int in, bool ceil);

/* A 1-D window as a 2-D one over [1, L]; 2-D windows stay. */
lb_window lb_window_2d(const lb_window *window);

/* Attributes for lb_add_node that say exactly this window; returns how many. The arrays
 * that they point to live in `store`. */
enum { LB_WINDOW_ATTRS = 5 };
typedef struct lb_window_store {
    int64_t kernel[2], stride[2], dilation[2], pads[4];
} lb_window_store;
int lb_window_attrs(const lb_window *window, bool with_group, lb_window_store *store,
                    lb_attr out[LB_WINDOW_ATTRS]);

#endif
