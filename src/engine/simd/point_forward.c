/* point_forward.c: 1x1 convolutions, and the gradients of their inputs, which are some,
 * too: several quads of pixels meet two blocks of filters at once, a chunk of pixels that
 * fits the first cache meets all filters. */
#include "engine/simd/after.h"

enum {
    QUAD = 4,                        /* pixels, side by side in one plane */
    WIDE = LB_BLOCK == 16 ? 3 : 1,   /* quads that meet two blocks of filters at once */
    NARROW = LB_BLOCK == 16 ? 4 : 2, /* one block */
    MOST = 4,
    CACHE = 16 << 10 /* bytes of x in a chunk */
};

size_t LB_SIMD(point_packed)(const lb_point *s)
{
    return (size_t)(s->ic * s->oc) * LB_BLOCK * LB_BLOCK;
}

/* Where `rows` pixels of each of some quads lie. */
typedef struct tile {
    const float *x[MOST];
    float *y[MOST];
    const float *residual[MOST];
} tile;

/* What stays the same for all pixels. */
typedef struct panel {
    const lb_point *sizes;
    const float *u;
    size_t plane; /* floats */
    const lb_conv_after *after;
    int block; /* the first of filters */
} panel;

/* What follows is looked up anew for each tile, since registers are scarce. */
LB_INLINE lb_vec bias_of(const panel *p, int o)
{
    return p->after->bias ? lb_load(p->after->bias + (p->block + o) * LB_BLOCK)
                          : lb_zero();
}

/* Adds what one block of channels gives; returns where the next one's weights begin. */
LB_INLINE const float *add_block(int quads, int rows, int wide, const panel *p,
                                 const tile *t, int b, const float *u,
                                 lb_vec sum[MOST][QUAD][2])
{
    const int left = p->sizes->channels - b * LB_BLOCK;
    const size_t first = (size_t)b * p->plane;
    const size_t end = first + (size_t)(left < LB_BLOCK ? left : LB_BLOCK);

    for (size_t i = first; i < end; i++, u += wide * LB_BLOCK) {
        const lb_vec u0 = lb_load(u), u1 = wide > 1 ? lb_load(u + LB_BLOCK) : u0;
#pragma GCC unroll 4
        for (int q = 0; q < quads; q++)
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++) {
                const lb_vec x = lb_splat(t->x[q][i + (size_t)r * LB_BLOCK]);
                sum[q][r][0] = lb_fma(x, u0, sum[q][r][0]);
                if (wide > 1)
                    sum[q][r][1] = lb_fma(x, u1, sum[q][r][1]);
            }
    }
    return u;
}

LB_INLINE void multiply(int quads, int rows, int wide, const panel *p, const tile *t)
{
    lb_vec sum[MOST][QUAD][2];
    const float *u = p->u;

#pragma GCC unroll 4
    for (int q = 0; q < quads; q++)
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
            for (int o = 0; o < wide; o++)
                sum[q][r][o] = bias_of(p, o);
    for (int b = 0; b < p->sizes->ic; b++)
        u = add_block(quads, rows, wide, p, t, b, u, sum);
    const lb_after after = lb_after_of(p->after, p->block);
#pragma GCC unroll 4
    for (int q = 0; q < quads; q++)
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
            for (int o = 0; o < wide; o++) {
                const size_t to = (size_t)o * p->plane + (size_t)r * LB_BLOCK;
                lb_store(t->y[q] + to,
                         lb_finish(&after, sum[q][r][o], t->residual[q] + to));
            }
}

/* Where a step of the walk over a group's pixels begins: quads of each plane, then what
 * is left of it. */
typedef struct place {
    int sample, pixel;
} place;

LB_INLINE tile tile_at(int quads, const lb_point *s, const float *x,
                       const float *residual, float *y, place *at)
{
    const size_t plane = (size_t)s->pixels * LB_BLOCK;
    tile t;

#pragma GCC unroll 4
    for (int q = 0; q < quads; q++) {
        const size_t pixel = (size_t)at->pixel * LB_BLOCK;
        const size_t to = (size_t)(at->sample * s->oc) * plane + pixel;
        t.x[q] = x + (size_t)(at->sample * s->ic) * plane + pixel;
        t.y[q] = y + to;
        t.residual[q] = residual + to;
        at->pixel += QUAD;
        if (at->pixel + QUAD > s->pixels) {
            at->pixel = 0;
            at->sample++;
        }
    }
    return t;
}

LB_INLINE int quads_by(int quads, int wide, const panel *p, const float *x,
                       const float *residual, float *y, place *at, int left)
{
    for (; left >= quads; left -= quads) {
        const tile t = tile_at(quads, p->sizes, x, residual, y, at);
        multiply(quads, QUAD, wide, p, &t);
    }
    return left;
}

/* The filters of one panel for `count` quads from a place on. */
LB_INLINE void run_panel(int wide, const panel *p, const float *x, const float *residual,
                         float *y, place at, int count)
{
    count = quads_by(wide > 1 ? WIDE : NARROW, wide, p, x, residual, y, &at, count);
    if (count >= 2)
        count = quads_by(2, wide, p, x, residual, y, &at, count);
    quads_by(1, wide, p, x, residual, y, &at, count);
}

/* The pixels at the end of each plane that fill no quad. */
LB_INLINE void run_rest(int wide, const panel *p, const float *x, const float *residual,
                        float *y)
{
    const lb_point *const s = p->sizes;

    for (int n = 0; n < s->n; n++)
        for (int i = s->pixels / QUAD * QUAD; i < s->pixels; i++) {
            place at = {n, i};
            const tile t = tile_at(1, s, x, residual, y, &at);
            multiply(1, 1, wide, p, &t);
        }
}

/* What is done with each panel: `count` quads, or the rest of each plane if it is 0. */
static void run_panels(const lb_point *s, const float *x, const float *u,
                       const lb_conv_after *after, float *y, place at, int count)
{
    const float *const residual = after->residual ? after->residual : y;
    panel p = {.sizes = s, .u = u, .plane = (size_t)s->pixels * LB_BLOCK, .after = after};

    for (int o = 0; o < s->oc; o += 2) {
        const size_t to = (size_t)o * p.plane;
        const bool two = o + 1 < s->oc;
        p.block = o;
        if (two && count)
            run_panel(2, &p, x, residual + to, y + to, at, count);
        else if (two)
            run_rest(2, &p, x, residual + to, y + to);
        else if (count)
            run_panel(1, &p, x, residual + to, y + to, at, count);
        else
            run_rest(1, &p, x, residual + to, y + to);
        p.u += (size_t)((two ? 2 : 1) * s->channels) * LB_BLOCK;
    }
}

void LB_SIMD(point_forward)(const lb_point *s, const float *x, const float *u,
                            const lb_conv_after *after, float *y)
{
    const int row = s->ic * LB_BLOCK * (int)sizeof(float) * QUAD, per = s->pixels / QUAD;
    const int fit = CACHE / row / WIDE * WIDE, all = s->n * per;
    const int step = fit > WIDE ? fit : WIDE;

    for (int q = 0; q < all; q += step) {
        const place at = {q / per, q % per * QUAD};
        run_panels(s, x, u, after, y, at, all - q < step ? all - q : step);
    }
    if (s->pixels % QUAD)
        run_panels(s, x, u, after, y, (place){0, 0}, 0);
}
