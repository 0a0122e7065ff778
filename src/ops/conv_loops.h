/* conv_loops.h: the loops of the reference convolutions; only ops/ includes it. */
#ifndef LB_OPS_CONV_LOOPS_H
#define LB_OPS_CONV_LOOPS_H

#include "ops/build.h"

typedef struct lb_conv_dims {
    int n, c, h, w;    /* of x */
    int m, oh, ow;     /* of y */
    int group, cg, mg; /* groups, and channels of x and y in each */
    lb_window win;     /* 2-D */
} lb_conv_dims;

/* Bound shapes; a 1-D convolution becomes a 2-D one over [1, L], and one that looks at
 * single pixels becomes one over a single row. */
lb_conv_dims lb_conv_dims_of(const lb_window *window, const lb_shape *x,
                             const lb_shape *y);

/* Each adds to its result. */
void lb_conv_forward(const lb_conv_dims *d, const double *x, const double *k, double *y);
void lb_conv_input(const lb_conv_dims *d, const double *dy, const double *k, double *dx);
void lb_conv_weight(const lb_conv_dims *d, const double *x, const double *dy, double *dk);

#endif
