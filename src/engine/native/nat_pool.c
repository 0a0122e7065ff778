/* nat_pool.c: MaxPool, AveragePool and the global ones over blocked values. */
#include "engine/native/nat_window.h"

/* The largest of each of 8 lanes, NaN above all. */
static inline void max_window(const lb_nat_window *s, const lb_nat_taps *t,
                              const float *x, float *y)
{
    lb_nat_half most = *(const lb_nat_half *)(x + lb_nat_pixel(s, t->h0, t->w0));

    for (int h = t->h0; h < t->h1; h++)
        for (int w = t->w0; w < t->w1; w++) {
            const lb_nat_half v = *(const lb_nat_half *)(x + lb_nat_pixel(s, h, w));
            const lb_nat_half same = v;
            const lb_nat_mask better = (v > most) | (v != same); /* NaN is not */
            most =
                (lb_nat_half)((better & (lb_nat_mask)v) | (~better & (lb_nat_mask)most));
        }
    *(lb_nat_half *)y = most;
}

static inline void average_window(const lb_nat_window *s, const lb_nat_taps *t,
                                  const float *x, float *y)
{
    lb_nat_half sum = {0};

    for (int h = t->h0; h < t->h1; h++)
        for (int w = t->w0; w < t->w1; w++)
            sum += *(const lb_nat_half *)(x + lb_nat_pixel(s, h, w));
    *(lb_nat_half *)y = sum / (float)t->count;
}

/* One plane of one block of channels. */
LB_NAT_CLONES static void plane(const lb_nat_window *s, bool average, const float *x,
                                float *y)
{
    const int b = s->x.block;

    for (int i = 0; i < s->y.h; i++)
        for (int j = 0; j < s->y.w; j++, y += b) {
            const lb_nat_taps t = lb_nat_taps_at(s, i, j);
            for (int k = 0; k < b; k += LB_NAT_HALF)
                if (average)
                    average_window(s, &t, x + k, y + k);
                else
                    max_window(s, &t, x + k, y + k);
        }
}

static void run(const lb_call *call, bool average)
{
    const lb_nat_window *const s = call->state;
    const size_t b = (size_t)s->x.block;
    const float *const x = call->in[0];
    float *const y = call->out[0];

    for (size_t k = 0; k < (size_t)s->x.n * (size_t)s->x.blocks; k++)
        plane(s, average, x + k * s->x.inner * b, y + k * s->y.inner * b);
}

static void run_max(const lb_call *call)
{
    run(call, false);
}

static void run_average(const lb_call *call)
{
    run(call, true);
}

static bool accepts(lb_ask *ask)
{
    ask->out_layout[0] = LB_BLOCKED;
    ask->want_in[0] = LB_BLOCKED;
    return lb_nat_floats(ask) && lb_nat_can_block(ask, 0);
}

static bool accepts_window(lb_ask *ask)
{
    lb_nat_window window;

    return accepts(ask) &&
           lb_nat_window_of(ask, &ask->in[0].shape, &ask->out[0].shape, &window);
}

static lb_code create_window(const lb_ask *ask, lb_arena *arena, void **out,
                             lb_error *err)
{
    lb_nat_window *const s = LB_TAKE(arena, lb_nat_window);

    if (!s)
        return lb_nat_no_memory(err);
    if (!lb_nat_window_of(ask, &ask->in[0].shape, &ask->out[0].shape, s))
        return lb_bug(err, "a window that was right is not");
    *out = s;
    return LB_OK;
}

static lb_code create_global(const lb_ask *ask, lb_arena *arena, void **out,
                             lb_error *err)
{
    lb_nat_blocks *const s = LB_TAKE(arena, lb_nat_blocks);

    if (!s)
        return lb_nat_no_memory(err);
    *s = lb_nat_blocks_of(&ask->in[0].shape, ask->block);
    *out = s;
    return LB_OK;
}

LB_NAT_CLONES static void run_global(const lb_call *call)
{
    const lb_nat_blocks *const s = call->state;
    const size_t n = s->inner * (size_t)s->block;
    const float *x = call->in[0];
    float *y = call->out[0];

    for (int plane = 0; plane < s->n * s->blocks; plane++, x += n, y += s->block) {
        lb_nat_wide sum[2] = {{0}};
        size_t i = 0;
        for (; i + 2 * LB_NAT_WIDE <= n; i += 2 * LB_NAT_WIDE) {
            sum[0] += *(const lb_nat_wide *)(x + i);
            sum[1] += *(const lb_nat_wide *)(x + i + LB_NAT_WIDE);
        }
        sum[0] += sum[1];
        for (; i < n; i++)
            sum[0][i % LB_NAT_WIDE] += x[i];
        for (int k = 0; k < s->block; k++) {
            const float both =
                s->block < LB_NAT_WIDE ? sum[0][k] + sum[0][k + s->block] : sum[0][k];
            y[k] = both / (float)s->inner;
        }
    }
}

/* Eight lanes at a time, as in a window. */
LB_NAT_CLONES static void run_global_max(const lb_call *call)
{
    const lb_nat_blocks *const b = call->state;
    const lb_nat_window s = {.x = *b};
    const lb_nat_taps all = {.h1 = b->h, .w1 = b->w};
    const size_t n = b->inner * (size_t)b->block;
    const float *x = call->in[0];
    float *y = call->out[0];

    for (int plane = 0; plane < b->n * b->blocks; plane++, x += n, y += b->block)
        for (int k = 0; k < b->block; k += LB_NAT_HALF)
            max_window(&s, &all, x + k, y + k);
}

const lb_kernel lb_nat_max_pool = {.table = "native",
                                   .op = "MaxPool",
                                   .accepts = accepts_window,
                                   .create = create_window,
                                   .run = run_max};

const lb_kernel lb_nat_average_pool = {.table = "native",
                                       .op = "AveragePool",
                                       .accepts = accepts_window,
                                       .create = create_window,
                                       .run = run_average};

const lb_kernel lb_nat_global_average_pool = {.table = "native",
                                              .op = "GlobalAveragePool",
                                              .accepts = accepts,
                                              .create = create_global,
                                              .run = run_global};

const lb_kernel lb_nat_global_max_pool = {.table = "native",
                                          .op = "GlobalMaxPool",
                                          .accepts = accepts,
                                          .create = create_global,
                                          .run = run_global_max};
