/* wino_weight.c: the gradient of a 3x3 convolution's weights by Winograd: the tiles of x
 * and of dy are transformed, multiplied point by point over all tiles, and the 36 sums
 * transformed to the nine of a kernel. */
#include "engine/simd/wino.h"
#include "engine/simd/wino_product.h"

#include <string.h>

/* The 36 points of a tile of dy, one block of filters. */
LB_INLINE void tile_of_dy(const lb_wino *s, const float *dy, int row, int column,
                          float *to, size_t pitch)
{
    const float *const p = dy + ((size_t)row * (size_t)s->ow + (size_t)column) * LB_BLOCK;
    const size_t step = (size_t)s->ow * LB_BLOCK;
    const int rows = s->oh - row, columns = s->ow - column;
    lb_vec w[6][4];

#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        lb_vec v[4], o[6];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            v[i] = i < rows && j < columns
                       ? lb_load(p + (size_t)i * step + (size_t)j * LB_BLOCK)
                       : lb_zero();
        lb_wino_grad_in(v, o);
#pragma GCC unroll 6
        for (int i = 0; i < 6; i++)
            w[i][j] = o[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < 6; i++) {
        lb_vec o[6];
        lb_wino_grad_in(w[i], o);
#pragma GCC unroll 6
        for (int j = 0; j < 6; j++)
            lb_store(to + (size_t)(i * 6 + j) * pitch, o[j]);
    }
}

static void gather_dy(const lb_wino *s, const float *dy, int first, int count, float *d)
{
    const size_t plane = (size_t)s->oh * (size_t)s->ow * LB_BLOCK;
    const size_t pitch = lb_wino_pitch(s->chunk, s->oc);
    lb_wino_place p = lb_wino_place_of(s, first);

    for (int t = 0; t < count; t++, lb_wino_next(s, &p)) {
        const float *from = dy + (size_t)p.sample * (size_t)s->oc * plane;
        float *to = d + (size_t)t * (size_t)s->oc * LB_BLOCK;
        for (int b = 0; b < s->oc; b++, from += plane, to += LB_BLOCK)
            tile_of_dy(s, from, p.row * LB_WINO_TILE, p.column * LB_WINO_TILE, to, pitch);
    }
}

/* sum [36][ic][oc] += v [36][count][ic]^T * d [36][count][oc] */
static void add_all(const lb_wino *s, const float *v, const float *d, int count,
                    float *sum)
{
    const size_t v_pitch = lb_wino_pitch(s->chunk, s->ic);
    const size_t d_pitch = lb_wino_pitch(s->chunk, s->oc);
    const size_t c = (size_t)s->ic * LB_BLOCK, m = (size_t)s->oc * LB_BLOCK;

    for (size_t point = 0; point < LB_WINO_ALL; point++)
        for (size_t o = 0; o < m; o += 2 * LB_BLOCK)
            for (size_t i = 0; i < c; i += LB_WINO_SUMS) {
                const float *const vs = v + point * v_pitch + i;
                const float *const ds = d + point * d_pitch + o;
                float *const to = sum + (point * c + i) * m + o;
                if (o + LB_BLOCK < m)
                    lb_wino_add_products(2, vs, c, ds, m, count, to);
                else
                    lb_wino_add_products(1, vs, c, ds, m, count, to);
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
    const int tiles = s->n * s->tiles_h * s->tiles_w;
    const size_t n = (size_t)(s->ic * s->oc) * LB_BLOCK * LB_BLOCK;
    float *const v = scratch, *const d = v + LB_WINO_ALL * lb_wino_pitch(s->chunk, s->ic);
    float *const sum = d + LB_WINO_ALL * lb_wino_pitch(s->chunk, s->oc);

    memset(sum, 0, LB_WINO_ALL * n * sizeof *sum);
    for (int first = 0; first < tiles; first += s->chunk) {
        const int count = tiles - first < s->chunk ? tiles - first : s->chunk;
        lb_wino_gather(s, x, first, count, v);
        gather_dy(s, dy, first, count, d);
        add_all(s, v, d, count, sum);
    }
    transform_back(sum, n, dw);
}
