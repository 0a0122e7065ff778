/* nat_transpose.c: Transpose of plain arrays. Rows that stay together are copied whole;
 * otherwise the axis that was last and the one that is last now are walked in squares, so
 * that both sides stay in the cache. */
#include "engine/native/nat_walk.h"

enum { SIDE = 16 };

typedef struct state {
    lb_nat_walk walk; /* over the result; operand 1 is the input */
    int along;        /* the axis along which the input is contiguous, -1: the row */
} state;

static bool accepts(lb_ask *ask)
{
    ask->want_in[0] = LB_PLAIN;
    return lb_nat_floats(ask);
}

/* Takes an axis out of the walk, to be run inside it. */
static void set_aside(state *s)
{
    lb_nat_walk *const w = &s->walk;

    s->along = -1;
    for (int i = 0; i < w->rank && w->step[1] != 1; i++)
        if (w->stride[1][i] == 1)
            s->along = i;
}

static lb_code create(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    const lb_shape *const y = &ask->out[0].shape;
    ptrdiff_t stride[LB_NAT_OPERANDS][LB_MAX_RANK] = {{0}}, own[LB_MAX_RANK] = {0};
    int64_t perm[LB_MAX_RANK];
    state *const s = LB_TAKE(arena, state);

    if (!s)
        return lb_nat_no_memory(err);
    const int n = lb_attr_ints(ask->node, "perm", perm, LB_MAX_RANK);
    lb_nat_strides(&ask->in[0].shape, own);
    lb_nat_strides(y, stride[0]);
    for (int i = 0; i < y->rank; i++)
        stride[1][i] = own[n ? perm[i] : y->rank - 1 - i];
    lb_nat_walk_make(&s->walk, y, 2, stride);
    set_aside(s);
    *out = s;
    return LB_OK;
}

/* rows x columns numbers: x has steps of 1 from row to row, y from column to column. */
static void turn(const float *x, ptrdiff_t x_step, float *y, ptrdiff_t y_step,
                 size_t rows, size_t columns)
{
    for (size_t i = 0; i < rows; i++, y += y_step, x++)
        for (size_t j = 0; j < columns; j++)
            y[j] = x[(ptrdiff_t)j * x_step];
}

static void turn_squares(const state *s, const float *x, float *y)
{
    const lb_nat_walk *const w = &s->walk;
    const size_t rows = w->dim[s->along], columns = w->n;
    const ptrdiff_t y_step = w->stride[0][s->along];

    for (size_t i = 0; i < rows; i += SIDE)
        for (size_t j = 0; j < columns; j += SIDE)
            turn(x + (ptrdiff_t)i + (ptrdiff_t)j * w->step[1], w->step[1],
                 y + (ptrdiff_t)i * y_step + (ptrdiff_t)j, y_step,
                 rows - i < SIDE ? rows - i : SIDE,
                 columns - j < SIDE ? columns - j : SIDE);
}

static void run(const lb_call *call)
{
    const state *const s = call->state;
    const lb_nat_walk *const w = &s->walk;
    const float *const x = call->in[0];
    float *const y = call->out[0];
    lb_nat_spot at;

    for (lb_nat_begin(w, &at); at.more; lb_nat_next(w, &at)) {
        if (s->along < 0)
            turn(x + at.at[1], w->step[1], y + at.at[0], 0, 1, w->n);
        else if (at.index[s->along] == 0)
            turn_squares(s, x + at.at[1], y + at.at[0]);
    }
}

const lb_kernel lb_nat_transpose = {.table = "native",
                                    .op = "Transpose",
                                    .accepts = accepts,
                                    .create = create,
                                    .run = run};
