/* wino_forward.c: Winograd's 3x3 convolution, and the gradient of its input, which is one
 * too: tiles are transformed, multiplied as 36 matrices, and transformed back. */
#include "engine/simd/wino.h"
#include "engine/simd/wino_product.h"
#include "engine/simd/wino_store.h"

enum {
    CACHE = 384 << 10, /* bytes that a chunk may fill, both ways */
    LEAST = 96,        /* tiles of a chunk, so that weights are reused */
    MOST = 128         /* tiles of a sample that is not cut into bands */
};

static int at_most(int a, int b)
{
    return a < b ? a : b;
}

static int threes_of(int size, int tiles)
{
    return at_most(tiles, 4 * tiles - size);
}

size_t LB_SIMD(wino_plan)(lb_wino *s, lb_wino_pass pass)
{
    const int tile_bytes = LB_WINO_ALL * (s->ic + s->oc) * LB_BLOCK * (int)sizeof(float);
    int chunk = CACHE / tile_bytes;

    s->tiles_h = (s->oh + LB_WINO_TILE - 1) / LB_WINO_TILE;
    s->tiles_w = (s->ow + LB_WINO_TILE - 1) / LB_WINO_TILE;
    s->threes_h = threes_of(s->oh, s->tiles_h);
    s->threes_w = threes_of(s->ow, s->tiles_w);
    if (chunk < LEAST)
        chunk = LEAST;
    const int plane = s->tiles_h * s->tiles_w;
    const int wanted = plane < chunk ? at_most(s->n, (chunk + plane / 2) / plane) : 1;
    const int parts = (s->n + wanted - 1) / wanted;
    s->samples = (s->n + parts - 1) / parts; /* parts of much the same size */
    s->band = plane <= MOST ? s->tiles_h : (chunk + s->tiles_w - 1) / s->tiles_w;
    s->chunk = s->samples * s->band * s->tiles_w;
    const size_t sum =
        pass == LB_WINO_WEIGHT ? (size_t)(s->ic * s->oc) * LB_BLOCK * LB_BLOCK : 0;
    return LB_WINO_ALL * sizeof(float) *
           (lb_wino_pitch(s->chunk, s->ic) + lb_wino_pitch(s->chunk, s->oc) + sum);
}

/* m [36][tiles][oc] = v [36][tiles][ic] * u [36][ic][oc] */
static void multiply_all(const lb_wino *s, const lb_wino_kind *kinds, const float *v,
                         const float *u, float *m)
{
    const size_t v_pitch = lb_wino_pitch(s->chunk, s->ic);
    const size_t m_pitch = lb_wino_pitch(s->chunk, s->oc);
    const size_t k = (size_t)s->ic * LB_BLOCK;
    lb_wino_product p = {.v_row = k, .m_row = (size_t)s->oc * LB_BLOCK, .k = k};

    for (int point = 0; point < LB_WINO_ALL; point++) {
        int from, end;
        lb_wino_range(kinds, point, &from, &end);
        p.rows = end - from;
        p.v = v + (size_t)point * v_pitch + (size_t)from * p.v_row;
        p.m = m + (size_t)point * m_pitch + (size_t)from * p.m_row;
        u = lb_wino_multiply_panels(&p, s->oc, u);
    }
}

LB_INLINE void out_side(int side, const lb_vec m[6], lb_vec o[4])
{
    if (side == 3)
        lb_wino_out_3(m, o);
    else
        lb_wino_out(m, o);
}

/* A tile's results: rows x columns. */
LB_INLINE void transform_back(const float *m, size_t pitch, int rows, int columns,
                              lb_vec o[4][4])
{
    lb_vec w[4][6];

#pragma GCC unroll 6
    for (int j = 0; j < lb_wino_points(columns); j++) {
        lb_vec v[6], r[4];
#pragma GCC unroll 6
        for (int i = 0; i < lb_wino_points(rows); i++)
            v[i] = lb_load(m + lb_wino_at(rows, columns, i, j, pitch));
        out_side(rows, v, r);
#pragma GCC unroll 4
        for (int i = 0; i < rows; i++)
            w[i][j] = r[i];
    }
#pragma GCC unroll 4
    for (int i = 0; i < rows; i++)
        out_side(columns, w[i], o[i]);
}

LB_INLINE void scatter_kind(const lb_wino *s, const lb_wino_part *p,
                            const lb_wino_kind *k, int rows, int columns, const float *m,
                            const lb_conv_after *after, int b, float *y)
{
    const size_t plane = (size_t)s->oh * (size_t)s->ow * LB_BLOCK;
    const size_t pitch = lb_wino_pitch(s->chunk, s->oc);
    const lb_after f = lb_after_of(after, b);
    lb_wino_visit t = lb_wino_start(s, p, k);

    for (; t.number < k[1].first; lb_wino_step(s, k, rows, columns, &t)) {
        const size_t at = ((size_t)t.sample * (size_t)s->oc + (size_t)b) * plane;
        lb_vec o[4][4];
        transform_back(m + ((size_t)t.number * (size_t)s->oc + (size_t)b) * LB_BLOCK,
                       pitch, rows, columns, o);
        lb_wino_store(s, &f, o, t.row, t.column, rows, columns,
                      f.adds ? after->residual + at : y + at, y + at);
    }
}

static void scatter(const lb_wino *s, const lb_wino_part *p, const lb_wino_kind *k,
                    const float *m, const lb_conv_after *after, float *y)
{
    for (int b = 0; b < s->oc; b++) {
        scatter_kind(s, p, &k[0], 3, 4, m, after, b, y);
        scatter_kind(s, p, &k[1], 4, 4, m, after, b, y);
        scatter_kind(s, p, &k[2], 4, 3, m, after, b, y);
        scatter_kind(s, p, &k[3], 3, 3, m, after, b, y);
    }
}

void LB_SIMD(wino_forward)(const lb_wino *s, const float *x, const float *u,
                           const lb_conv_after *after, float *y, float *scratch)
{
    float *const v = scratch, *const m = v + LB_WINO_ALL * lb_wino_pitch(s->chunk, s->ic);
    lb_wino_part p = lb_wino_first_part(s);

    do {
        lb_wino_kind k[LB_WINO_KINDS + 1];
        lb_wino_kinds(s, &p, k);
        lb_wino_gather(s, &p, k, x, v);
        multiply_all(s, k, v, u, m);
        scatter(s, &p, k, m, after, y);
    } while (lb_wino_next_part(s, &p));
}
