/* nat_pool.c: GlobalAveragePool from the blocked layout to plain [N,C,1,1], and the way
 * back for its gradient. */
#include "engine/native/nat_util.h"

#include <string.h>

static bool accepts(lb_ask *ask)
{
    if (!lb_nat_blockable(ask, 0) || ask->in_layout[0] != LB_BLOCKED)
        return false;
    return ask->in[0].shape.rank == ask->out[0].shape.rank;
}

static lb_code create(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    const lb_nat_dims d = lb_nat_dims_of(ask, &ask->in[0]);

    return lb_nat_keep(arena, &d, sizeof d, out, err);
}

static void run(const lb_call *call)
{
    const lb_nat_dims *const d = call->state;
    const float *x = call->in[0];
    float *const y = call->out[0];

    for (int n = 0; n < d->samples; n++)
        for (int k = 0; k < d->blocks; k++) {
            double sum[LB_MOST_BLOCK] = {0};
            for (int i = 0; i < d->inner; i++)
                for (int l = 0; l < d->block; l++)
                    sum[l] += (double)*x++;
            for (int l = 0; l < d->block && k * d->block + l < d->channels; l++)
                y[n * d->channels + k * d->block + l] = (float)(sum[l] / d->inner);
        }
}

const lb_kernel lb_nat_global_pool = {.table = "native",
                                      .op = "GlobalAveragePool",
                                      .accepts = accepts,
                                      .create = create,
                                      .run = run};

/* The gradient of an average over the whole map: one position in, the map out. */
static bool accepts_grad(lb_ask *ask)
{
    const lb_shape *const dy = &ask->in[0].shape;

    if (!lb_nat_blockable(ask, 0) || ask->in_layout[0] != LB_PLAIN)
        return false;
    for (int i = 2; i < dy->rank; i++)
        if (dy->dim[i] != 1)
            return false;
    int64_t kernel[2] = {0}, pads[4] = {0};
    const int n = lb_attr_ints(ask->node, "kernel_shape", kernel, 2);
    (void)lb_attr_ints(ask->node, "pads", pads, 4);
    for (int i = 0; i < n; i++)
        if (kernel[i] != ask->out[0].shape.dim[i + 2] || pads[i] || pads[i + n])
            return false;
    ask->out_layout[0] = LB_BLOCKED;
    return n == dy->rank - 2;
}

static lb_code create_grad(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    const lb_nat_dims d = lb_nat_dims_of(ask, &ask->out[0]);

    return lb_nat_keep(arena, &d, sizeof d, out, err);
}

static void run_grad(const lb_call *call)
{
    const lb_nat_dims *const d = call->state;
    const float *const dy = call->in[0];
    float *dx = call->out[0];

    for (int n = 0; n < d->samples; n++)
        for (int k = 0; k < d->blocks; k++) {
            float share[LB_MOST_BLOCK] = {0};
            for (int l = 0; l < d->block && k * d->block + l < d->channels; l++)
                share[l] = dy[n * d->channels + k * d->block + l] / (float)d->inner;
            for (int i = 0; i < d->inner; i++, dx += d->block)
                memcpy(dx, share, (size_t)d->block * sizeof *dx);
        }
}

const lb_kernel lb_nat_global_pool_grad = {.table = "native",
                                           .op = "AveragePoolGrad",
                                           .accepts = accepts_grad,
                                           .create = create_grad,
                                           .run = run_grad};
