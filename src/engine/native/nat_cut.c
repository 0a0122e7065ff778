/* nat_cut.c: Slice, its gradient, and Pad: part of one array becomes part of another, in
 * either layout. Blocked arrays are walked as plain ones of shape [N, C/b, spatial, b]:
 * that needs whole blocks of channels to stay together. */
#include "engine/ask.h"
#include "engine/native/nat_walk.h"
#include "ops/cut.h"

typedef struct state {
    lb_nat_walk walk; /* over the part; operand 0 is the result, 1 the input */
    ptrdiff_t y_first, x_first;
    size_t n;    /* floats of the result */
    bool fill;   /* the part is not all of the result */
    float value; /* of the rest */
} state;

/* Where the part lies in both arrays, axis by axis. */
typedef struct part {
    lb_shape size;
    int64_t y_start[LB_MAX_RANK], y_step[LB_MAX_RANK];
    int64_t x_start[LB_MAX_RANK], x_step[LB_MAX_RANK];
} part;

static part whole(const lb_shape *shape)
{
    part p = {.size = *shape};

    for (int i = 0; i < shape->rank; i++)
        p.y_step[i] = p.x_step[i] = 1;
    return p;
}

static bool part_of_slice(const lb_ask *ask, part *out)
{
    const lb_view view = lb_ask_view(ask);
    lb_error err;
    lb_cut cut;

    *out = whole(&ask->out[0].shape);
    if (lb_cut_of_slice(&view, &cut, &err) != LB_OK)
        return false;
    memcpy(out->x_start, cut.start, sizeof cut.start);
    memcpy(out->x_step, cut.step, sizeof cut.step);
    return true;
}

static bool part_of_slice_grad(const lb_ask *ask, part *out)
{
    *out = whole(&ask->in[0].shape);
    return lb_attr_ints(ask->node, "starts", out->y_start, LB_MAX_RANK) ==
               out->size.rank &&
           lb_attr_ints(ask->node, "steps", out->y_step, LB_MAX_RANK) == out->size.rank;
}

static bool part_of_pad(const lb_ask *ask, part *out)
{
    const lb_shape *const x = &ask->in[0].shape, *const y = &ask->out[0].shape;
    const lb_view view = lb_ask_view(ask);
    int64_t pads[2 * LB_MAX_RANK];
    lb_error err;

    *out = whole(y);
    if (lb_pads_of(&view, pads, &err) != LB_OK)
        return false;
    for (int i = 0; i < x->rank; i++) {
        const int64_t begin = pads[i];
        const int64_t low = begin < 0 ? -begin : 0;
        int64_t high = y->dim[i] - begin;
        high = high < x->dim[i] ? high : x->dim[i];
        out->size.dim[i] = high > low ? (int)(high - low) : 0;
        out->x_start[i] = low;
        out->y_start[i] = low + begin;
    }
    return true;
}

static bool part_of(const lb_ask *ask, part *out)
{
    const char *const op = ask->node->op->name;

    if (strcmp(op, "Slice") == 0)
        return part_of_slice(ask, out);
    return strcmp(op, "Pad") == 0 ? part_of_pad(ask, out) : part_of_slice_grad(ask, out);
}

static float value_of(const lb_ask *ask)
{
    const bool given =
        strcmp(ask->node->op->name, "Pad") == 0 && ask->n_in > 2 && ask->constant[2];

    return given ? (float)lb_tensor_get(ask->constant[2], 0) : 0;
}

/* All channels stay, in blocks that stay whole; what is around them is zero, as the
 * padding of blocks is. */
static bool keeps_blocks(const lb_ask *ask, const part *p)
{
    return lb_nat_can_block(ask, 0) && ask->batched_out[0] && value_of(ask) == 0 &&
           p->size.dim[1] == ask->in[0].shape.dim[1] && p->x_step[1] == 1 &&
           p->y_step[1] == 1 && p->y_start[1] % ask->block == 0;
}

