/* cka.h: how alike two layers see the same samples: linear centred kernel alignment
 * (Kornblith, Norouzi, Lee and Hinton, ICML 2019), summed over batches by the unbiased
 * HSIC (Nguyen, Raghu and Kornblith, ICLR 2021). For a batch of n samples, n > 3, whose
 * rows at the two layers are X and Y, K = X X^T and L = Y Y^T without their diagonals:
 *
 *     HSIC(K, L) = [tr(K L) + 1'K1 1'L1 / ((n-1)(n-2)) - 2/(n-2) 1'KL1] / (n (n-3))
 *     CKA = sum_b HSIC(K, L) / sqrt(sum_b HSIC(K, K) sum_b HSIC(L, L))
 *
 * It is 1 if one is the other turned and scaled, and near 0 if they have nothing in
 * common; the expectation does not depend on n. HSIC is a scalar product of U-centred
 * matrices (Szekely and Rizzo, 2014), and that is how it is computed here: what is alike
 * in all samples is taken off before anything is multiplied, so nothing cancels later.
 *
 *     U(K)_ij = K_ij - (r_i + r_j) / (n-2) + s / ((n-1)(n-2)),  i != j
 *     HSIC(K, L) = sum over i != j of U(K)_ij U(L)_ij / (n (n-3))
 *
 * r_i: the sum of row i, s: of all rows. */
#ifndef LB_TRAIN_CKA_H
#define LB_TRAIN_CKA_H

#include "base/pool.h"
#include "tensor/tensor.h"

/* The rows of a batch at one layer. */
typedef struct lb_rows {
    const void *const *row; /* [n], each of d elements; borrowed */
    int n;
    size_t d;
    lb_dtype dtype;
} lb_rows;

/* Elements of scratch that lb_gram needs for n rows. */
size_t lb_gram_scratch(int n);

/* out [n,n]: the products of the rows, in double; on and below the diagonal alone. The
 * same bits for any number of threads. */
void lb_gram(const lb_rows *rows, lb_pool *pool, double *scratch, double *out);

/* Puts U(K) in place of K as lb_gram left it, both halves, with a zero diagonal. Returns
 * the sum of the squares of K off its diagonal. n > 2. */
double lb_gram_centre(double *gram, int n);

/* The sum of a_ij b_ij over all i and j, row after row. */
double lb_gram_product(const double *a, const double *b, int n);

/* CKA from the sums over all batches. raw_x, raw_y: of the squares that lb_gram_centre
 * returned. NaN where one of them says the same of all samples, or is not finite. */
double lb_cka(double xy, double xx, double yy, double raw_x, double raw_y);

#endif
