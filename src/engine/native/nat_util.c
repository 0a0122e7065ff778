/* nat_util.c: what the native kernels share. */
#include "engine/native/nat_util.h"

#include <math.h>

lb_nat_blocks lb_nat_blocks_of(const lb_shape *shape, int block)
{
    const bool flat = shape->rank == 3;
    lb_nat_blocks b = {.n = shape->dim[0],
                       .channels = shape->dim[1],
                       .block = block,
                       .blocks = (shape->dim[1] + block - 1) / block,
                       .h = flat ? 1 : shape->dim[2],
                       .w = shape->dim[shape->rank - 1]};

    b.inner = (size_t)b.h * (size_t)b.w;
    return b;
}

bool lb_nat_floats(const lb_ask *ask)
{
    for (int k = 0; k < ask->n_in; k++)
        if (ask->has_in[k] && ask->in[k].dtype != LB_F32)
            return false;
    for (int k = 0; k < ask->n_out; k++)
        if (ask->out[k].dtype != LB_F32)
            return false;
    return true;
}

bool lb_nat_can_block(const lb_ask *ask, int k)
{
    const int rank = ask->in[k].shape.rank;

    return ask->batched_in[k] && (rank == 3 || rank == 4) &&
           (ask->block == 8 || ask->block == LB_NAT_WIDE);
}

size_t lb_nat_count(const lb_ask *ask)
{
    size_t n = 0;

    if (ask->out_layout[0] == LB_BLOCKED)
        return lb_blocked_count(&ask->out[0].shape, ask->block);
    return lb_shape_count(&ask->out[0].shape, &n) ? n : 0;
}

size_t lb_nat_alike(lb_ask *ask, int n)
{
    lb_layout layout = LB_PLAIN;

    if (!lb_nat_floats(ask))
        return 0;
    for (int k = 0; k < n; k++) {
        if (!lb_shape_equal(&ask->in[k].shape, &ask->out[0].shape) ||
            ask->batched_in[k] != ask->batched_out[0])
            return 0;
        if (ask->in_layout[k] == LB_BLOCKED)
            layout = LB_BLOCKED;
    }
    for (int k = 0; k < n; k++)
        ask->want_in[k] = layout;
    ask->out_layout[0] = layout;
    return lb_nat_count(ask);
}

bool lb_nat_clip_of(const lb_node *node, float *low, float *high)
{
    const char *const activation = lb_attr_text(node, "activation", "");
    const lb_attr *const limits = lb_attr_find(node, "activation_params");

    *low = 0;
    *high = INFINITY;
    if (strcmp(activation, "Clip") == 0 && limits) {
        *low = (float)limits->floats[0];
        *high = (float)limits->floats[1];
    }
    return activation[0] != 0;
}

lb_code lb_nat_no_memory(lb_error *err)
{
    return lb_raise(err, LB_ERR_MEMORY, "no memory to make a plan");
}
