/* norm_train.c: what the operators of batch norm in training share. */
#include "ops/norm_train.h"

#include <math.h>

lb_code lb_norm_check(const lb_view *view, lb_error *err)
{
    if (!lb_dtype_is_float(view->in[0]->dtype))
        return lb_raise(err, LB_ERR_INPUT, "input 0 is %s, not a float",
                        lb_dtype_name(view->in[0]->dtype));
    return lb_check_rank(view, 0, 2, LB_MAX_RANK, err);
}

lb_code lb_norm_check_channels(const lb_view *view, int from, int to, lb_error *err)
{
    const lb_shape channels = lb_shape_of(1, view->in[0]->shape.dim[1]);

    for (int i = from; i < to; i++)
        LB_TRY(lb_check_shape(view, i, &channels, "a statistic", err));
    return LB_OK;
}

lb_cost lb_norm_cost(const lb_view *view, const lb_type *out)
{
    (void)out;
    return (lb_cost){.other = lb_per_sample(view->in[0])};
}

lb_norm_extent lb_norm_extent_of(const lb_ref_call *call)
{
    const lb_shape *const x = &call->in_type[0].shape;
    lb_norm_extent e = {.samples = x->dim[0], .channels = x->dim[1], .inner = 1};

    for (int i = 2; i < x->rank; i++)
        e.inner *= x->dim[i];
    e.n = (double)(call->batched_in[0] ? call->batch : e.samples) * (double)e.inner;
    return e;
}

void lb_norm_moments(double sum, double sumsq, double n, double epsilon, double *mean,
                     double *inverse)
{
    *mean = sum / n;
    const double var = sumsq / n - *mean * *mean;
    *inverse = 1 / sqrt((var > 0 ? var : 0) + epsilon);
}
