/* depth_back.c: the gradient of the input of a depthwise 3x3 convolution with stride 2.
 *
 * Counted from the padding's edge, an odd row of dx is under the middle weights of one
 * row of dy only, an even one under the last weights of a row and the first of the next;
 * columns likewise. So two columns of dx at a time come from two columns of dy. */
#include "engine/simd/depth.h"

enum { PAIRS = 4 };

/* What reaches a row of dx: up to two rows of dy, each with the three weights that meet
 * them; NULL: none. */
typedef struct line {
    const float *row[2];
    const float *weights[2];
    float *dx;
} line;

static line line_of(const lb_depth *s, const float *dy, const float *w, int i)
{
    const int at = i + s->pad_h;
    const int upper = at % 2 ? (at - 1) / 2 : at / 2; /* met by row at % 2 of a window */
    line l = {{NULL, NULL}, {w, w}, NULL};

    l.weights[0] = w + at % 2 * 3 * LB_BLOCK;
    if (upper >= 0 && upper < s->oh)
        l.row[0] = dy + (ptrdiff_t)upper * s->ow * LB_BLOCK;
    if (at % 2)
        return l;
    l.weights[1] = w + (ptrdiff_t)6 * LB_BLOCK;
    if (upper - 1 >= 0 && upper - 1 < s->oh)
        l.row[1] = dy + (ptrdiff_t)(upper - 1) * s->ow * LB_BLOCK;
    return l;
}

/* Column j of dx, wherever it lies. */
LB_INLINE void one(const lb_depth *s, const line *l, int j)
{
    const int at = j + s->pad_w, column = at / 2;
    lb_vec sum = lb_zero();

#pragma GCC unroll 2
    for (int r = 0; r < 2; r++) {
        if (!l->row[r])
            continue;
        if (column < s->ow)
            sum = lb_fma(lb_load(l->row[r] + (ptrdiff_t)column * LB_BLOCK),
                         lb_load(l->weights[r] + at % 2 * LB_BLOCK), sum);
        if (at % 2 == 0 && column >= 1 && column - 1 < s->ow)
            sum = lb_fma(lb_load(l->row[r] + (ptrdiff_t)(column - 1) * LB_BLOCK),
                         lb_load(l->weights[r] + 2 * LB_BLOCK), sum);
    }
    lb_store(l->dx + (ptrdiff_t)j * LB_BLOCK, sum);
}

/* Columns j, j + 1, ... of dx in pairs; the first is met by column `column` of dy under a
 * window's first weight and by the one before under its last. */
LB_INLINE void pairs(int count, const line *l, int j, int column, lb_vec w[2][3])
{
    lb_vec even[PAIRS], odd[PAIRS];

#pragma GCC unroll 4
    for (int i = 0; i < count; i++)
        even[i] = odd[i] = lb_zero();
#pragma GCC unroll 2
    for (int r = 0; r < 2; r++) {
        if (!l->row[r])
            continue;
        lb_vec v[PAIRS + 1];
#pragma GCC unroll 5
        for (int i = 0; i <= count; i++)
            v[i] = lb_load(l->row[r] + (ptrdiff_t)(column - 1 + i) * LB_BLOCK);
#pragma GCC unroll 4
        for (int i = 0; i < count; i++) {
            even[i] = lb_fma(v[i + 1], w[r][0], even[i]);
            odd[i] = lb_fma(v[i + 1], w[r][1], odd[i]);
            even[i] = lb_fma(v[i], w[r][2], even[i]);
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < count; i++) {
        lb_store(l->dx + (ptrdiff_t)(j + 2 * i) * LB_BLOCK, even[i]);
        lb_store(l->dx + (ptrdiff_t)(j + 2 * i + 1) * LB_BLOCK, odd[i]);
    }
}

static void row(const lb_depth *s, const line *l)
{
    lb_vec w[2][3];
    int j = 0;

#pragma GCC unroll 2
    for (int r = 0; r < 2; r++)
#pragma GCC unroll 3
        for (int k = 0; k < 3; k++)
            w[r][k] = lb_load(l->weights[r] + k * LB_BLOCK);
    /* pairs begin at an even place that two columns of dy meet */
    while (j < s->w && ((j + s->pad_w) % 2 || j + s->pad_w < 2))
        one(s, l, j++);
    const int column = (j + s->pad_w) / 2, by_dy = s->ow - column, by_dx = (s->w - j) / 2;
    int left = by_dy < by_dx ? by_dy : by_dx, at = column;
    for (; left >= PAIRS; left -= PAIRS, at += PAIRS, j += 2 * PAIRS)
        pairs(PAIRS, l, j, at, w);
    for (; left >= 1; left--, at++, j += 2)
        pairs(1, l, j, at, w);
    while (j < s->w)
        one(s, l, j++);
}

void LB_SIMD(depth_back)(const lb_depth *s, const float *dy, const float *w, float *dx)
{
    const size_t in = (size_t)s->oh * (size_t)s->ow * LB_BLOCK;
    const ptrdiff_t pitch = (ptrdiff_t)s->w * LB_BLOCK;

    for (int n = 0; n < s->n; n++)
        for (int c = 0; c < s->c; c++, dy += in)
            for (int i = 0; i < s->h; i++, dx += pitch) {
                line l = line_of(s, dy, w + (ptrdiff_t)c * 9 * LB_BLOCK, i);
                l.dx = dx;
                row(s, &l);
            }
}
