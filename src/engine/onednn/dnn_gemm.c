/* dnn_gemm.c: Gemm, MatMul with a matrix on the right and MatMulGradWeight, all plain
 * and all by oneDNN's matrix product; transposition is a matter of strides. */
#include "engine/onednn/dnnl_call.h"
#include "engine/product.h"

static bool matrix(dnnl_memory_desc_t *md, dnnl_dim_t rows, dnnl_dim_t columns,
                   bool transposed)
{
    const dnnl_dims_t dims = {rows, columns};

    return dnnl_memory_desc_init_by_tag(md, 2, dims, dnnl_f32,
                                        transposed ? dnnl_ba : dnnl_ab) == dnnl_success;
}

static bool describe(const lb_ask *ask, lb_product *p, lb_dnnl_desc *desc)
{
    dnnl_memory_desc_t a, b, bias, y;
    dnnl_matmul_desc_t op;

    return lb_product_of(ask, p) && lb_dnnl_open(desc) && matrix(&a, p->m, p->k, p->ta) &&
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
    lb_product p;
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
    lb_product p;

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
