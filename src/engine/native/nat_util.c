/* nat_util.c: what the native kernels share. */
#include "engine/native/nat_util.h"

#include <string.h>

lb_nat_dims lb_nat_dims_of(const lb_ask *ask, const lb_type *type)
{
    lb_nat_dims d = {.samples = type->shape.dim[0],
                     .channels = type->shape.dim[1],
                     .inner = 1,
                     .block = ask->block,
                     .batch = ask->batch};

    d.blocks = (d.channels + d.block - 1) / d.block;
    for (int i = 2; i < type->shape.rank; i++)
        d.inner *= type->shape.dim[i];
    return d;
}

bool lb_nat_blockable(const lb_ask *ask, int input)
{
    const lb_type *const t = &ask->in[input];

    return ask->has_in[input] && ask->batched_in[input] && t->dtype == LB_F32 &&
           t->shape.rank >= 3 && t->shape.rank <= 4;
}

size_t lb_nat_count(const lb_ask *ask, const lb_type *type, lb_layout layout)
{
    size_t n = 0;

    if (layout == LB_BLOCKED)
        return lb_blocked_count(&type->shape, ask->block);
    return lb_shape_count(&type->shape, &n) ? n : 0;
}

lb_code lb_nat_keep(lb_arena *arena, const void *state, size_t size, void **out,
                    lb_error *err)
{
    *out = lb_arena_take(arena, size);
    if (!*out)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to make a plan");
    memcpy(*out, state, size);
    return LB_OK;
}
