/* nat_batch.c: BatchGather and BatchRows. Each group copies its own rows into the array
 * of the whole batch, or out of it: there are no shares of zeros to add. */
#include "engine/native/nat_util.h"

typedef struct state {
    size_t row, rows; /* bytes of a sample; samples of a group */
} state;

static bool accepts_gather(lb_ask *ask)
{
    ask->want_in[0] = LB_PLAIN;
    ask->parts[0] = true;
    return true;
}

static bool accepts_rows(lb_ask *ask)
{
    ask->want_in[0] = LB_PLAIN;
    return true;
}

/* part: a group's samples; whole: the array of all. */
static lb_code create(const lb_ask *ask, const lb_type *part, const lb_type *whole,
                      lb_arena *arena, void **out, lb_error *err)
{
    size_t n = 0;

    if (whole->shape.dim[0] != ask->batch)
        return lb_raise(err, LB_ERR_INPUT, "it is for batches of %d samples, not of %d",
                        whole->shape.dim[0], ask->batch);
    state *const s = LB_TAKE(arena, state);
    if (!s)
        return lb_nat_no_memory(err);
    (void)!lb_shape_count(&part->shape, &n);
    s->rows = (size_t)part->shape.dim[0];
    s->row = n / s->rows * lb_dtype_size(part->dtype);
    *out = s;
    return LB_OK;
}

static lb_code create_gather(const lb_ask *ask, lb_arena *arena, void **out,
                             lb_error *err)
{
    return create(ask, &ask->in[0], &ask->out[0], arena, out, err);
}

static lb_code create_rows(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    return create(ask, &ask->out[0], &ask->in[0], arena, out, err);
}

static void run_gather(const lb_call *call)
{
    const state *const s = call->state;

    memcpy((char *)call->out[0] + (size_t)call->first * s->row, call->in[0],
           s->rows * s->row);
}

static void run_rows(const lb_call *call)
{
    const state *const s = call->state;

    memcpy(call->out[0], (const char *)call->in[0] + (size_t)call->first * s->row,
           s->rows * s->row);
}

const lb_kernel lb_nat_batch_gather = {.table = "native",
                                       .op = "BatchGather",
                                       .accepts = accepts_gather,
                                       .create = create_gather,
                                       .run = run_gather};

const lb_kernel lb_nat_batch_rows = {.table = "native",
                                     .op = "BatchRows",
                                     .accepts = accepts_rows,
                                     .create = create_rows,
                                     .run = run_rows};
