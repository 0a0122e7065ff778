/* depth_forward.c: depthwise 3x3 convolutions: the nine weights of a block of channels
 * stay in registers, several pixels of a row are summed at once. */
#include "engine/simd/after.h"
#include "engine/simd/depth.h"

enum { PIXELS = 8, MOST_COLUMNS = 2 * (PIXELS - 1) + 3 };

/* Adds the windows of `count` pixels that lie inside; at: the first one's column. */
LB_INLINE void add_inside(int count, int stride, const float *const row[3], ptrdiff_t at,
                          const lb_vec w[9], lb_vec sum[PIXELS])
{
#pragma GCC unroll 3
    for (int r = 0; r < 3; r++) {
        lb_vec v[MOST_COLUMNS];
        if (!row[r])
            continue;
#pragma GCC unroll 17
        for (int i = 0; i < (count - 1) * stride + 3; i++)
            v[i] = lb_load(row[r] + (at + i) * LB_BLOCK);
#pragma GCC unroll 3
        for (int k = 0; k < 3; k++)
#pragma GCC unroll 8
            for (int i = 0; i < count; i++)
                sum[i] = lb_fma(v[i * stride + k], w[r * 3 + k], sum[i]);
    }
}

/* One pixel at the edge of a row of `width`. */
LB_INLINE lb_vec add_edge(int width, const float *const row[3], int at, const lb_vec w[9],
                          lb_vec sum)
{
#pragma GCC unroll 3
    for (int k = 0; k < 3; k++) {
        if (at + k < 0 || at + k >= width)
            continue;
#pragma GCC unroll 3
        for (int r = 0; r < 3; r++)
            if (row[r])
                sum = lb_fma(lb_load(row[r] + (ptrdiff_t)(at + k) * LB_BLOCK),
                             w[r * 3 + k], sum);
    }
    return sum;
}

/* One row of y. */
typedef struct line {
    const float *row[3];
    const float *residual;
    float *y;
} line;

LB_INLINE int inside(int count, const lb_depth *s, int stride, const line *l,
                     const lb_vec w[9], const lb_after *after, lb_span columns)
{
    int i = columns.from;

    for (; i + count <= columns.to; i += count) {
        lb_vec sum[PIXELS];
#pragma GCC unroll 8
        for (int j = 0; j < count; j++)
            sum[j] = after->bias;
        add_inside(count, stride, l->row, (ptrdiff_t)i * stride - s->pad_w, w, sum);
#pragma GCC unroll 8
        for (int j = 0; j < count; j++) {
            const ptrdiff_t to = (ptrdiff_t)(i + j) * LB_BLOCK;
            lb_store(l->y + to, lb_finish(after, sum[j], l->residual + to));
        }
    }
    return i;
}

LB_INLINE void edge(const lb_depth *s, int stride, const line *l, const lb_vec w[9],
                    const lb_after *after, lb_span columns)
{
    for (int i = columns.from; i < columns.to; i++) {
        const ptrdiff_t to = (ptrdiff_t)i * LB_BLOCK;
        const lb_vec sum = add_edge(s->w, l->row, i * stride - s->pad_w, w, after->bias);
        lb_store(l->y + to, lb_finish(after, sum, l->residual + to));
    }
}

LB_INLINE void plane(const lb_depth *s, int stride, const float *x, const float *weights,
                     const lb_after *after, const float *residual, float *y)
{
    const lb_span all = lb_depth_inside(s);
    const ptrdiff_t pitch = (ptrdiff_t)s->ow * LB_BLOCK;
    lb_vec w[9];

#pragma GCC unroll 9
    for (int k = 0; k < 9; k++)
        w[k] = lb_load(weights + k * LB_BLOCK);
    for (int i = 0; i < s->oh; i++) {
        line l = {.residual = residual + i * pitch, .y = y + i * pitch};
        lb_span left = all;
        lb_depth_rows(s, x, i, l.row);
        edge(s, stride, &l, w, after, (lb_span){0, all.from});
        if (stride == 1)
            left.from = inside(8, s, stride, &l, w, after, left);
        left.from = inside(4, s, stride, &l, w, after, left);
        left.from = inside(2, s, stride, &l, w, after, left);
        inside(1, s, stride, &l, w, after, left);
        edge(s, stride, &l, w, after, (lb_span){all.to, s->ow});
    }
}

void LB_SIMD(depth_forward)(const lb_depth *s, const float *x, const float *w,
                            const lb_conv_after *after, float *y)
{
    const size_t in = (size_t)s->h * (size_t)s->w * LB_BLOCK;
    const size_t out = (size_t)s->oh * (size_t)s->ow * LB_BLOCK;
    const float *residual = after->residual ? after->residual : y;

    for (int n = 0; n < s->n; n++)
        for (int c = 0; c < s->c; c++, x += in, y += out, residual += out) {
            const lb_after f = lb_after_of(after, c);
            const float *const weights = w + (ptrdiff_t)c * 9 * LB_BLOCK;
            if (s->stride == 1)
                plane(s, 1, x, weights, &f, residual, y);
            else
                plane(s, 2, x, weights, &f, residual, y);
        }
}
