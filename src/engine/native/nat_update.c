/* nat_update.c: SgdUpdate in float32. The rules are in ops/op_update.c. */
#include "engine/native/nat_util.h"

typedef struct state {
    size_t n;
    float momentum, decay;
    bool nesterov;
} state;

static bool accepts(lb_ask *ask)
{
    return ask->in[0].dtype == LB_F32;
}

static lb_code create(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    const state s = {
        .n = lb_nat_count(ask, &ask->in[0], LB_PLAIN),
        .momentum = (float)lb_attr_float(ask->node, "momentum", 0),
        .decay = (float)lb_attr_float(ask->node, "weight_decay", 0),
        .nesterov = lb_attr_int(ask->node, "nesterov", 0) != 0,
    };

    return lb_nat_keep(arena, &s, sizeof s, out, err);
}

LB_CLONES
static void run(const lb_call *call)
{
    const state *const s = call->state;
    const float lr = *(const float *)call->in[3];
    const float *restrict const grad = call->in[2];
    float *restrict const p = call->out[0], *restrict const v = call->out[1];
    const float own = s->nesterov ? 1.0f : 0.0f, ahead = s->nesterov ? s->momentum : 1.0f;

    for (size_t i = 0; i < s->n; i++) {
        const float g = grad[i] + s->decay * p[i];
        v[i] = s->momentum * v[i] + g;
        p[i] -= lr * (own * g + ahead * v[i]);
    }
}

const lb_kernel lb_nat_sgd = {.table = "native",
                              .op = "SgdUpdate",
                              .accepts = accepts,
                              .create = create,
                              .run = run};
