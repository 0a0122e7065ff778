/* dnn_gemm.c: Gemm, MatMul with a matrix on the right and MatMulGradWeight, all plain
 * and all by oneDNN's matrix product; transposition is a matter of strides. */
#include "engine/onednn/dnnl_call.h"

#include <string.h>

typedef struct product {
    dnnl_dim_t m, k, n;
    bool ta, tb, has_bias;
    float alpha;
} product;

static bool floats(const lb_ask *ask)
{
    for (int k = 0; k < ask->n_in; k++)
        if (ask->has_in[k] && ask->in[k].dtype != LB_F32)
            return false;
    return true;
}

/* A bias is a row that is added to every row of the result. */
static bool bias_fits(const lb_ask *ask, const product *p)
{
    const lb_shape *const c = &ask->in[2].shape;

    /* oneDNN's factor would scale the bias as well */
    return !ask->batched_in[2] && p->alpha == 1 &&
           lb_attr_float(ask->node, "beta", 1) == 1 &&
           (c->rank == 1 || (c->rank == 2 && c->dim[0] == 1)) &&
           c->dim[c->rank - 1] == p->n;
}

static bool gemm_of(const lb_ask *ask, product *p)
{
    const lb_shape *const a = &ask->in[0].shape, *const b = &ask->in[1].shape;

    p->ta = lb_attr_int(ask->node, "transA", 0) != 0;
    p->tb = lb_attr_int(ask->node, "transB", 0) != 0;
    p->alpha = (float)lb_attr_float(ask->node, "alpha", 1);
    p->m = a->dim[p->ta ? 1 : 0];
    p->k = a->dim[p->ta ? 0 : 1];
    p->n = b->dim[p->tb ? 0 : 1];
    p->has_bias = ask->has_in[2];
    const bool over_batch = ask->batched_in[0] && p->ta;
    return (!p->has_bias || (bias_fits(ask, p) && !over_batch)) &&
           ask->batched_in[1] == over_batch;
}

/* Axes before the last, seen as one. */
static int rows_of(const lb_shape *shape)
{
    int rows = 1;

    for (int i = 0; i < shape->rank - 1; i++)
        rows *= shape->dim[i];
    return rows;
}

static bool matmul_of(const lb_ask *ask, product *p)
{
    const lb_shape *const a = &ask->in[0].shape, *const b = &ask->in[1].shape;

    *p = (product){
        .m = rows_of(a), .k = a->dim[a->rank - 1], .n = b->dim[b->rank - 1], .alpha = 1};
    return b->rank == 2 && !ask->batched_in[1];
}

static bool weight_of(const lb_ask *ask, product *p)
{
    const lb_shape *const a = &ask->in[0].shape, *const dy = &ask->in[1].shape;

    *p = (product){.m = a->dim[a->rank - 1],
                   .k = rows_of(a),
                   .n = dy->dim[dy->rank - 1],
                   .ta = true,
                   .alpha = 1};
    return ask->batched_in[0] == ask->batched_in[1];
}

static bool product_of(const lb_ask *ask, product *p)
{
    const char *const op = ask->node->op->name;

    *p = (product){0};
    if (!floats(ask))
        return false;
    if (strcmp(op, "Gemm") == 0)
        return gemm_of(ask, p);
    return strcmp(op, "MatMul") == 0 ? matmul_of(ask, p) : weight_of(ask, p);
}

static bool matrix(dnnl_memory_desc_t *md, dnnl_dim_t rows, dnnl_dim_t columns,
                   bool transposed)
{
    const dnnl_dims_t dims = {rows, columns};

    return dnnl_memory_desc_init_by_tag(md, 2, dims, dnnl_f32,
                                        transposed ? dnnl_ba : dnnl_ab) == dnnl_success;
}

static bool describe(const lb_ask *ask, product *p, lb_dnnl_desc *desc)
{
    dnnl_memory_desc_t a, b, bias, y;
    dnnl_matmul_desc_t op;

    return product_of(ask, p) && lb_dnnl_open(desc) && matrix(&a, p->m, p->k, p->ta) &&
           matrix(&b, p->k, p->n, p->tb) && matrix(&bias, 1, p->n, false) &&
           matrix(&y, p->m, p->n, false) &&
           (p->alpha == 1 || dnnl_primitive_attr_set_output_scales(
                                 desc->attr, 1, 0, &p->alpha) == dnnl_success) &&
           dnnl_matmul_desc_init(&op, &a, &b, p->has_bias ? &bias : NULL, &y) ==
               dnnl_success &&
           lb_dnnl_find(desc, &op);
}

static bool accepts(lb_ask *ask)
{
    lb_dnnl_desc desc = {0};
    product p;
    const bool found = describe(ask, &p, &desc);

    if (found) {
        ask->want_in[0] = LB_PLAIN;
        ask->want_in[1] = LB_PLAIN;
        ask->scratch_bytes = lb_dnnl_bytes(&desc, DNNL_ARG_SCRATCHPAD);
    }
    lb_dnnl_close(&desc);
    return found;
}

static lb_code create(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    const lb_dnnl_operand operands[] = {{DNNL_ARG_SRC, 0},
                                        {DNNL_ARG_WEIGHTS, 1},
                                        {DNNL_ARG_DST, LB_DNNL_OUT},
                                        {DNNL_ARG_SCRATCHPAD, LB_DNNL_SCRATCH},
                                        {DNNL_ARG_BIAS, 2}};
    lb_dnnl *const call = LB_TAKE(arena, lb_dnnl);
    lb_dnnl_desc desc = {0};
    product p;

    if (!call)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to make a plan");
    if (!describe(ask, &p, &desc)) {
        lb_dnnl_close(&desc);
        return lb_bug(err, "oneDNN no longer has a kernel that it had");
    }
    LB_TRY(lb_dnnl_create(&desc, ask, operands, p.has_bias ? 5 : 4, arena, call, err));
    *out = call;
    return LB_OK;
}

const lb_kernel lb_dnn_gemm = {.table = "onednn",
                               .op = "Gemm",
                               .accepts = accepts,
                               .create = create,
                               .destroy = lb_dnnl_destroy,
                               .run = lb_dnnl_run};

const lb_kernel lb_dnn_matmul = {.table = "onednn",
                                 .op = "MatMul",
                                 .accepts = accepts,
                                 .create = create,
                                 .destroy = lb_dnnl_destroy,
                                 .run = lb_dnnl_run};

const lb_kernel lb_dnn_matmul_grad_weight = {.table = "onednn",
                                             .op = "MatMulGradWeight",
                                             .accepts = accepts,
                                             .create = create,
                                             .destroy = lb_dnnl_destroy,
                                             .run = lb_dnnl_run};
