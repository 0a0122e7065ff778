/* nat_reduce_any.c: sums, means and maxima of plain arrays over any axes, with their
 * gradients. Sums are taken in doubles, in the order of memory. Sums over the last axes
 * and those of blocked maps are nat_reduce.c's. */
#include "engine/native/nat_axes.h"
#include "engine/native/nat_walk.h"

#include <math.h>

typedef struct state {
    lb_nat_walk walk;   /* over the whole; operands: whole, reduced */
    lb_nat_walk behind; /* of a gradient of maxima: the elements behind one result */
    size_t n;           /* results */
    double divisor;
} state;

/* The shape with the reduced axes as ones, or with the others. */
static lb_shape split(const lb_shape *whole, unsigned bits, bool kept)
{
    lb_shape shape = *whole;

    for (int i = 0; i < whole->rank; i++)
        if (((bits >> i) & 1u) == (kept ? 1u : 0u))
            shape.dim[i] = 1;
    return shape;
}

/* A walk over the larger side and the smaller one; NULL if memory is gone. */
static state *make(const lb_shape *whole, const lb_shape *small, lb_arena *arena)
{
    ptrdiff_t stride[LB_NAT_OPERANDS][LB_MAX_RANK] = {{0}};
    state *const s = LB_TAKE(arena, state);

    if (!s)
        return NULL;
    lb_nat_spread(whole, whole, stride[0]);
    lb_nat_spread(whole, small, stride[1]);
    lb_nat_walk_make(&s->walk, whole, 2, stride);
    (void)!lb_shape_count(small, &s->n);
    s->divisor = 1;
    return s;
}

static double count_of(const lb_ask *ask, const lb_shape *whole, bool batched,
                       unsigned bits)
{
    double n = 1;

    for (int i = 0; i < whole->rank; i++)
        if (bits & 1u << i)
            n *= i == 0 && batched ? ask->batch : whole->dim[i];
    return n;
}

/* Reductions of input 0. */
static bool accepts_reduction(lb_ask *ask)
{
    unsigned bits;
    size_t n = 0;

    if (ask->in[0].dtype != LB_F32 || ask->out[0].dtype != LB_F32 ||
        !lb_nat_axes_of(ask, ask->in[0].shape.rank, ask->has_in[1], &bits))
        return false;
    (void)!lb_shape_count(&ask->out[0].shape, &n);
    ask->want_in[0] = LB_PLAIN;
    ask->scratch_bytes = n * sizeof(double);
    return true;
}

static lb_code create_reduction(const lb_ask *ask, lb_arena *arena, void **out,
                                lb_error *err)
{
    const lb_shape *const whole = &ask->in[0].shape;
    unsigned bits = 0;

    (void)lb_nat_axes_of(ask, whole->rank, ask->has_in[1], &bits);
    const lb_shape small = split(whole, bits, true);
    state *const s = make(whole, &small, arena);
    if (!s)
        return lb_nat_no_memory(err);
    if (strcmp(ask->node->op->name, "ReduceMean") == 0)
        s->divisor = count_of(ask, whole, ask->batched_in[0], bits);
    *out = s;
    return LB_OK;
}

LB_NAT_CLONES static void add_row(const float *x, double *sum, size_t n)
{
    LB_NAT_LANES
    for (size_t i = 0; i < n; i++)
        sum[i] += (double)x[i];
}

static void run_sum(const lb_call *call)
{
    const state *const s = call->state;
    const lb_nat_walk *const w = &s->walk;
    const float *const x = call->in[0];
    double *const sum = call->scratch;
    float *const y = call->out[0];
    lb_nat_spot at;

    memset(sum, 0, s->n * sizeof *sum);
    for (lb_nat_begin(w, &at); at.more; lb_nat_next(w, &at)) {
        const float *const row = x + at.at[0];
        if (w->step[1] != 0) {
            add_row(row, sum + at.at[1], w->n);
            continue;
        }
        double total = 0;
        for (size_t i = 0; i < w->n; i++)
            total += (double)row[i];
        sum[at.at[1]] += total;
    }
    for (size_t i = 0; i < s->n; i++)
        y[i] = (float)(sum[i] / s->divisor);
}

/* A NaN wins over all. */
static float larger(float x, float most)
{
    return x > most || isnan(x) ? x : most;
}

static void run_max(const lb_call *call)
{
    const state *const s = call->state;
    const lb_nat_walk *const w = &s->walk;
    const float *const x = call->in[0];
    float *const y = call->out[0];
    lb_nat_spot at;

    for (size_t i = 0; i < s->n; i++)
        y[i] = -INFINITY;
    for (lb_nat_begin(w, &at); at.more; lb_nat_next(w, &at)) {
        const float *const row = x + at.at[0];
        float *const most = y + at.at[1];
        for (size_t i = 0; i < w->n; i++)
            most[(ptrdiff_t)i * w->step[1]] =
                larger(row[i], most[(ptrdiff_t)i * w->step[1]]);
    }
}

/* (x, dy): the walk is over the results here, operand 0 where each lies in the whole. */
static bool accepts_max_grad(lb_ask *ask)
{
    unsigned bits;

    ask->want_in[0] = ask->want_in[1] = LB_PLAIN;
    return lb_nat_floats(ask) && lb_nat_axes_of(ask, ask->in[0].shape.rank, false, &bits);
}

