/* norm_sums.c: what batch norm adds up over a block of channels. Short runs are summed in
 * floats, in four chains, and the runs in doubles. */
#include "engine/simd/simd_protos.h"

enum { CHAINS = 4, RUN = 64 }; /* pixels */

typedef struct chains {
    lb_vec first[CHAINS], second[CHAINS];
} chains;

LB_INLINE size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

LB_INLINE void add_lanes(double *to, const lb_vec v[CHAINS])
{
    float lane[LB_BLOCK];

    lb_store(lane, (v[0] + v[1]) + (v[2] + v[3]));
    for (int k = 0; k < LB_BLOCK; k++)
        to[k] += (double)lane[k];
}

LB_INLINE void start(chains *c)
{
#pragma GCC unroll 4
    for (int j = 0; j < CHAINS; j++)
        c->first[j] = c->second[j] = lb_zero();
}

LB_INLINE void finish(const chains *c, double *sums)
{
    add_lanes(sums, c->first);
    add_lanes(sums + LB_BLOCK, c->second);
}

LB_INLINE void square(chains *c, int j, const float *x)
{
    const lb_vec v = lb_load(x);

    c->first[j] = c->first[j] + v;
    c->second[j] = lb_fma(v, v, c->second[j]);
}

void LB_SIMD(norm_sums)(const lb_norm *s, const float *x, double *sums)
{
    for (int n = 0; n < s->n; n++, x += s->stride)
        for (size_t i = 0; i < s->pixels;) {
            const size_t end = smaller(i + RUN, s->pixels);
            chains c;
            start(&c);
            for (; i + CHAINS <= end; i += CHAINS)
#pragma GCC unroll 4
                for (int j = 0; j < CHAINS; j++)
                    square(&c, j, x + (i + (size_t)j) * LB_BLOCK);
            for (; i < end; i++)
                square(&c, 0, x + i * LB_BLOCK);
            finish(&c, sums);
        }
}

/* Where g comes from, and the limits; members that a variant does not use stay unread. */
typedef struct source {
    const float *x, *dy, *more, *y;
    float *g;
    lb_vec mean, scale, shift, low, high;
} source;

/* What makes g out of dy, known at compile time. */
typedef struct way {
    bool by_x; /* y is worked out from x again */
    bool by_y, adds, writes;
} way;

LB_INLINE void product(chains *c, int j, const source *s, size_t at, way w)
{
    const lb_vec x = lb_load(s->x + at) - s->mean;
    lb_vec g = lb_load(s->dy + at);

    if (w.adds)
        g = g + lb_load(s->more + at);
    if (w.by_x)
        g = lb_inside(lb_fma(x, s->scale, s->shift), s->low, s->high, g);
    if (w.by_y)
        g = lb_inside(lb_load(s->y + at), s->low, s->high, g);
    if (w.writes)
        lb_store(s->g + at, g);
    c->first[j] = lb_fma(g, x, c->first[j]);
    c->second[j] = c->second[j] + g;
}

LB_INLINE void products(const lb_norm *s, const source *from, double *sums, way w)
{
    for (int n = 0; n < s->n; n++)
        for (size_t i = 0; i < s->pixels;) {
            const size_t end = smaller(i + RUN, s->pixels);
            const size_t base = (size_t)n * s->stride;
            chains c;
            start(&c);
            for (; i + CHAINS <= end; i += CHAINS)
#pragma GCC unroll 4
                for (int j = 0; j < CHAINS; j++)
                    product(&c, j, from, base + (i + (size_t)j) * LB_BLOCK, w);
            for (; i < end; i++)
                product(&c, 0, from, base + i * LB_BLOCK, w);
            finish(&c, sums);
        }
}

LB_INLINE source source_of(const lb_norm *s, const lb_norm_factors *f, const float *x)
{
    return (source){.x = x,
                    .mean = lb_load(f->mean),
                    .scale = lb_load(f->scale),
                    .shift = lb_load(f->shift),
                    .low = lb_splat(s->low),
                    .high = lb_splat(s->high)};
}

void LB_SIMD(norm_grad_sums)(const lb_norm *s, const lb_norm_factors *f, const float *x,
                             const float *dy, double *sums)
{
    source from = source_of(s, f, x);

    from.dy = dy;
    if (s->clips)
        products(s, &from, sums, (way){.by_x = true});
    else
        products(s, &from, sums, (way){0});
}

void LB_SIMD(norm_grad_join)(const lb_norm *s, const lb_norm_factors *f, const float *x,
                             const lb_norm_join *join, float *g, double *sums)
{
    source from = source_of(s, f, x);

    from.dy = join->dy;
    from.more = join->more;
    from.y = join->y;
    from.g = g;
    if (join->y && join->more)
        products(s, &from, sums, (way){.by_y = true, .adds = true, .writes = true});
    else if (join->y)
        products(s, &from, sums, (way){.by_y = true, .writes = true});
    else if (join->more)
        products(s, &from, sums, (way){.adds = true, .writes = true});
    else
        products(s, &from, sums, (way){.writes = true});
}
