/* nat_update.c: SgdUpdate, the rules of ops/op_update.c in floats. */
#include "engine/native/nat_util.h"

typedef struct state {
    size_t n;
    float momentum, decay;
    bool nesterov;
} state;

static bool accepts(lb_ask *ask)
{
    return lb_nat_floats(ask);
}

static lb_code create(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    state *const s = LB_TAKE(arena, state);

    if (!s)
        return lb_nat_no_memory(err);
    *s = (state){.n = lb_nat_count(ask),
                 .momentum = (float)lb_attr_float(ask->node, "momentum", 0),
                 .decay = (float)lb_attr_float(ask->node, "weight_decay", 0),
                 .nesterov = lb_attr_int(ask->node, "nesterov", 0) != 0};
    *out = s;
    return LB_OK;
}

typedef struct arrays {
    const float *p, *v, *g;
    float *to_p, *to_v;
} arrays;

LB_NAT_CLONES static void plain_step(const state *s, const arrays *a, float lr,
                                     float scale)
{
    const float momentum = s->momentum, decay = s->decay;
    const float *const p = a->p, *const v = a->v, *const g = a->g;
    float *const to_p = a->to_p, *const to_v = a->to_v;
    const size_t n = s->n;

    LB_NAT_LANES
    for (size_t i = 0; i < n; i++) {
        const float grown = momentum * v[i] + (scale * g[i] + decay * p[i]);
        to_v[i] = grown;
        to_p[i] = p[i] - lr * grown;
    }
}

LB_NAT_CLONES static void nesterov_step(const state *s, const arrays *a, float lr,
                                        float scale)
{
    const float momentum = s->momentum, decay = s->decay;
    const float *const p = a->p, *const v = a->v, *const g = a->g;
    float *const to_p = a->to_p, *const to_v = a->to_v;
    const size_t n = s->n;

    LB_NAT_LANES
    for (size_t i = 0; i < n; i++) {
        const float slope = scale * g[i] + decay * p[i];
        const float grown = momentum * v[i] + slope;
        to_v[i] = grown;
        to_p[i] = p[i] - lr * (slope + momentum * grown);
    }
}

static void run(const lb_call *call)
{
    const state *const s = call->state;
    const arrays a = {call->in[0], call->in[1], call->in[2], call->out[0], call->out[1]};
    const float lr = *(const float *)call->in[3];
    const float scale = call->in[4] ? *(const float *)call->in[4] : 1;

    if (s->nesterov)
        nesterov_step(s, &a, lr, scale);
    else
        plain_step(s, &a, lr, scale);
}

const lb_kernel lb_nat_sgd_update = {.table = "native",
                                     .op = "SgdUpdate",
                                     .accepts = accepts,
                                     .create = create,
                                     .run = run};
