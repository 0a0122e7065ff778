/* wino_product.h: the small matrix products between Winograd's transforms: rows are
 * tiles, columns are channels, in blocks; sums stay in registers. */
#ifndef LB_ENGINE_SIMD_WINO_PRODUCT_H
#define LB_ENGINE_SIMD_WINO_PRODUCT_H

#include "engine/simd/simd.h"

enum {
    LB_WINO_ROWS = LB_BLOCK == 16 ? 8 : 6,    /* tiles that are multiplied at once */
    LB_WINO_NARROW = LB_BLOCK == 16 ? 16 : 8, /* likewise, for one block of filters */
    LB_WINO_SUMS = LB_BLOCK == 16 ? 8 : 4     /* channels that are summed at once */
};

/* m [rows][two blocks] = v [rows][k] * u [k][two blocks]; rows lie v_row and m_row floats
 * apart. */
LB_INLINE void lb_wino_multiply(int rows, const float *v, size_t v_row, const float *u,
                                size_t k, float *m, size_t m_row)
{
    lb_vec sum[16][2];

#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
        sum[r][0] = sum[r][1] = lb_zero();
    for (size_t i = 0; i < k; i++, u += 2 * LB_BLOCK) {
        const lb_vec a = lb_load(u), b = lb_load(u + LB_BLOCK);
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            const lb_vec x = lb_splat(v[(size_t)r * v_row + i]);
            sum[r][0] = lb_fma(x, a, sum[r][0]);
            sum[r][1] = lb_fma(x, b, sum[r][1]);
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
        lb_store(m + (size_t)r * m_row, sum[r][0]);
        lb_store(m + (size_t)r * m_row + LB_BLOCK, sum[r][1]);
    }
}

/* The same for one block of filters, where splats would keep the load ports busier than
 * the multipliers: half of them come from registers. k is a multiple of 4. */
