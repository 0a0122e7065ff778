/* wino.h: the one-dimensional transforms of Winograd's F(4x4,3x3) over the points 0, 1,
 * -1, 2, -2 and infinity, on blocks of channels (Lavin and Gray, "Fast Algorithms for
 * Convolutional Neural Networks", 2015, arXiv:1509.09308).
 *
 * Where 4 does not divide a map's side, its last tiles are 3 long instead of one reaching
 * beyond the edge: 14 is 4+4+3+3. A side of 3 does without the point -2; its transform of
 * the input is scaled so that the weights' transform is the one of the other tiles. */
#ifndef LB_ENGINE_SIMD_WINO_H
#define LB_ENGINE_SIMD_WINO_H

#include "engine/simd/simd_protos.h"

enum { LB_WINO_TILE = 4, LB_WINO_POINTS = 6, LB_WINO_ALL = 36 };

/* Floats between two points of an array of rows: a cache line more than the rows need,
 * so that the 36 of a tile do not fall into one set of the cache. */
LB_INLINE size_t lb_wino_pitch(int rows, int blocks)
{
    return (size_t)rows * (size_t)blocks * LB_BLOCK + 16;
}

/* B^T d: an input tile's column. */
LB_INLINE void lb_wino_in(lb_vec d[6])
{
    const lb_vec four = lb_splat(4), five = lb_splat(5), two = lb_splat(2);
    const lb_vec a = lb_fnma(four, d[2], d[4]), b = lb_fnma(four, d[1], d[3]);
    const lb_vec c = d[4] - d[2], e = d[3] - d[1];
    const lb_vec first = lb_fma(four, d[0], lb_fnma(five, d[2], d[4]));
    const lb_vec last = lb_fma(four, d[1], lb_fnma(five, d[3], d[5]));

    d[0] = first;
    d[1] = a + b;
    d[2] = a - b;
    d[3] = lb_fma(two, e, c);
    d[4] = lb_fnma(two, e, c);
    d[5] = last;
}

/* The same for a side of 3: the points 0, 1, -1, 2 and infinity. */
LB_INLINE void lb_wino_in_3(lb_vec d[6])
{
    const lb_vec two = lb_splat(2), three = lb_splat(3), a = d[3] - d[1];
    const lb_vec first = lb_fma(two, d[0] - d[2], a);
    const lb_vec second = lb_fnma(two, d[1], d[3] - d[2]);
    const lb_vec third = lb_fnma(three, d[2], lb_fma(two, d[1], d[3]));

    d[4] = lb_fnma(two, a, d[4] - d[2]);
    d[0] = two * first;
    d[1] = three * second;
    d[2] = third;
    d[3] = lb_splat(4) * a;
}

/* A^T m: four results. */
LB_INLINE void lb_wino_out(const lb_vec m[6], lb_vec o[4])
{
    const lb_vec a = m[1] + m[2], b = m[1] - m[2], c = m[3] + m[4], d = m[3] - m[4];

    o[0] = m[0] + a + c;
    o[1] = lb_fma(lb_splat(2), d, b);
    o[2] = lb_fma(lb_splat(4), c, a);
    o[3] = lb_fma(lb_splat(8), d, b) + m[5];
}

/* Three results of a side of 3. */
LB_INLINE void lb_wino_out_3(const lb_vec m[6], lb_vec o[4])
{
    const lb_vec a = m[1] + m[2], b = m[1] - m[2];

    o[0] = m[0] + a + m[3];
    o[1] = lb_fma(lb_splat(2), m[3], b);
    o[2] = lb_fma(lb_splat(4), m[3], a) + m[4];
}

/* G g: three weights. */
LB_INLINE void lb_wino_weight_in(const lb_vec g[3], lb_vec o[6])
{
    const lb_vec sixth = lb_splat(-1 / 6.0F), small = lb_splat(1 / 24.0F);
    const lb_vec a = g[0] + g[2], u = lb_fma(lb_splat(4), g[2], g[0]), v = g[1] + g[1];

    o[0] = lb_splat(0.25F) * g[0];
    o[1] = sixth * (a + g[1]);
    o[2] = sixth * (a - g[1]);
    o[3] = small * (u + v);
    o[4] = small * (u - v);
    o[5] = g[2];
}

/* G for four values: a tile of dy, for the gradient of the weights. */
LB_INLINE void lb_wino_grad_in(const lb_vec y[4], lb_vec o[6])
{
    const lb_vec sixth = lb_splat(-1 / 6.0F), small = lb_splat(1 / 24.0F);
    const lb_vec four = lb_splat(4), p = y[0] + y[2], q = y[1] + y[3];
    const lb_vec u = lb_fma(four, y[2], y[0]), v = lb_fma(four, y[3], y[1]), vv = v + v;

    o[0] = lb_splat(0.25F) * y[0];
    o[1] = sixth * (p + q);
    o[2] = sixth * (p - q);
    o[3] = small * (u + vv);
    o[4] = small * (u - vv);
    o[5] = y[3];
}

