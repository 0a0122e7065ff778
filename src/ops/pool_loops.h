/* pool_loops.h: the loops of the reference pools; only ops/ includes it. */
#ifndef LB_OPS_POOL_LOOPS_H
#define LB_OPS_POOL_LOOPS_H

#include "ops/window.h"

/* One window: the elements h0, h0 + dh, ... below h1 and likewise w of one plane. */
typedef struct lb_pool_view {
    int h0, h1, dh, w0, w1, dw, width;
    double count; /* what an average divides by */
    const double *x, *dy;
    double *dx, *y; /* x, dx: the plane; y, dy: the window's element */
} lb_pool_view;

/* Whole arrays; NULL for those that are not used. */
typedef struct lb_pool_arrays {
    const double *x, *dy;
    double *dx, *y;
} lb_pool_arrays;

/* Calls `each` for every window of every plane of bound shapes. */
void lb_pool_each(const lb_ref_call *call, const lb_shape *x, const lb_shape *y,
                  lb_pool_arrays arrays, void (*each)(const lb_pool_view *v));

/* Where in the plane the largest element is; the first of equals, NaN above all. */
int64_t lb_pool_argmax(const lb_pool_view *v);

#endif
