/* norm_train.h: what the operators of batch norm in training share. */
#ifndef LB_OPS_NORM_TRAIN_H
#define LB_OPS_NORM_TRAIN_H

#include "ops/op_util.h"

/* Input 0 is a float of rank 2 or more. */
lb_code lb_norm_check(const lb_view *view, lb_error *err) LB_MUST_USE;
/* Inputs from..to-1 are [C]. */
lb_code lb_norm_check_channels(const lb_view *view, int from, int to,
                               lb_error *err) LB_MUST_USE;
lb_cost lb_norm_cost(const lb_view *view, const lb_type *out);

typedef struct lb_norm_extent {
    int samples, channels;
    int64_t inner; /* elements of one channel of one sample */
    double n;      /* elements of a channel in the whole batch */
} lb_norm_extent;

lb_norm_extent lb_norm_extent_of(const lb_ref_call *call);

/* Mean and 1 / sqrt(var + epsilon) of a channel. */
void lb_norm_moments(double sum, double sumsq, double n, double epsilon, double *mean,
                     double *inverse);

#endif