/* The same for three values. */
LB_INLINE void lb_wino_grad_in_3(const lb_vec y[4], lb_vec o[6])
{
    const lb_vec sixth = lb_splat(-1 / 6.0F), small = lb_splat(1 / 24.0F);
    const lb_vec a = y[0] + y[2], u = lb_fma(lb_splat(4), y[2], y[0]), v = y[1] + y[1];

    o[0] = lb_splat(0.25F) * y[0];
    o[1] = sixth * (a + y[1]);
    o[2] = sixth * (a - y[1]);
    o[3] = small * (u + v);
    o[4] = y[2];
}

/* A^T for three results: the gradient of three weights. */
LB_INLINE void lb_wino_weight_out(const lb_vec m[6], lb_vec o[3])
{
    const lb_vec a = m[1] + m[2], b = m[1] - m[2], c = m[3] + m[4], d = m[3] - m[4];

    o[0] = m[0] + a + c;
    o[1] = lb_fma(lb_splat(2), d, b);
    o[2] = lb_fma(lb_splat(4), c, a) + m[5];
}

/* A side's kind: 4 or 3 results, 6 or 5 points. */
LB_INLINE int lb_wino_points(int side)
{
    return side + 2;
}

/* The number of a side's point i among the six. */
LB_INLINE int lb_wino_point(int side, int i)
{
    return side == 3 && i == 4 ? 5 : i;
}

/* Where point (i, j) of a tile of rows x columns lies. */
LB_INLINE size_t lb_wino_at(int rows, int columns, int i, int j, size_t pitch)
{
    return (size_t)(lb_wino_point(rows, i) * 6 + lb_wino_point(columns, j)) * pitch;
}

LB_INLINE void lb_wino_in_side(int side, lb_vec d[6])
{
    if (side == 3)
        lb_wino_in_3(d);
    else
        lb_wino_in(d);
}

LB_INLINE void lb_wino_load(const lb_wino *s, const float *x, int r, int c, int rows,
                            int columns, lb_vec d[6][6])
{
    static const float zeros[6 * LB_BLOCK] __attribute__((aligned(64))) = {0};
    const ptrdiff_t pitch = (ptrdiff_t)s->w * LB_BLOCK;
    const float *const first = x + ((ptrdiff_t)r * s->w + c) * LB_BLOCK;
    const float *row[6];

    if (r >= 0 && c >= 0 && r + rows <= s->h && c + columns <= s->w) {
#pragma GCC unroll 6
        for (int j = 0; j < columns; j++)
#pragma GCC unroll 6
            for (int i = 0; i < rows; i++)
                d[i][j] = lb_load(first + i * pitch + (ptrdiff_t)j * LB_BLOCK);
        return;
    }
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++)
        row[i] = r + i >= 0 && r + i < s->h ? first + i * pitch : zeros;
#pragma GCC unroll 6
    for (int j = 0; j < columns; j++) {
        const bool inside = c + j >= 0 && c + j < s->w;
#pragma GCC unroll 6
        for (int i = 0; i < rows; i++)
            d[i][j] = inside ? lb_load(row[i] + (ptrdiff_t)j * LB_BLOCK) : lb_zero();
    }
}

/* The points of a tile of x whose results are rows x columns: one block of channels whose
 * plane begins at x, the tile's first row and column at r and c, which may lie outside.
 */
