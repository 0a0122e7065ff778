/* nat_pool_grad.c: MaxPoolGrad and AveragePoolGrad over blocked values. */
#include "engine/native/nat_window.h"

/* The gradient of each of 8 lanes goes to its largest element, the first of equals. */
static inline void max_window(const lb_nat_window *s, const lb_nat_taps *t,
                              const float *x, const float *dy, float *dx)
{
    const lb_nat_mask d = (lb_nat_mask) * (const lb_nat_half *)dy;
    lb_nat_half most = *(const lb_nat_half *)(x + lb_nat_pixel(s, t->h0, t->w0));
    lb_nat_mask given = {0};

    for (int h = t->h0; h < t->h1; h++)
        for (int w = t->w0; w < t->w1; w++) {
            const lb_nat_half v = *(const lb_nat_half *)(x + lb_nat_pixel(s, h, w));
            const lb_nat_mask better = v > most;
            most =
                (lb_nat_half)((better & (lb_nat_mask)v) | (~better & (lb_nat_mask)most));
        }
    for (int h = t->h0; h < t->h1; h++)
        for (int w = t->w0; w < t->w1; w++) {
            const size_t at = lb_nat_pixel(s, h, w);
            const lb_nat_mask hit = (*(const lb_nat_half *)(x + at) == most) & ~given;
            *(lb_nat_half *)(dx + at) += (lb_nat_half)(hit & d);
            given |= hit;
        }
}

static inline void average_window(const lb_nat_window *s, const lb_nat_taps *t,
                                  const float *dy, float *dx)
{
    const lb_nat_half part = *(const lb_nat_half *)dy / (float)t->count;

    for (int h = t->h0; h < t->h1; h++)
        for (int w = t->w0; w < t->w1; w++)
            *(lb_nat_half *)(dx + lb_nat_pixel(s, h, w)) += part;
}

/* One plane of one block of channels; x is NULL for averages. */
LB_NAT_CLONES static void plane(const lb_nat_window *s, const float *x, const float *dy,
                                float *dx)
{
    const int b = s->x.block;

    memset(dx, 0, s->x.inner * (size_t)b * sizeof *dx);
    for (int i = 0; i < s->y.h; i++)
        for (int j = 0; j < s->y.w; j++, dy += b) {
            const lb_nat_taps t = lb_nat_taps_at(s, i, j);
            for (int k = 0; k < b; k += LB_NAT_HALF)
                if (x)
                    max_window(s, &t, x + k, dy + k, dx + k);
                else
                    average_window(s, &t, dy + k, dx + k);
        }
}

static void run(const lb_nat_window *s, const float *x, const float *dy, float *dx)
{
    const size_t b = (size_t)s->x.block;

    for (size_t k = 0; k < (size_t)s->x.n * (size_t)s->x.blocks; k++)
        plane(s, x ? x + k * s->x.inner * b : NULL, dy + k * s->y.inner * b,
              dx + k * s->x.inner * b);
}

static void run_max(const lb_call *call)
{
    run(call->state, call->in[0], call->in[1], call->out[0]);
}

static void run_average(const lb_call *call)
{
    run(call->state, NULL, call->in[0], call->out[0]);
}

static bool window_of(const lb_ask *ask, lb_nat_window *out)
{
    return lb_nat_window_of(ask, &ask->out[0].shape, &ask->in[ask->n_in - 1].shape, out);
}

static bool accepts(lb_ask *ask)
{
    lb_nat_window window;

    ask->out_layout[0] = LB_BLOCKED;
    for (int k = 0; k < ask->n_in; k++) {
        if (!lb_nat_can_block(ask, k))
            return false;
        ask->want_in[k] = LB_BLOCKED;
    }
    return lb_nat_floats(ask) && window_of(ask, &window);
}

static lb_code create(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    lb_nat_window *const s = LB_TAKE(arena, lb_nat_window);

    if (!s)
        return lb_nat_no_memory(err);
    if (!window_of(ask, s))
        return lb_bug(err, "a window that was right is not");
    *out = s;
    return LB_OK;
}

const lb_kernel lb_nat_max_pool_grad = {.table = "native",
                                        .op = "MaxPoolGrad",
                                        .accepts = accepts,
                                        .create = create,
                                        .run = run_max};

const lb_kernel lb_nat_average_pool_grad = {.table = "native",
                                            .op = "AveragePoolGrad",
                                            .accepts = accepts,
                                            .create = create,
                                            .run = run_average};
