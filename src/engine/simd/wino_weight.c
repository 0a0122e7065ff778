/* wino_weight.c: the gradient of a 3x3 convolution's weights by Winograd: the tiles of x
 * and of dy are transformed, multiplied point by point over all tiles, and the 36 sums
 * transformed to the nine of a kernel. */
#include "engine/simd/wino.h"
#include "engine/simd/wino_product.h"

LB_INLINE void in_side(int side, const lb_vec y[4], lb_vec o[6])
{
    if (side == 3)
        lb_wino_grad_in_3(y, o);
    else
        lb_wino_grad_in(y, o);
}

/* The points of a tile of dy, rows x columns, one block of filters. */
LB_INLINE void tile_of_dy(const lb_wino *s, const float *dy, int row, int column,
                          int rows, int columns, float *to, size_t pitch)
{
    const float *const p = dy + ((size_t)row * (size_t)s->ow + (size_t)column) * LB_BLOCK;
    const size_t step = (size_t)s->ow * LB_BLOCK;
    const int there_h = s->oh - row, there_w = s->ow - column;
    lb_vec w[6][4];

#pragma GCC unroll 4
    for (int j = 0; j < columns; j++) {
        lb_vec v[4], o[6];
#pragma GCC unroll 4
        for (int i = 0; i < rows; i++)
            v[i] = i < there_h && j < there_w
                       ? lb_load(p + (size_t)i * step + (size_t)j * LB_BLOCK)
                       : lb_zero();
        in_side(rows, v, o);
#pragma GCC unroll 6
        for (int i = 0; i < lb_wino_points(rows); i++)
            w[i][j] = o[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < lb_wino_points(rows); i++) {
        lb_vec o[6];
        in_side(columns, w[i], o);
#pragma GCC unroll 6
        for (int j = 0; j < lb_wino_points(columns); j++)
            lb_store(to + lb_wino_at(rows, columns, i, j, pitch), o[j]);
    }
}

LB_INLINE void gather_dy_kind(const lb_wino *s, const lb_wino_part *p,
                              const lb_wino_kind *k, int rows, int columns,
                              const float *dy, int b, float *d)
{
    const size_t plane = (size_t)s->oh * (size_t)s->ow * LB_BLOCK;
    const size_t pitch = lb_wino_pitch(s->chunk, s->oc);
    lb_wino_visit t = lb_wino_start(s, p, k);

    for (; t.number < k[1].first; lb_wino_step(s, k, rows, columns, &t))
        tile_of_dy(s, dy + ((size_t)t.sample * (size_t)s->oc + (size_t)b) * plane, t.row,
                   t.column, rows, columns,
                   d + ((size_t)t.number * (size_t)s->oc + (size_t)b) * LB_BLOCK, pitch);
}

static void gather_dy(const lb_wino *s, const lb_wino_part *p, const lb_wino_kind *k,
                      const float *dy, float *d)
{
    for (int b = 0; b < s->oc; b++) {
        gather_dy_kind(s, p, &k[0], 3, 4, dy, b, d);
        gather_dy_kind(s, p, &k[1], 4, 4, dy, b, d);
        gather_dy_kind(s, p, &k[2], 4, 3, dy, b, d);
        gather_dy_kind(s, p, &k[3], 3, 3, dy, b, d);
    }
}

/* sum [36][ic][oc] = v [36][tiles][ic]^T * d [36][tiles][oc], added to what is there
 * unless it is the first part. */
static void add_all(const lb_wino *s, const lb_wino_kind *kinds, bool first,
                    const float *v, const float *d, float *sum)
{
    const size_t v_pitch = lb_wino_pitch(s->chunk, s->ic);
    const size_t d_pitch = lb_wino_pitch(s->chunk, s->oc);
    const size_t c = (size_t)s->ic * LB_BLOCK, m = (size_t)s->oc * LB_BLOCK;

    for (int point = 0; point < LB_WINO_ALL; point++) {
        int from, end;
        lb_wino_range(kinds, point, &from, &end);
        lb_wino_add(first, v + (size_t)point * v_pitch + (size_t)from * c, c,
                    d + (size_t)point * d_pitch + (size_t)from * m, m, end - from,
                    sum + (size_t)point * c * m);
    }
}

/* dw [9][n] from sum [36][n]; n floats, a multiple of the block. */
static void transform_back(const float *sum, size_t n, float *dw)
{
    for (size_t k = 0; k < n; k += LB_BLOCK) {
        lb_vec w[3][6];
#pragma GCC unroll 6
        for (int j = 0; j < 6; j++) {
            lb_vec v[6], o[3];
#pragma GCC unroll 6
            for (int i = 0; i < 6; i++)
                v[i] = lb_load(sum + (size_t)(i * 6 + j) * n + k);
            lb_wino_weight_out(v, o);
#pragma GCC unroll 3
            for (int i = 0; i < 3; i++)
                w[i][j] = o[i];
        }
#pragma GCC unroll 3
        for (int i = 0; i < 3; i++) {
            lb_vec o[3];
            lb_wino_weight_out(w[i], o);
#pragma GCC unroll 3
            for (int j = 0; j < 3; j++)
                lb_store(dw + (size_t)(i * 3 + j) * n + k, o[j]);
        }
    }
}

void LB_SIMD(wino_weight)(const lb_wino *s, const float *x, const float *dy, float *dw,
                          float *scratch)
{
    const size_t n = (size_t)(s->ic * s->oc) * LB_BLOCK * LB_BLOCK;
    float *const v = scratch, *const d = v + LB_WINO_ALL * lb_wino_pitch(s->chunk, s->ic);
    float *const sum = d + LB_WINO_ALL * lb_wino_pitch(s->chunk, s->oc);
    lb_wino_part p = lb_wino_first_part(s);
    bool first = true;

    do {
        lb_wino_kind k[LB_WINO_KINDS + 1];
        lb_wino_kinds(s, &p, k);
        lb_wino_gather(s, &p, k, x, v);
        gather_dy(s, &p, k, dy, d);
        add_all(s, k, first, v, d, sum);
        first = false;
    } while (lb_wino_next_part(s, &p));
    transform_back(sum, n, dw);
}
