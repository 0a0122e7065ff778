/* product.h: Gemm, MatMul with a matrix on the right and MatMulGradWeight as one product
 * of matrices, for the kernels that run them. */
#ifndef LB_ENGINE_PRODUCT_H
#define LB_ENGINE_PRODUCT_H

#include "engine/kernel.h"

/* y [m,n] = alpha * a [m,k] * b [k,n] + bias [n]; ta: a lies as [k,m]; tb: b as [n,k]. */
typedef struct lb_product {
    int m, k, n;
    bool ta, tb, has_bias;
    float alpha;
} lb_product;

/* False if the node is another product, or not of float32. */
bool lb_product_of(const lb_ask *ask, lb_product *out);

#endif
