/* product.c: nodes read as products of matrices. */
#include "engine/product.h"

#include <string.h>

static bool floats(const lb_ask *ask)
{
    for (int k = 0; k < ask->n_in; k++)
        if (ask->has_in[k] && ask->in[k].dtype != LB_F32)
            return false;
    return true;
}

/* A bias is a row that is added to every row of the result. */
static bool bias_fits(const lb_ask *ask, const lb_product *p)
{
    const lb_shape *const c = &ask->in[2].shape;

    /* oneDNN's factor would scale the bias as well */
    return !ask->batched_in[2] && p->alpha == 1 &&
           lb_attr_float(ask->node, "beta", 1) == 1 &&
           (c->rank == 1 || (c->rank == 2 && c->dim[0] == 1)) &&
           c->dim[c->rank - 1] == p->n;
}

static bool gemm_of(const lb_ask *ask, lb_product *p)
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

static bool matmul_of(const lb_ask *ask, lb_product *p)
{
    const lb_shape *const a = &ask->in[0].shape, *const b = &ask->in[1].shape;

    *p = (lb_product){
        .m = rows_of(a), .k = a->dim[a->rank - 1], .n = b->dim[b->rank - 1], .alpha = 1};
    return b->rank == 2 && !ask->batched_in[1];
}

static bool weight_of(const lb_ask *ask, lb_product *p)
{
    const lb_shape *const a = &ask->in[0].shape, *const dy = &ask->in[1].shape;

    *p = (lb_product){.m = a->dim[a->rank - 1],
                      .k = rows_of(a),
                      .n = dy->dim[dy->rank - 1],
                      .ta = true,
                      .alpha = 1};
    return ask->batched_in[0] == ask->batched_in[1];
}

bool lb_product_of(const lb_ask *ask, lb_product *p)
{
    const char *const op = ask->node->op->name;

    *p = (lb_product){0};
    if (!floats(ask))
        return false;
    if (strcmp(op, "Gemm") == 0)
        return gemm_of(ask, p);
    return strcmp(op, "MatMul") == 0 ? matmul_of(ask, p) : weight_of(ask, p);
}
