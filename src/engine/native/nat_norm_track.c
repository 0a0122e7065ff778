/* nat_norm_track.c: BatchNormTrack, the rules of ops/op_norm_train.c over floats. */
#include "engine/native/nat_util.h"

typedef struct state {
    size_t channels;
    double keep, n;
} state;

static bool accepts(lb_ask *ask)
{
    return ask->in[0].dtype == LB_F32 && ask->in[1].dtype == LB_F32 &&
           ask->in[2].dtype == LB_F64 && ask->in[3].dtype == LB_F64;
}

static lb_code create(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    state *const s = LB_TAKE(arena, state);

    if (!s)
        return lb_nat_no_memory(err);
    *s = (state){.channels = (size_t)ask->in[0].shape.dim[0],
                 .keep = lb_attr_float(ask->node, "momentum", 0.9),
                 .n = (double)ask->batch * (double)lb_attr_int(ask->node, "spatial", 1)};
    *out = s;
    return LB_OK;
}

static void run(const lb_call *call)
{
    const state *const s = call->state;
    const float *const old_mean = call->in[0], *const old_var = call->in[1];
    const double *const sum = call->in[2], *const sumsq = call->in[3];
    float *const new_mean = call->out[0], *const new_var = call->out[1];
    const double unbiased = s->n > 1 ? s->n / (s->n - 1) : 1;

    for (size_t c = 0; c < s->channels; c++) {
        const double mean = sum[c] / s->n;
        const double raw = sumsq[c] / s->n - mean * mean;
        const double var = raw > 0 ? raw * unbiased : 0;
        new_mean[c] = (float)((double)old_mean[c] * s->keep + mean * (1 - s->keep));
        new_var[c] = (float)((double)old_var[c] * s->keep + var * (1 - s->keep));
    }
}

const lb_kernel lb_nat_norm_track = {.table = "native",
                                     .op = "BatchNormTrack",
                                     .accepts = accepts,
                                     .create = create,
                                     .run = run};
