/* nat_reduce.c: the gradients of biases: ReduceSum of a blocked map over everything but
 * its channels, and ReduceTo from rows to one row; and what losses end in: sums and means
 * over the last axes, with their inverse. */
#include "engine/native/nat_axes.h"

static bool accepts_sum(lb_ask *ask)
{
    const int rank = ask->in[0].shape.rank;
    unsigned bits;

    if (ask->in[0].dtype != LB_F32 || !lb_nat_can_block(ask, 0) ||
        lb_attr_int(ask->node, "keepdims", 1) != 0 ||
        !lb_nat_axes_of(ask, rank, ask->has_in[1], &bits))
        return false;
    ask->want_in[0] = LB_BLOCKED;
    return bits == ((1u << rank) - 1 - (1u << 1));
}

static lb_code create_sum(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    lb_nat_blocks *const s = LB_TAKE(arena, lb_nat_blocks);

    if (!s)
        return lb_nat_no_memory(err);
    *s = lb_nat_blocks_of(&ask->in[0].shape, ask->block);
    *out = s;
    return LB_OK;
}

/* Adds n floats, a multiple of 8, lane by lane: short runs in floats, runs in doubles. */
LB_NAT_CLONES static void add_plane(const float *x, size_t n, double *lane)
{
    enum { RUN = 32 * LB_NAT_WIDE };
    size_t i = 0;

    while (i + LB_NAT_WIDE <= n) {
        const size_t end = n - i < RUN ? n : i + RUN;
        lb_nat_wide sum = {0};
        for (; i + LB_NAT_WIDE <= end; i += LB_NAT_WIDE)
            sum += *(const lb_nat_wide *)(x + i);
        for (int k = 0; k < LB_NAT_WIDE; k++)
            lane[k] += (double)sum[k];
    }
    for (int k = 0; i < n; i++, k++)
        lane[k] += (double)x[i];
}

static void run_sum(const lb_call *call)
{
    const lb_nat_blocks *const s = call->state;
    const size_t plane = s->inner * (size_t)s->block;
    const float *const x = call->in[0];
    float *const y = call->out[0];

    for (int block = 0; block < s->blocks; block++) {
        double lane[LB_NAT_WIDE] = {0};
        for (int n = 0; n < s->n; n++)
            add_plane(x + ((size_t)n * (size_t)s->blocks + (size_t)block) * plane, plane,
                      lane);
        for (int k = 0; k < s->block && block * s->block + k < s->channels; k++)
            y[block * s->block + k] =
                (float)(s->block < LB_NAT_WIDE ? lane[k] + lane[k + s->block] : lane[k]);
    }
}

typedef struct rows {
    size_t n, columns;
} rows;

static bool accepts_to(lb_ask *ask)
{
    const lb_shape *const x = &ask->in[0].shape, *const y = &ask->out[0].shape;

    ask->want_in[0] = LB_PLAIN;
    ask->want_in[1] = ask->in_layout[1];
    return lb_nat_floats(ask) && x->rank == 2 && ask->batched_in[0] &&
           !ask->batched_out[0] && y->rank == 1 && y->dim[0] == x->dim[1];
}

static lb_code create_to(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    rows *const s = LB_TAKE(arena, rows);

    if (!s)
        return lb_nat_no_memory(err);
    *s = (rows){(size_t)ask->in[0].shape.dim[0], (size_t)ask->in[0].shape.dim[1]};
    *out = s;
    return LB_OK;
}

LB_NAT_CLONES static void run_to(const lb_call *call)
{
    const rows *const s = call->state;
    const float *const x = call->in[0];
    float *const y = call->out[0];

    memset(y, 0, s->columns * sizeof *y);
    for (size_t i = 0; i < s->n; i++) {
        const float *const row = x + i * s->columns;
        LB_NAT_LANES
        for (size_t k = 0; k < s->columns; k++)
            y[k] += row[k];
    }
}

/* Rows of `columns` values to a number each, or back. */
typedef struct ends {
    size_t rows, columns;
    double divisor;
} ends;