static lb_code create_max_grad(const lb_ask *ask, lb_arena *arena, void **out,
                               lb_error *err)
{
    const lb_shape *const whole = &ask->in[0].shape;
    ptrdiff_t stride[LB_NAT_OPERANDS][LB_MAX_RANK] = {{0}};
    state *const s = LB_TAKE(arena, state);
    unsigned bits = 0;

    if (!s)
        return lb_nat_no_memory(err);
    (void)lb_nat_axes_of(ask, whole->rank, false, &bits);
    const lb_shape kept = split(whole, bits, true), gone = split(whole, bits, false);
    lb_nat_strides(whole, stride[0]);
    lb_nat_spread(whole, &kept, stride[1]);
    lb_nat_walk_make(&s->walk, &kept, 2, stride);
    lb_nat_walk_make(&s->behind, &gone, 1, stride);
    s->n = lb_nat_count(ask);
    *out = s;
    return LB_OK;
}

static ptrdiff_t first_largest(const lb_nat_walk *w, const float *x)
{
    ptrdiff_t best = 0;
    lb_nat_spot at;

    for (lb_nat_begin(w, &at); at.more; lb_nat_next(w, &at))
        for (ptrdiff_t i = 0; i < (ptrdiff_t)w->n; i++) {
            const ptrdiff_t here = at.at[0] + i * w->step[0];
            if (!(x[here] <= x[best]) && !isnan(x[best]))
                best = here;
        }
    return best;
}

static void run_max_grad(const lb_call *call)
{
    const state *const s = call->state;
    const lb_nat_walk *const w = &s->walk;
    const float *const x = call->in[0], *const dy = call->in[1];
    float *const dx = call->out[0];
    lb_nat_spot at;

    memset(dx, 0, s->n * sizeof *dx);
    for (lb_nat_begin(w, &at); at.more; lb_nat_next(w, &at))
        for (ptrdiff_t i = 0; i < (ptrdiff_t)w->n; i++) {
            const ptrdiff_t from = at.at[0] + i * w->step[0];
            const ptrdiff_t best = first_largest(&s->behind, x + from);
            dx[from + best] = dy[at.at[1] + i * w->step[1]];
        }
}

/* (dy, like): sums what broadcasting has spread. */
static bool accepts_to(lb_ask *ask)
{
    size_t n = 0;

    (void)!lb_shape_count(&ask->out[0].shape, &n);
    ask->want_in[0] = LB_PLAIN;
    ask->scratch_bytes = n * sizeof(double);
    return ask->in[0].dtype == LB_F32 && ask->out[0].dtype == LB_F32;
}

static lb_code create_to(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    *out = make(&ask->in[0].shape, &ask->out[0].shape, arena);
    return *out ? LB_OK : lb_nat_no_memory(err);
}

/* (dy, like): the inverse of a sum or mean; `like` only lends its shape. */
static bool accepts_expand(lb_ask *ask)
{
    unsigned bits;

    ask->want_in[0] = LB_PLAIN;
    return ask->in[0].dtype == LB_F32 && ask->out[0].dtype == LB_F32 &&
           lb_nat_axes_of(ask, ask->in[1].shape.rank, false, &bits);
}

static lb_code create_expand(const lb_ask *ask, lb_arena *arena, void **out,
                             lb_error *err)
{
    const lb_shape *const whole = &ask->in[1].shape;
    unsigned bits = 0;

    (void)lb_nat_axes_of(ask, whole->rank, false, &bits);
    const lb_shape small = split(whole, bits, true);
    state *const s = make(whole, &small, arena);
    if (!s)
        return lb_nat_no_memory(err);
    if (lb_attr_int(ask->node, "mean", 0) != 0)
        s->divisor = count_of(ask, whole, ask->batched_in[1], bits);
    *out = s;
    return LB_OK;
}

static void run_expand(const lb_call *call)
{
    const state *const s = call->state;
    const lb_nat_walk *const w = &s->walk;
    const float *const dy = call->in[0];
    float *const dx = call->out[0];
    lb_nat_spot at;

    for (lb_nat_begin(w, &at); at.more; lb_nat_next(w, &at)) {
        const float *const from = dy + at.at[1];
        float *const row = dx + at.at[0];
        if (w->step[1] != 0) {
            for (size_t i = 0; i < w->n; i++)
                row[i] = (float)((double)from[i] / s->divisor);
            continue;
        }
        const float value = (float)((double)*from / s->divisor);
        for (size_t i = 0; i < w->n; i++)
            row[i] = value;
    }
}

#define KERNEL(symbol, operator, which, creates, runs) \
    const lb_kernel lb_nat_##symbol = {.table = "native", \
                                       .op = operator, \
                                       .accepts = accepts_##which, \
                                       .create = create_##creates, \
                                       .run = run_##runs};

KERNEL(sum_any, "ReduceSum", reduction, reduction, sum)
KERNEL(mean_any, "ReduceMean", reduction, reduction, sum)
KERNEL(max_any, "ReduceMax", reduction, reduction, max)
KERNEL(max_any_grad, "ReduceMaxGrad", max_grad, max_grad, max_grad)
KERNEL(to_any, "ReduceTo", to, to, sum)
KERNEL(expand_any, "ExpandLike", expand, expand, expand)