LB_INLINE void lb_wino_tile(const lb_wino *s, const float *x, int r, int c, int rows,
                            int columns, float *to, size_t pitch)
{
    lb_vec d[6][6];

    lb_wino_load(s, x, r, c, lb_wino_points(rows), lb_wino_points(columns), d);
#pragma GCC unroll 6
    for (int j = 0; j < lb_wino_points(columns); j++) {
        lb_vec v[6];
#pragma GCC unroll 6
        for (int i = 0; i < lb_wino_points(rows); i++)
            v[i] = d[i][j];
        lb_wino_in_side(rows, v);
#pragma GCC unroll 6
        for (int i = 0; i < lb_wino_points(rows); i++)
            d[i][j] = v[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < lb_wino_points(rows); i++) {
        lb_wino_in_side(columns, d[i]);
#pragma GCC unroll 6
        for (int j = 0; j < lb_wino_points(columns); j++)
            lb_store(to + lb_wino_at(rows, columns, i, j, pitch), d[i][j]);
    }
}

/* Tiles that are worked on at once: some rows of tiles of some samples. They are numbered
 * kind by kind, so that those that have a point are neighbours: 3x4 (rows x columns),
 * 4x4, 4x3, 3x3. */
typedef struct lb_wino_part {
    int sample, samples;
    int row, fours, threes; /* the first row of tiles; rows that are 4 and 3 high */
} lb_wino_part;

LB_INLINE lb_wino_part lb_wino_first_part(const lb_wino *s)
{
    lb_wino_part p = {.samples = s->samples < s->n ? s->samples : s->n};
    const int all_fours = s->tiles_h - s->threes_h;

    p.fours = s->band < all_fours ? s->band : all_fours;
    p.threes = s->band - p.fours < s->threes_h ? s->band - p.fours : s->threes_h;
    return p;
}

/* False at the end. */
LB_INLINE bool lb_wino_next_part(const lb_wino *s, lb_wino_part *p)
{
    p->row += p->fours + p->threes;
    if (p->row >= s->tiles_h) {
        p->row = 0;
        p->sample += p->samples;
    }
    if (p->sample >= s->n)
        return false;
    if (p->samples > s->n - p->sample)
        p->samples = s->n - p->sample;
    const int left = s->tiles_h - p->row, rows = left < s->band ? left : s->band;
    const int fours = s->tiles_h - s->threes_h - p->row;
    p->fours = fours < 0 ? 0 : fours < rows ? fours : rows;
    p->threes = rows - p->fours;
    return true;
}

/* The first row of results of tile number i along a side. */
LB_INLINE int lb_wino_begin(int tiles, int threes, int i)
{
    const int fours = tiles - threes;

    return i <= fours ? 4 * i : 4 * fours + 3 * (i - fours);
}

/* One kind of the tiles of a part. */
typedef struct lb_wino_kind {
    int first;           /* number of its first tile */
    int row, rows;       /* of tiles */
    int column, columns; /* likewise */
} lb_wino_kind;

enum { LB_WINO_KINDS = 4 };

LB_INLINE void lb_wino_kinds(const lb_wino *s, const lb_wino_part *p,
                             lb_wino_kind k[LB_WINO_KINDS + 1])
{
    const int wide = s->tiles_w - s->threes_w;
    const lb_wino_kind kinds[LB_WINO_KINDS] = {
        {0, p->row + p->fours, p->threes, 0, wide},
        {0, p->row, p->fours, 0, wide},
        {0, p->row, p->fours, wide, s->threes_w},
        {0, p->row + p->fours, p->threes, wide, s->threes_w}};
    int first = 0;

    for (int i = 0; i < LB_WINO_KINDS; i++) {
        k[i] = kinds[i];
        k[i].first = first;
        first += kinds[i].rows * kinds[i].columns * p->samples;
    }
    k[LB_WINO_KINDS] = (lb_wino_kind){.first = first};
}

/* The tiles that have a point, from `from` to before `end`. */
LB_INLINE void lb_wino_range(const lb_wino_kind k[LB_WINO_KINDS + 1], int point,
                             int *from, int *end)
{
    const bool no_three_rows = point / 6 == 4, no_three_columns = point % 6 == 4;

    *from = no_three_rows ? k[1].first : 0;
    *end = k[no_three_columns ? 2 : no_three_rows ? 3 : LB_WINO_KINDS].first;
}

/* A tile as it is visited. */
typedef struct lb_wino_visit {
    int number, sample, row, column; /* the first row and column of results */
} lb_wino_visit;

LB_INLINE lb_wino_visit lb_wino_start(const lb_wino *s, const lb_wino_part *p,
                                      const lb_wino_kind *k)
{
    return (lb_wino_visit){.number = k->first,
                           .sample = p->sample,
                           .row = lb_wino_begin(s->tiles_h, s->threes_h, k->row),
                           .column = lb_wino_begin(s->tiles_w, s->threes_w, k->column)};
}

LB_INLINE void lb_wino_step(const lb_wino *s, const lb_wino_kind *k, int rows,
                            int columns, lb_wino_visit *v)
{
    const int row = lb_wino_begin(s->tiles_h, s->threes_h, k->row);
    const int column = lb_wino_begin(s->tiles_w, s->threes_w, k->column);

    v->number++;
    v->column += columns;
    if (v->column < column + columns * k->columns)
        return;
    v->column = column;
    v->row += rows;
    if (v->row < row + rows * k->rows)
        return;
    v->row = row;
    v->sample++;
}

LB_INLINE void lb_wino_gather_kind(const lb_wino *s, const lb_wino_part *p,
                                   const lb_wino_kind *k, int rows, int columns,
                                   const float *x, int b, float *v)
{
    const size_t plane = (size_t)s->h * (size_t)s->w * LB_BLOCK;
    const size_t pitch = lb_wino_pitch(s->chunk, s->ic);
    lb_wino_visit t = lb_wino_start(s, p, k);

    for (; t.number < k[1].first; lb_wino_step(s, k, rows, columns, &t))
        lb_wino_tile(s, x + ((size_t)t.sample * (size_t)s->ic + (size_t)b) * plane,
                     t.row - s->pad_h, t.column - s->pad_w, rows, columns,
                     v + ((size_t)t.number * (size_t)s->ic + (size_t)b) * LB_BLOCK,
                     pitch);
}

/* Transforms a part's tiles of all channels: v [36][tiles][ic]. */
LB_INLINE void lb_wino_gather(const lb_wino *s, const lb_wino_part *p,
                              const lb_wino_kind k[LB_WINO_KINDS + 1], const float *x,
                              float *v)
{
    for (int b = 0; b < s->ic; b++) {
        lb_wino_gather_kind(s, p, &k[0], 3, 4, x, b, v);
        lb_wino_gather_kind(s, p, &k[1], 4, 4, x, b, v);
        lb_wino_gather_kind(s, p, &k[2], 4, 3, x, b, v);
        lb_wino_gather_kind(s, p, &k[3], 3, 3, x, b, v);
    }
}

#endif