static bool accepts(lb_ask *ask)
{
    part p;

    if (ask->in[0].dtype != LB_F32 || ask->out[0].dtype != LB_F32 ||
        ask->batched_in[0] != ask->batched_out[0] || !part_of(ask, &p))
        return false;
    if (ask->in_layout[0] == LB_BLOCKED && !keeps_blocks(ask, &p))
        ask->want_in[0] = LB_PLAIN;
    for (int k = 1; k < ask->n_in; k++)
        ask->want_in[k] = LB_PLAIN;
    ask->out_layout[0] = ask->want_in[0];
    return true;
}

/* Channels become blocks of them, and an axis within the block. */
static lb_shape in_blocks(const lb_shape *shape, int block)
{
    lb_shape s = *shape;

    s.dim[1] = (s.dim[1] + block - 1) / block;
    s.dim[s.rank++] = block;
    return s;
}

static part part_in_blocks(const part *plain, int block)
{
    part p = *plain;

    p.size = in_blocks(&plain->size, block);
    p.y_start[1] /= block;
    p.x_step[p.size.rank - 1] = p.y_step[p.size.rank - 1] = 1;
    p.x_start[p.size.rank - 1] = p.y_start[p.size.rank - 1] = 0;
    return p;
}

/* Strides of the steps through an array; returns where they begin. */
static ptrdiff_t step_through(const lb_shape *array, const int64_t *start,
                              const int64_t *step, ptrdiff_t stride[LB_MAX_RANK])
{
    ptrdiff_t own[LB_MAX_RANK] = {0}, first = 0;

    lb_nat_strides(array, own);
    for (int i = 0; i < array->rank; i++) {
        stride[i] = own[i] * (ptrdiff_t)step[i];
        first += own[i] * (ptrdiff_t)start[i];
    }
    return first;
}

static lb_code create(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    const bool blocked = ask->want_in[0] == LB_BLOCKED;
    ptrdiff_t stride[LB_NAT_OPERANDS][LB_MAX_RANK] = {{0}};
    state *const s = LB_TAKE(arena, state);
    lb_shape x = ask->in[0].shape, y = ask->out[0].shape;
    size_t taken = 0;
    part p;

    if (!s)
        return lb_nat_no_memory(err);
    if (!part_of(ask, &p))
        return lb_bug(err, "a cut that was accepted cannot be read");
    if (blocked) {
        p = part_in_blocks(&p, ask->block);
        x = in_blocks(&x, ask->block);
        y = in_blocks(&y, ask->block);
    }
    s->y_first = step_through(&y, p.y_start, p.y_step, stride[0]);
    s->x_first = step_through(&x, p.x_start, p.x_step, stride[1]);
    lb_nat_walk_make(&s->walk, &p.size, 2, stride);
    if (!lb_shape_count(&y, &s->n) || !lb_shape_count(&p.size, &taken))
        return lb_bug(err, "a cut of no size");
    s->fill = taken < s->n;
    s->value = value_of(ask);
    *out = s;
    return LB_OK;
}

static void copy_row(const lb_nat_walk *w, const float *x, float *y)
{
    if (w->step[0] == 1 && w->step[1] == 1)
        memcpy(y, x, w->n * sizeof *y);
    else
        for (size_t i = 0; i < w->n; i++)
            y[(ptrdiff_t)i * w->step[0]] = x[(ptrdiff_t)i * w->step[1]];
}

static void run(const lb_call *call)
{
    const state *const s = call->state;
    const float *const x = (const float *)call->in[0] + s->x_first;
    float *const y = call->out[0];
    lb_nat_spot at;

    for (size_t i = 0; s->fill && i < s->n; i++)
        y[i] = s->value;
    for (lb_nat_begin(&s->walk, &at); at.more; lb_nat_next(&s->walk, &at))
        copy_row(&s->walk, x + at.at[1], y + s->y_first + at.at[0]);
}

const lb_kernel lb_nat_slice = {
    .table = "native", .op = "Slice", .accepts = accepts, .create = create, .run = run};

const lb_kernel lb_nat_slice_grad = {.table = "native",
                                     .op = "SliceGrad",
                                     .accepts = accepts,
                                     .create = create,
                                     .run = run};

const lb_kernel lb_nat_pad = {
    .table = "native", .op = "Pad", .accepts = accepts, .create = create, .run = run};
