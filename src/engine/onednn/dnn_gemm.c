/* dnn_gemm.c: Gemm by oneDNN's matmul. With transA and batched inputs it is the weight
 * gradient of a dense layer: each group's product is its share. */
#include "engine/onednn/dnn.h"

typedef struct state {
    lb_dnn product;
    dnnl_engine_t engine;
} state;

typedef struct shape {
    dnnl_memory_desc_t a, b, bias, y;
    bool has_bias;
} shape;

/* A matrix [rows, columns] that lies transposed in memory or not. */
static bool matrix_desc(dnnl_dim_t rows, dnnl_dim_t columns, bool transposed,
                        dnnl_memory_desc_t *out)
{
    const dnnl_dims_t dims = {rows, columns};

    return dnnl_memory_desc_init_by_tag(out, 2, dims, dnnl_f32,
                                        transposed ? dnnl_ba : dnnl_ab) == dnnl_success;
}

static bool describe(const lb_ask *ask, shape *s)
{
    const bool ta = lb_attr_int(ask->node, "transA", 0) != 0;
    const bool tb = lb_attr_int(ask->node, "transB", 0) != 0;
    const lb_shape *const a = &ask->in[0].shape, *const b = &ask->in[1].shape;
    const int m = a->dim[ta ? 1 : 0], k = a->dim[ta ? 0 : 1], n = b->dim[tb ? 0 : 1];

    for (int i = 0; i < ask->n_in; i++)
        if (ask->has_in[i] && ask->in[i].dtype != LB_F32)
            return false;
    if (lb_attr_float(ask->node, "alpha", 1) != 1 ||
        lb_attr_float(ask->node, "beta", 1) != 1)
        return false;
    s->has_bias = ask->n_in > 2 && ask->has_in[2];
    if (s->has_bias && (ask->in[2].shape.rank != 1 || ask->in[2].shape.dim[0] != n ||
                        ask->batched_in[2]))
        return false;
    return m > 0 && k > 0 && n > 0 && matrix_desc(m, k, ta, &s->a) &&
           matrix_desc(k, n, tb, &s->b) && matrix_desc(m, n, false, &s->y) &&
           matrix_desc(1, n, false, &s->bias);
}

static dnnl_primitive_desc_t primitive_desc(const shape *s, dnnl_engine_t engine)
{
    dnnl_primitive_attr_t attr = lb_dnn_attr();
    dnnl_primitive_desc_t pd = NULL;
    dnnl_matmul_desc_t d;

    lb_dnn_single();
    if (attr && dnnl_matmul_desc_init(&d, &s->a, &s->b, s->has_bias ? &s->bias : NULL,
                                      &s->y) == dnnl_success)
        (void)dnnl_primitive_desc_create(&pd, &d, attr, engine, NULL);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    if (pd && lb_dnn_is_slow(pd)) {
        dnnl_primitive_desc_destroy(pd);
        pd = NULL;
    }
    return pd;
}

static bool accepts(lb_ask *ask)
{
    shape s;

    if (!describe(ask, &s))
        return false;
    dnnl_engine_t const engine = lb_dnn_engine();
    dnnl_primitive_desc_t const pd = engine ? primitive_desc(&s, engine) : NULL;
    if (pd) {
        ask->scratch_bytes = lb_dnn_scratch(pd);
        dnnl_primitive_desc_destroy(pd);
    }
    if (engine)
        dnnl_engine_destroy(engine);
    return pd != NULL;
}

static void destroy(void *p)
{
    state *const st = p;

    lb_dnn_close(&st->product);
    if (st->engine)
        dnnl_engine_destroy(st->engine);
}

static lb_code fill_state(state *st, const lb_ask *ask, lb_arena *arena, lb_error *err)
{
    const int ids[] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_BIAS};
    shape s;

    st->engine = lb_dnn_engine();
    if (!st->engine || !describe(ask, &s))
        return lb_dnn_failed(err, "a matrix product");
    dnnl_primitive_desc_t const pd = primitive_desc(&s, st->engine);
    if (!pd)
        return lb_dnn_failed(err, "a matrix product");
    const dnnl_memory_desc_t *const mds[] = {&s.a, &s.b, &s.y, &s.bias};
    const lb_code code = lb_dnn_open(&st->product, st->engine, pd, ids, mds,
                                     s.has_bias ? 4 : 3, ask->threads, arena, err);
    dnnl_primitive_desc_destroy(pd);
    return code;
}

static lb_code create(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    state *const st = LB_TAKE(arena, state);

    if (!st)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to make a plan");
    const lb_code code = fill_state(st, ask, arena, err);
    if (code != LB_OK) {
        destroy(st);
        return code;
    }
    *out = st;
    return LB_OK;
}

static void run(const lb_call *call)
{
    const state *const st = call->state;
    const void *const buffers[] = {call->in[0], call->in[1], call->out[0], call->in[2]};

    lb_dnn_run(&st->product, call->lane, buffers, call->scratch);
}

const lb_kernel lb_dnn_gemm = {.table = "onednn",
                               .op = "Gemm",
                               .accepts = accepts,
                               .create = create,
                               .destroy = destroy,
                               .run = run};
