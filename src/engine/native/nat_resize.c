/* nat_resize.c: Resize by whole factors in either layout: a row is written once with each
 * pixel repeated, then copied. */
#include "engine/native/nat_util.h"

typedef struct state {
    int planes, h, w, rows, columns; /* rows, columns: how often each is repeated */
    size_t unit;                     /* floats of a pixel: 1, or a block */
} state;

static bool accepts(lb_ask *ask)
{
    if (ask->in[0].dtype != LB_F32 || !ask->batched_in[0])
        return false;
    ask->out_layout[0] = ask->want_in[0];
    return ask->want_in[0] == LB_PLAIN || lb_nat_can_block(ask, 0);
}

static lb_code create(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    const lb_shape *const x = &ask->in[0].shape, *const y = &ask->out[0].shape;
    const bool blocked = ask->want_in[0] == LB_BLOCKED;
    const lb_nat_blocks from = lb_nat_blocks_of(x, blocked ? ask->block : 1);
    const lb_nat_blocks to = lb_nat_blocks_of(y, blocked ? ask->block : 1);
    state *const s = LB_TAKE(arena, state);

    if (!s)
        return lb_nat_no_memory(err);
    *s = (state){.planes = from.n * from.blocks,
                 .h = from.h,
                 .w = from.w,
                 .rows = from.h ? to.h / from.h : 1,
                 .columns = from.w ? to.w / from.w : 1,
                 .unit = blocked ? (size_t)ask->block : 1};
    *out = s;
    return LB_OK;
}

static float *repeat_pixels(const state *s, const float *x, float *y)
{
    for (int j = 0; j < s->w; j++, x += s->unit)
        for (int k = 0; k < s->columns; k++, y += s->unit)
            for (size_t i = 0; i < s->unit; i++)
                y[i] = x[i];
    return y;
}

static void run(const lb_call *call)
{
    const state *const s = call->state;
    const size_t row = (size_t)s->w * s->unit, n = row * (size_t)s->columns;
    const float *x = call->in[0];
    float *y = call->out[0];

    for (int i = 0; i < s->planes * s->h; i++, x += row) {
        const float *const first = y;
        y = repeat_pixels(s, x, y);
        for (int k = 1; k < s->rows; k++, y += n)
            memcpy(y, first, n * sizeof *y);
    }
}

const lb_kernel lb_nat_resize = {
    .table = "native", .op = "Resize", .accepts = accepts, .create = create, .run = run};
