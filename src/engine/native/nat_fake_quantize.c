/* nat_fake_quantize.c: FakeQuantize and its gradients in floats. One scale: over memory
 * as it lies, in any layout, since 0 stays 0. A scale for each row: weights, plain. */
#include "engine/native/nat_util.h"

#include <math.h>

typedef struct state {
    size_t rows, columns; /* with one scale: one row */
    float low, high;      /* without the zero point */
    float factor;         /* of the scale's gradient */
} state;

static bool has_rows(const lb_ask *ask, int scale)
{
    return ask->in[scale].shape.rank == 1 && ask->in[scale].shape.dim[0] > 1;
}

static bool accepts(lb_ask *ask, int like)
{
    const int scale = ask->n_in - 1;

    if (!lb_nat_floats(ask) || ask->batched_in[scale])
        return false;
    ask->want_in[scale] = LB_PLAIN;
    if (!has_rows(ask, scale))
        return lb_nat_alike(ask, like) > 0;
    for (int i = 0; i < like; i++)
        ask->want_in[i] = LB_PLAIN;
    ask->out_layout[0] = LB_PLAIN;
    return !ask->batched_in[0];
}

static bool accepts_forward(lb_ask *ask)
{
    return accepts(ask, 1);
}

static bool accepts_grad(lb_ask *ask)
{
    return accepts(ask, 2);
}

/* x and dy get one layout; the result is the scale's. */
static bool accepts_scale(lb_ask *ask)
{
    const lb_layout layout = ask->in_layout[0] == LB_BLOCKED && lb_nat_can_block(ask, 0)
                                 ? LB_BLOCKED
                                 : LB_PLAIN;

    if (!lb_nat_floats(ask) || ask->batched_in[2])
        return false;
    ask->want_in[0] = ask->want_in[1] = has_rows(ask, 2) ? LB_PLAIN : layout;
    ask->want_in[2] = LB_PLAIN;
    return !(has_rows(ask, 2) && ask->batched_in[0]);
}

/* Elements of x as it lies. */
static size_t count(const lb_ask *ask)
{
    size_t n = 0;

    if (ask->want_in[0] == LB_BLOCKED)
        return lb_blocked_count(&ask->in[0].shape, ask->block);
    return lb_shape_count(&ask->in[0].shape, &n) ? n : 0;
}

static size_t count_of_sample(const lb_ask *ask)
{
    size_t n = 0;

    if (!lb_shape_count(&ask->in[0].shape, &n))
        return 1;
    return ask->batched_in[0] ? n / (size_t)ask->in[0].shape.dim[0] : n;
}

static lb_code create(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    state *const s = LB_TAKE(arena, state);
    const int scale = ask->n_in - 1;
    const double zero = (double)lb_attr_int(ask->node, "zero_point", 0);
    const double high = (double)lb_attr_int(ask->node, "high", 127);

    if (!s)
        return lb_nat_no_memory(err);
    s->rows = has_rows(ask, scale) ? (size_t)ask->in[scale].shape.dim[0] : 1;
    s->columns = count(ask) / s->rows;
    s->low = (float)((double)lb_attr_int(ask->node, "low", -128) - zero);
    s->high = (float)(high - zero);
    s->factor =
        (float)(1 / sqrt((double)count_of_sample(ask) / (double)s->rows * fmax(1, high)));
    *out = s;
    return LB_OK;
}

/* Half to even, for what lies within a few hundred of 0. */
static inline float whole(float v)
{
    const float lift = 12582912.0F; /* 1.5 * 2^23 */

    return (v + lift) - lift;
}

static inline float held(float v, float low, float high)
{
    const float above = v > low ? v : low;

    return above < high ? above : high;
}

LB_NAT_CLONES static void forward(const state *s, const float *x, float scale, float *y)
{
    const float low = s->low, high = s->high;
    const size_t n = s->columns;

    LB_NAT_LANES
    for (size_t i = 0; i < n; i++)
        y[i] = whole(held(x[i] / scale, low, high)) * scale;
}

/* Clipped is what rounds to something outside. */
LB_NAT_CLONES static void back(const state *s, const float *x, const float *dy,
                               float scale, float *dx)
{
    const float low = s->low - 0.5F, high = s->high + 0.5F;
    const float least = s->low, most = s->high;
    const size_t n = s->columns;

    LB_NAT_LANES
    for (size_t i = 0; i < n; i++) {
        const float w = whole(held(x[i] / scale, low - 1, high + 1));
        dx[i] = ((w >= least) & (w <= most)) ? dy[i] : 0;
    }
}

enum { LANES = 16, RUN = 512 };

/* Sums of up to RUN elements in floats, lane by lane, added in doubles. */
LB_NAT_CLONES static double slope(const state *s, const float *x, const float *dy,
                                  float scale)
{
    const float least = s->low, most = s->high;
    double sum = 0;

    for (size_t at = 0; at < s->columns; at += RUN) {
        const size_t n = s->columns - at < RUN ? s->columns - at : RUN;
        float lane[LANES] = {0};
        size_t i = 0;
        for (; i + LANES <= n; i += LANES)
            for (size_t k = 0; k < LANES; k++) {
                const float q = x[at + i + k] / scale;
                const float w = whole(held(q, least - 1, most + 1));
                const float inside = w - q, outside = held(w, least, most);
                lane[k] +=
                    dy[at + i + k] * (((w >= least) & (w <= most)) ? inside : outside);
            }
        for (; i < n; i++) {
            const float q = x[at + i] / scale;
            const float w = whole(held(q, least - 1, most + 1));
            lane[0] += dy[at + i] *
                       (((w >= least) & (w <= most)) ? w - q : held(w, least, most));
        }
        for (int k = 0; k < LANES; k++)
            sum += (double)lane[k];
    }
    return sum;
}

static void run_forward(const lb_call *call)
{
    const state *const s = call->state;
    const float *const x = call->in[0], *const scale = call->in[1];

    for (size_t r = 0; r < s->rows; r++)
        forward(s, x + r * s->columns, scale[r], (float *)call->out[0] + r * s->columns);
}

static void run_grad(const lb_call *call)
{
    const state *const s = call->state;
    const float *const x = call->in[0], *const dy = call->in[1];
    const float *const scale = call->in[2];

    for (size_t r = 0; r < s->rows; r++)
        back(s, x + r * s->columns, dy + r * s->columns, scale[r],
             (float *)call->out[0] + r * s->columns);
}

static void run_scale(const lb_call *call)
{
    const state *const s = call->state;
    const float *const x = call->in[0], *const dy = call->in[1];
    const float *const scale = call->in[2];

    for (size_t r = 0; r < s->rows; r++)
        ((float *)call->out[0])[r] =
            (float)(slope(s, x + r * s->columns, dy + r * s->columns, scale[r]) *
                    (double)s->factor);
}

const lb_kernel lb_nat_fake = {.table = "native",
                               .op = "FakeQuantize",
                               .accepts = accepts_forward,
                               .create = create,
                               .run = run_forward};

const lb_kernel lb_nat_fake_grad = {.table = "native",
                                    .op = "FakeQuantizeGrad",
                                    .accepts = accepts_grad,
                                    .create = create,
                                    .run = run_grad};

const lb_kernel lb_nat_fake_grad_scale = {.table = "native",
                                          .op = "FakeQuantizeGradScale",
                                          .accepts = accepts_scale,
                                          .create = create,
                                          .run = run_scale};