/* The reduced axes are the last ones of the whole, so that rows are contiguous. */
static bool ends_of(const lb_ask *ask, int whole, bool as_input, ends *out)
{
    const lb_shape *const shape = &ask->in[whole].shape;
    unsigned bits = 0;
    int from = 0;

    *out = (ends){1, 1, 1};
    if (!lb_nat_axes_of(ask, shape->rank, as_input, &bits))
        return false;
    while (from < shape->rank && !(bits & 1u << from))
        out->rows *= (size_t)shape->dim[from++];
    for (int i = from; i < shape->rank; i++) {
        if (!(bits & 1u << i))
            return false;
        out->columns *= (size_t)shape->dim[i];
        out->divisor *= i == 0 && ask->batched_in[whole] ? ask->batch : shape->dim[i];
    }
    return true;
}

static bool accepts_ends(lb_ask *ask)
{
    ends e;

    return ask->in[0].dtype == LB_F32 && ask->out[0].dtype == LB_F32 &&
           ask->in_layout[0] == LB_PLAIN && ends_of(ask, 0, ask->has_in[1], &e);
}

static lb_code keep_ends(const ends *e, lb_arena *arena, void **out, lb_error *err)
{
    ends *const s = LB_TAKE(arena, ends);

    if (!s)
        return lb_nat_no_memory(err);
    *s = *e;
    *out = s;
    return LB_OK;
}

static lb_code create_sum_ends(const lb_ask *ask, lb_arena *arena, void **out,
                               lb_error *err)
{
    ends e;

    (void)ends_of(ask, 0, ask->has_in[1], &e);
    e.divisor = 1;
    return keep_ends(&e, arena, out, err);
}

static lb_code create_mean_ends(const lb_ask *ask, lb_arena *arena, void **out,
                                lb_error *err)
{
    ends e;

    (void)ends_of(ask, 0, ask->has_in[1], &e);
    return keep_ends(&e, arena, out, err);
}

static void run_ends(const lb_call *call)
{
    const ends *const e = call->state;
    const float *x = call->in[0];
    float *const y = call->out[0];

    for (size_t row = 0; row < e->rows; row++, x += e->columns) {
        double sum = 0;
        for (size_t i = 0; i < e->columns; i++)
            sum += (double)x[i];
        y[row] = (float)(sum / e->divisor);
    }
}

/* The second operand only lends its shape. */
static bool accepts_expand(lb_ask *ask)
{
    ends e;

    return ask->in[0].dtype == LB_F32 && ask->out[0].dtype == LB_F32 &&
           ask->in_layout[0] == LB_PLAIN && ends_of(ask, 1, false, &e);
}

static lb_code create_expand(const lb_ask *ask, lb_arena *arena, void **out,
                             lb_error *err)
{
    ends e;

    (void)ends_of(ask, 1, false, &e);
    if (lb_attr_int(ask->node, "mean", 0) == 0)
        e.divisor = 1;
    return keep_ends(&e, arena, out, err);
}

static void run_expand(const lb_call *call)
{
    const ends *const e = call->state;
    const float *const x = call->in[0];
    float *y = call->out[0];

    for (size_t row = 0; row < e->rows; row++, y += e->columns) {
        const float value = (float)((double)x[row] / e->divisor);
        for (size_t i = 0; i < e->columns; i++)
            y[i] = value;
    }
}

const lb_kernel lb_nat_reduce_sum = {.table = "native",
                                     .op = "ReduceSum",
                                     .accepts = accepts_sum,
                                     .create = create_sum,
                                     .run = run_sum};

const lb_kernel lb_nat_reduce_to = {.table = "native",
                                    .op = "ReduceTo",
                                    .accepts = accepts_to,
                                    .create = create_to,
                                    .run = run_to};

const lb_kernel lb_nat_sum_ends = {.table = "native",
                                   .op = "ReduceSum",
                                   .accepts = accepts_ends,
                                   .create = create_sum_ends,
                                   .run = run_ends};

const lb_kernel lb_nat_mean_ends = {.table = "native",
                                    .op = "ReduceMean",
                                    .accepts = accepts_ends,
                                    .create = create_mean_ends,
                                    .run = run_ends};

const lb_kernel lb_nat_expand_ends = {.table = "native",
                                      .op = "ExpandLike",
                                      .accepts = accepts_expand,
                                      .create = create_expand,
                                      .run = run_expand};
