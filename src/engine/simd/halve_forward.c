/* halve_forward.c: a 3x3 convolution of stride 2 by Winograd. */
#include "engine/simd/halve.h"
#include "engine/simd/wino_product.h"
#include "engine/simd/wino_store.h"

enum {
    CACHE = 384 << 10, /* bytes that a chunk may fill */
    LEAST = 16         /* tiles of a chunk, so that weights are reused */
};

static int at_most(int a, int b)
{
    return a < b ? a : b;
}

size_t LB_SIMD(halve_plan)(lb_wino *s, lb_wino_pass pass)
{
    const bool back = pass == LB_WINO_BACK;
    const int over_h = back ? (s->h + 1) / 2 : s->oh;
    const int over_w = back ? (s->w + 1) / 2 : s->ow;
    const int x_rows = LB_HALVE_PHASES * s->ic;
    const int bytes = LB_HALVE_ALL * (x_rows + s->oc) * LB_BLOCK * (int)sizeof(float);
    const size_t sum =
        pass == LB_WINO_WEIGHT ? (size_t)(x_rows * s->oc) * LB_BLOCK * LB_BLOCK : 0;
    int chunk = CACHE / bytes / 8 * 8;

    s->tiles_h = (over_h + LB_HALVE_TILE - 1) / LB_HALVE_TILE;
    s->tiles_w = (over_w + LB_HALVE_TILE - 1) / LB_HALVE_TILE;
    if (chunk < LEAST)
        chunk = LEAST;
    s->chunk = at_most(chunk, (s->n * s->tiles_h * s->tiles_w + 7) / 8 * 8);
    return LB_HALVE_ALL * sizeof(float) *
           (lb_halve_pitch(s->chunk, x_rows) + lb_halve_pitch(s->chunk, s->oc) + sum);
}

/* m [25][count][oc] = sum over phases of v * u */
static void multiply_all(const lb_wino *s, const float *v, const float *u, int count,
                         float *m)
{
    const size_t v_pitch = lb_halve_pitch(s->chunk, LB_HALVE_PHASES * s->ic);
    const size_t m_pitch = lb_halve_pitch(s->chunk, s->oc);
    lb_wino_product p = {.m_row = (size_t)s->oc * LB_BLOCK, .rows = count};

    for (int point = 0; point < LB_HALVE_ALL; point++) {
        p.k = (size_t)(lb_halve_rows(point, LB_HALVE_FORWARD) * s->ic) * LB_BLOCK;
        p.v_row = p.k;
        p.v = v + (size_t)point * v_pitch;
        p.m = m + (size_t)point * m_pitch;
        u = lb_wino_multiply_panels(&p, s->oc, u);
    }
}

LB_INLINE void transform_back(const float *m, size_t pitch, lb_vec o[4][4])
{
    lb_vec w[4][5];

#pragma GCC unroll 5
    for (int j = 0; j < 5; j++) {
        lb_vec v[5], r[4];
#pragma GCC unroll 5
        for (int i = 0; i < 5; i++)
            v[i] = lb_load(m + (size_t)(i * 5 + j) * pitch);
        lb_halve_out(-1, v, r);
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            w[i][j] = r[i];
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        lb_halve_out(-1, w[i], o[i]);
}

static void scatter(const lb_wino *s, const lb_conv_after *after, const float *m,
                    int first, int count, float *y)
{
    const size_t plane = (size_t)s->oh * (size_t)s->ow * LB_BLOCK;
    const size_t pitch = lb_halve_pitch(s->chunk, s->oc);

    for (int b = 0; b < s->oc; b++) {
        const lb_after f = lb_after_of(after, b);
        for (int t = 0; t < count; t++) {
            const lb_halve_tile tile = lb_halve_tile_of(s, first + t);
            const size_t at = ((size_t)tile.sample * (size_t)s->oc + (size_t)b) * plane;
            lb_vec o[4][4];
            transform_back(m + (size_t)(t * s->oc + b) * LB_BLOCK, pitch, o);
            lb_wino_store(s, &f, o, tile.row, tile.column, 4, 4,
                          f.adds ? after->residual + at : y + at, y + at);
        }
    }
}

void LB_SIMD(halve_forward)(const lb_wino *s, const float *x, const float *u,
                            const lb_conv_after *after, float *y, float *scratch)
{
    const int tiles = s->n * s->tiles_h * s->tiles_w;
    float *const v = scratch;
    float *const m = v + LB_HALVE_ALL * lb_halve_pitch(s->chunk, LB_HALVE_PHASES * s->ic);

    for (int first = 0; first < tiles; first += s->chunk) {
        const int count = at_most(s->chunk, tiles - first);
        lb_halve_gather(s, x, first, count, v);
        multiply_all(s, v, u, count, m);
        scatter(s, after, m, first, count, y);
    }
}
