/* wino_forward.c: Winograd's 3x3 convolution, and the gradient of its input, which is one
 * too: tiles are transformed, multiplied as 36 matrices, and transformed back. */
#include "engine/simd/wino.h"
#include "engine/simd/wino_after.h"
#include "engine/simd/wino_product.h"

enum {
    CACHE = 384 << 10, /* bytes that a chunk may fill, both ways */
    LEAST = 48         /* tiles of a chunk, so that weights are reused */
};

static int at_most(int a, int b)
{
    return a < b ? a : b;
}

size_t LB_SIMD(wino_plan)(lb_wino *s)
{
    s->tiles_h = (s->oh + LB_WINO_TILE - 1) / LB_WINO_TILE;
    s->tiles_w = (s->ow + LB_WINO_TILE - 1) / LB_WINO_TILE;
    const int tiles = s->n * s->tiles_h * s->tiles_w;
    const int tile_bytes = LB_WINO_ALL * (s->ic + s->oc) * LB_BLOCK * (int)sizeof(float);
    int chunk = CACHE / tile_bytes / 8 * 8;

    if (chunk < LEAST)
        chunk = LEAST;
    s->chunk = at_most(chunk, (tiles + 7) / 8 * 8);
    const size_t sum = (size_t)(s->ic * s->oc) * LB_BLOCK * LB_BLOCK;
    return LB_WINO_ALL * sizeof(float) *
           (lb_wino_pitch(s->chunk, s->ic) + lb_wino_pitch(s->chunk, s->oc) + sum);
}

/* m [36][count][oc] = v [36][count][ic] * u [36][ic][oc] */
static void multiply_all(const lb_wino *s, const float *v, const float *u, int count,
                         float *m)
{
    const size_t v_pitch = lb_wino_pitch(s->chunk, s->ic);
    const size_t m_pitch = lb_wino_pitch(s->chunk, s->oc);
    const size_t k = (size_t)s->ic * LB_BLOCK;
    lb_wino_product p = {
        .v_row = k, .m_row = (size_t)s->oc * LB_BLOCK, .k = k, .rows = count};

    for (size_t point = 0; point < LB_WINO_ALL; point++) {
        p.v = v + point * v_pitch;
        p.m = m + point * m_pitch;
        u = lb_wino_multiply_panels(&p, s->oc, u);
    }
}

/* A tile's results: four rows of four pixels. */
LB_INLINE void transform_back(const float *m, size_t pitch, lb_vec o[4][4])
{
    lb_vec w[4][6];

#pragma GCC unroll 6
    for (int j = 0; j < 6; j++) {
        lb_vec v[6], r[4];
#pragma GCC unroll 6
        for (int i = 0; i < 6; i++)
            v[i] = lb_load(m + (size_t)(i * 6 + j) * pitch);
        lb_wino_out(v, r);
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            w[i][j] = r[i];
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        lb_wino_out(w[i], o[i]);
}

static void scatter(const lb_wino *s, const lb_conv_after *after, const float *m,
                    int first, int count, float *y)
{
    const size_t plane = (size_t)s->oh * (size_t)s->ow * LB_BLOCK;
    const size_t pitch = lb_wino_pitch(s->chunk, s->oc);

    for (int b = 0; b < s->oc; b++) {
        lb_wino_place p = lb_wino_place_of(s, first);
        const lb_wino_after f = lb_wino_after_of(after, b);
        for (int t = 0; t < count; t++, lb_wino_next(s, &p)) {
            const size_t at = ((size_t)p.sample * (size_t)s->oc + (size_t)b) * plane;
            lb_vec o[4][4];
            transform_back(m + ((size_t)t * (size_t)s->oc + (size_t)b) * LB_BLOCK, pitch,
                           o);
            lb_wino_store(s, &f, o, p.row * LB_WINO_TILE, p.column * LB_WINO_TILE,
                          f.adds ? after->residual + at : y + at, y + at);
        }
    }
}

void LB_SIMD(wino_forward)(const lb_wino *s, const float *x, const float *u,
                           const lb_conv_after *after, float *y, float *scratch)
{
    const int tiles = s->n * s->tiles_h * s->tiles_w;
    float *const v = scratch, *const m = v + LB_WINO_ALL * lb_wino_pitch(s->chunk, s->ic);

    for (int first = 0; first < tiles; first += s->chunk) {
        const int count = at_most(s->chunk, tiles - first);
        lb_wino_gather(s, x, first, count, v);
        multiply_all(s, v, u, count, m);
        scatter(s, after, m, first, count, y);
    }
}
