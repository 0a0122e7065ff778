/* dense.c: small products of matrices, as dense layers have them: a few rows of the
 * result and one block of its columns are summed up in registers at a time. How a row is
 * summed does not depend on which rows are worked on beside it. */
#include "engine/simd/simd_protos.h"

#include <string.h>

/* `width` floats of a row, the rest zero. */
LB_INLINE lb_vec load_part(const float *p, int width)
{
    float part[LB_BLOCK] = {0};

    if (width == LB_BLOCK)
        return lb_load(p);
    memcpy(part, p, (size_t)width * sizeof *p);
    return lb_load(part);
}

LB_INLINE void store_part(float *p, lb_vec v, int width)
{
    float part[LB_BLOCK];

    if (width == LB_BLOCK) {
        lb_store(p, v);
        return;
    }
    lb_store(part, v);
    memcpy(p, part, (size_t)width * sizeof *p);
}

/* The first rows and columns of y; `loaded` floats of each row of b are read, the width
 * or a whole block. */
LB_INLINE void tile(const lb_dense *s, const float *a, const float *b, lb_vec bias,
                    float *y, int rows, int width, int loaded)
{
    lb_vec sum[8];

    for (int r = 0; r < rows; r++)
        sum[r] = lb_zero();
    for (int k = 0; k < s->k; k++, a += s->column, b += s->pitch) {
        const lb_vec v = load_part(b, loaded);
        for (int r = 0; r < rows; r++)
            sum[r] = lb_fma(lb_splat(a[(size_t)r * s->row]), v, sum[r]);
    }
    for (int r = 0; r < rows; r++)
        store_part(y + (size_t)r * (size_t)s->n, lb_fma(lb_splat(s->alpha), sum[r], bias),
                   width);
}

/* One block of columns. */
LB_INLINE void columns(const lb_dense *s, const float *a, const float *b, lb_vec bias,
                       float *y, int width, int loaded)
{
    const size_t n = (size_t)s->n;
    int i = 0;

    for (; i + 8 <= s->m; i += 8)
        tile(s, a + (size_t)i * s->row, b, bias, y + (size_t)i * n, 8, width, loaded);
    for (; i + 4 <= s->m; i += 4)
        tile(s, a + (size_t)i * s->row, b, bias, y + (size_t)i * n, 4, width, loaded);
    for (; i < s->m; i++)
        tile(s, a + (size_t)i * s->row, b, bias, y + (size_t)i * n, 1, width, loaded);
}

void LB_SIMD(dense)(const lb_dense *s, const float *a, const float *b, const float *bias,
                    float *y)
{
    int j = 0;

    for (; j + LB_BLOCK <= s->n; j += LB_BLOCK)
        columns(s, a, b + j, bias ? lb_load(bias + j) : lb_zero(), y + j, LB_BLOCK,
                LB_BLOCK);
    const int left = s->n - j;
    if (left == 0)
        return;
    const lb_vec last = bias ? load_part(bias + j, left) : lb_zero();
    if (s->pitch >= (size_t)j + LB_BLOCK) /* the rows of b go on behind their end */
        columns(s, a, b + j, last, y + j, left, LB_BLOCK);
    else
        columns(s, a, b + j, last, y + j, left, left);
}