LB_INLINE void lb_wino_multiply_narrow(int rows, const float *v, size_t v_row,
                                       const float *u, size_t k, float *m, size_t m_row)
{
    lb_vec sum[16];

#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
        sum[r] = lb_zero();
    for (size_t i = 0; i < k; i += 4, u += 4 * LB_BLOCK) {
        const lb_vec u0 = lb_load(u), u1 = lb_load(u + LB_BLOCK);
        const lb_vec u2 = lb_load(u + 2 * LB_BLOCK), u3 = lb_load(u + 3 * LB_BLOCK);
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            const float *const p = v + (size_t)r * v_row + i;
            const lb_vec quad = lb_quad(p);
            sum[r] = lb_fma(lb_splat(p[0]), u0, sum[r]);
            sum[r] = lb_fma(lb_splat(p[1]), u1, sum[r]);
            sum[r] = lb_fma(lb_quad_third(quad), u2, sum[r]);
            sum[r] = lb_fma(lb_quad_fourth(quad), u3, sum[r]);
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
        lb_store(m + (size_t)r * m_row, sum[r]);
}

typedef struct lb_wino_product {
    const float *v;
    float *m;
    size_t v_row, m_row, k;
    int rows;
} lb_wino_product;

LB_INLINE int lb_wino_multiply_by(int rows, int wide, const lb_wino_product *p, int from,
                                  const float *u)
{
    for (; from + rows <= p->rows; from += rows) {
        const float *const v = p->v + (size_t)from * p->v_row;
        float *const m = p->m + (size_t)from * p->m_row;
        if (wide > 1)
            lb_wino_multiply(rows, v, p->v_row, u, p->k, m, p->m_row);
        else
            lb_wino_multiply_narrow(rows, v, p->v_row, u, p->k, m, p->m_row);
    }
    return from;
}

static inline void lb_wino_multiply_two(const lb_wino_product *p, const float *u)
{
    int from = lb_wino_multiply_by(LB_WINO_ROWS, 2, p, 0, u);

    from = lb_wino_multiply_by(4, 2, p, from, u);
    from = lb_wino_multiply_by(2, 2, p, from, u);
    lb_wino_multiply_by(1, 2, p, from, u);
}

static inline void lb_wino_multiply_one(const lb_wino_product *p, const float *u)
{
    int from = lb_wino_multiply_by(LB_WINO_NARROW, 1, p, 0, u);

    from = lb_wino_multiply_by(8, 1, p, from, u);
    from = lb_wino_multiply_by(4, 1, p, from, u);
    lb_wino_multiply_by(1, 1, p, from, u);
}

/* All columns: the weights lie in panels of two blocks of filters, the last of one if
 * there is an odd one. Returns where they end. */
static inline const float *lb_wino_multiply_panels(const lb_wino_product *all, int blocks,
                                                   const float *u)
{
    lb_wino_product p = *all;

    for (int o = 0; o < blocks; o += 2, p.m += 2 * LB_BLOCK) {
        if (o + 1 < blocks) {
            lb_wino_multiply_two(&p, u);
            u += 2 * p.k * LB_BLOCK;
        } else {
            lb_wino_multiply_one(&p, u);
            u += p.k * LB_BLOCK;
        }
    }
    return u;
}

/* Where, in one product's weights, block o of the filters of row i lies; rows in all. */
static inline size_t lb_wino_panel(int rows, int blocks, int i, int o)
{
    const int panel = o / 2 * 2, wide = panel + 1 < blocks ? 2 : 1;
    const size_t before = (size_t)panel * (size_t)rows;

    return (before + (size_t)i * (size_t)wide + (size_t)(o - panel)) * LB_BLOCK;
}

/* sum [LB_WINO_SUMS][two blocks] = v [count][LB_WINO_SUMS]^T * d [count][two blocks],
 * added to what is there unless it is the first. */
LB_INLINE void lb_wino_add_two(bool first, const float *v, size_t v_row, const float *d,
                               size_t d_row, int count, float *sum)
{
    lb_vec a[LB_WINO_SUMS][2];

#pragma GCC unroll 8
    for (int r = 0; r < LB_WINO_SUMS; r++) {
        a[r][0] = first ? lb_zero() : lb_load(sum + (size_t)r * d_row);
        a[r][1] = first ? lb_zero() : lb_load(sum + (size_t)r * d_row + LB_BLOCK);
    }
    for (int t = 0; t < count; t++, v += v_row, d += d_row) {
        const lb_vec d0 = lb_load(d), d1 = lb_load(d + LB_BLOCK);
#pragma GCC unroll 8
        for (int r = 0; r < LB_WINO_SUMS; r++) {
            const lb_vec x = lb_splat(v[r]);
            a[r][0] = lb_fma(x, d0, a[r][0]);
            a[r][1] = lb_fma(x, d1, a[r][1]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < LB_WINO_SUMS; r++) {
        lb_store(sum + (size_t)r * d_row, a[r][0]);
        lb_store(sum + (size_t)r * d_row + LB_BLOCK, a[r][1]);
    }
}

/* The same for a block of channels by one of filters. */
LB_INLINE void lb_wino_add_one(bool first, const float *v, size_t v_row, const float *d,
                               size_t d_row, int count, float *sum)
{
    lb_vec a[LB_BLOCK];

#pragma GCC unroll 16
    for (int r = 0; r < LB_BLOCK; r++)
        a[r] = first ? lb_zero() : lb_load(sum + (size_t)r * d_row);
    for (int t = 0; t < count; t++, v += v_row, d += d_row) {
        const lb_vec y = lb_load(d);
#pragma GCC unroll 16
        for (int r = 0; r < LB_BLOCK; r += 4) {
            const lb_vec quad = lb_quad(v + r);
            a[r] = lb_fma(lb_splat(v[r]), y, a[r]);
            a[r + 1] = lb_fma(lb_splat(v[r + 1]), y, a[r + 1]);
            a[r + 2] = lb_fma(lb_quad_third(quad), y, a[r + 2]);
            a[r + 3] = lb_fma(lb_quad_fourth(quad), y, a[r + 3]);
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < LB_BLOCK; r++)
        lb_store(sum + (size_t)r * d_row, a[r]);
}

/* sum [rows][columns] = v [count][rows]^T * d [count][columns], added to what is there
 * unless it is the first; rows and columns are whole blocks. */
static inline void lb_wino_add(bool first, const float *v, size_t rows, const float *d,
                               size_t columns, int count, float *sum)
{
    for (size_t o = 0; o < columns; o += 2 * LB_BLOCK) {
        if (o + LB_BLOCK < columns)
            for (size_t i = 0; i < rows; i += LB_WINO_SUMS)
                lb_wino_add_two(first, v + i, rows, d + o, columns, count,
                                sum + i * columns + o);
        else
            for (size_t i = 0; i < rows; i += LB_BLOCK)
                lb_wino_add_one(first, v + i, rows, d + o, columns, count,
                                sum + i * columns + o);
    }
}

#endif
