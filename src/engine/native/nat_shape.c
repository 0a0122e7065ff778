/* nat_shape.c: Reshape, Flatten, Squeeze, Unsqueeze and Identity: the same floats under
 * another shape. Pooled maps [N,C,1,1] are read from their blocks as they are. */
#include "engine/native/nat_util.h"

typedef struct state {
    size_t rows, row, step; /* bytes of a row; bytes from row to row in the input */
} state;

/* Samples of C channels and one pixel lie in rows, padded to whole blocks. */
static bool is_pixel(const lb_ask *ask)
{
    const lb_shape *const x = &ask->in[0].shape;

    return ask->in_layout[0] == LB_BLOCKED && lb_nat_can_block(ask, 0) &&
           x->dim[2] == 1 && x->dim[x->rank - 1] == 1;
}

static bool accepts(lb_ask *ask)
{
    if (ask->in[0].dtype != ask->out[0].dtype ||
        ask->batched_in[0] != ask->batched_out[0])
        return false;
    ask->want_in[0] = is_pixel(ask) ? LB_BLOCKED : LB_PLAIN;
    ask->in_place = ask->want_in[0] == LB_PLAIN;
    return true;
}

static lb_code create(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    const lb_shape *const x = &ask->in[0].shape;
    const size_t item = lb_dtype_size(ask->in[0].dtype);
    state *const s = LB_TAKE(arena, state);

    if (!s)
        return lb_nat_no_memory(err);
    if (ask->want_in[0] == LB_BLOCKED) {
        const lb_nat_blocks b = lb_nat_blocks_of(x, ask->block);
        s->rows = (size_t)b.n;
        s->row = (size_t)b.channels * item;
        s->step = (size_t)b.blocks * (size_t)b.block * item;
    } else {
        s->rows = 1;
        s->row = lb_nat_count(ask) * item;
    }
    *out = s;
    return LB_OK;
}

static void run(const lb_call *call)
{
    const state *const s = call->state;
    const char *from = call->in[0];
    char *to = call->out[0];

    if (from == to)
        return;
    for (size_t i = 0; i < s->rows; i++)
        memcpy(to + i * s->row, from + i * s->step, s->row);
}

const lb_kernel lb_nat_reshape = {
    .table = "native", .op = "Reshape", .accepts = accepts, .create = create, .run = run};

const lb_kernel lb_nat_flatten = {
    .table = "native", .op = "Flatten", .accepts = accepts, .create = create, .run = run};

const lb_kernel lb_nat_squeeze = {
    .table = "native", .op = "Squeeze", .accepts = accepts, .create = create, .run = run};

const lb_kernel lb_nat_unsqueeze = {.table = "native",
                                    .op = "Unsqueeze",
                                    .accepts = accepts,
                                    .create = create,
                                    .run = run};

const lb_kernel lb_nat_identity = {.table = "native",
                                   .op = "Identity",
                                   .accepts = accepts,
                                   .create = create,
                                   .run = run};
