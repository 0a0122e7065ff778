/* point_weight.c: the gradient of a 1x1 convolution's weights: dy times x transposed,
 * summed over pixels. A chunk of pixels that fits the first cache meets all channels and
 * filters before the next one; meanwhile the next chunk of x is asked for. */
#include "engine/simd/simd_protos.h"

#include <string.h>

enum {
    ROWS = LB_BLOCK == 16 ? 8 : 4, /* filters that are summed at once */
    CACHE = 32 << 10               /* bytes of x and dy in a chunk */
};

/* Pixels from..from+count-1 of some samples; ahead: floats from here to the next ones. */
typedef struct chunk {
    int samples, count;
    size_t x_sample, dy_sample; /* floats between samples */
    size_t x_plane, dy_plane;   /* floats between blocks */
    size_t ahead;
} chunk;

/* sum [ROWS][wide blocks] += dy [pixels][ROWS] * x [pixels][wide blocks] */
LB_INLINE void add_products(int wide, bool fetches, const chunk *k, const float *x,
                            const float *dy, float *sum, size_t pitch)
{
    lb_vec a[ROWS][2];

#pragma GCC unroll 8
    for (int r = 0; r < ROWS; r++) {
        a[r][0] = lb_load(sum + (size_t)r * pitch);
        if (wide > 1)
            a[r][1] = lb_load(sum + (size_t)r * pitch + LB_BLOCK);
    }
    for (int n = 0; n < k->samples; n++, x += k->x_sample, dy += k->dy_sample) {
        const float *v = x, *d = dy;
        for (int i = 0; i < k->count; i++, v += LB_BLOCK, d += LB_BLOCK) {
            const lb_vec v0 = lb_load(v), v1 = wide > 1 ? lb_load(v + k->x_plane) : v0;
            if (fetches) {
                lb_fetch(v, k->ahead);
                if (wide > 1)
                    lb_fetch(v + k->x_plane, k->ahead);
            }
#pragma GCC unroll 8
            for (int r = 0; r < ROWS; r++) {
                const lb_vec s = lb_splat(d[r]);
                a[r][0] = lb_fma(s, v0, a[r][0]);
                if (wide > 1)
                    a[r][1] = lb_fma(s, v1, a[r][1]);
            }
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; r++) {
        lb_store(sum + (size_t)r * pitch, a[r][0]);
        if (wide > 1)
            lb_store(sum + (size_t)r * pitch + LB_BLOCK, a[r][1]);
    }
}

/* Each pair of blocks of x asks for what comes next once, the pairs at different times.
 */
static void add_chunk(const lb_point *s, const chunk *k, const float *x, const float *dy,
                      float *dw)
{
    const size_t pitch = (size_t)s->ic * LB_BLOCK;
    const int turns = (s->filters + ROWS - 1) / ROWS;

    for (int t = 0; t < turns; t++) {
        const int m = t * ROWS;
        const float *const d = dy + (size_t)(m / LB_BLOCK) * k->dy_plane + m % LB_BLOCK;
        for (int c = 0; c < s->ic; c += 2) {
            const float *const v = x + (size_t)c * k->x_plane;
            float *const to = dw + (size_t)m * pitch + (size_t)c * LB_BLOCK;
            const bool fetches = t == c * turns / (s->ic + 1);
            if (c + 1 == s->ic)
                add_products(1, true, k, v, d, to, pitch);
            else if (fetches)
                add_products(2, true, k, v, d, to, pitch);
            else
                add_products(2, false, k, v, d, to, pitch);
        }
    }
}

static int at_most(int a, int b)
{
    return a < b ? a : b;
}

void LB_SIMD(point_weight)(const lb_point *s, const float *x, const float *dy, float *dw)
{
    const size_t plane = (size_t)s->pixels * LB_BLOCK;
    const int line = (s->ic + s->oc) * LB_BLOCK * (int)sizeof(float);
    const int fit = CACHE / line > 8 ? CACHE / line : 8;
    /* chunks of a plane, or several whole planes */
    const int parts = (s->pixels + fit - 1) / fit;
    const int step = parts > 1 ? (s->pixels + parts - 1) / parts : s->pixels;
    const int samples = parts > 1 ? 1 : fit / s->pixels;
    chunk k = {.x_plane = plane,
               .dy_plane = plane,
               .x_sample = (size_t)s->ic * plane,
               .dy_sample = (size_t)s->oc * plane};

    memset(dw, 0, (size_t)(s->ic * s->oc) * LB_BLOCK * LB_BLOCK * sizeof *dw);
    for (int n = 0; n < s->n; n += samples)
        for (int i = 0; i < s->pixels; i += step) {
            const size_t at = (size_t)i * LB_BLOCK;
            k.samples = at_most(samples, s->n - n);
            k.count = at_most(step, s->pixels - i);
            k.ahead = parts == 1             ? (size_t)samples * k.x_sample
                      : i + step < s->pixels ? (size_t)step * LB_BLOCK
                                             : k.x_sample - at;
            add_chunk(s, &k, x + (size_t)n * k.x_sample + at,
                      dy + (size_t)n * k.dy_sample + at, dw);
        }
}
