/* norm_apply.c: batch norm with what follows it, and the gradient of its input, in one
 * pass over a block of channels. */
#include "engine/simd/simd_protos.h"

enum { AHEAD = 1024 }; /* floats */

LB_INLINE void apply(const lb_norm *s, const lb_norm_factors *f, const float *x,
                     const float *residual, float *y, bool adds, bool clips)
{
    const lb_vec mean = lb_load(f->mean), scale = lb_load(f->scale);
    const lb_vec shift = lb_load(f->shift);
    const lb_vec low = lb_splat(s->low), high = lb_splat(s->high);

    for (int n = 0; n < s->n; n++) {
        const size_t base = (size_t)n * s->stride, end = base + s->pixels * LB_BLOCK;
#pragma GCC unroll 4
        for (size_t i = base; i < end; i += LB_BLOCK) {
            lb_fetch(x + i, AHEAD);
            lb_vec v = lb_fma(lb_load(x + i) - mean, scale, shift);
            if (adds)
                v = v + lb_load(residual + i);
            if (clips)
                v = lb_min(high, lb_max(low, v));
            lb_store(y + i, v);
        }
    }
}

void LB_SIMD(norm_apply)(const lb_norm *s, const lb_norm_factors *f, const float *x,
                         const float *residual, float *y)
{
    if (residual && s->clips)
        apply(s, f, x, residual, y, true, true);
    else if (residual)
        apply(s, f, x, residual, y, true, false);
    else if (s->clips)
        apply(s, f, x, residual, y, false, true);
    else
        apply(s, f, x, residual, y, false, false);
}

LB_INLINE void grad(const lb_norm *s, const lb_norm_factors *f, const float *x,
                    const float *dy, float *dx, bool clips)
{
    const lb_vec mean = lb_load(f->mean), scale = lb_load(f->scale);
    const lb_vec shift = lb_load(f->shift);
    const lb_vec dshift = lb_load(f->dshift), dscale = lb_load(f->dscale);
    const lb_vec low = lb_splat(s->low), high = lb_splat(s->high);

    for (int n = 0; n < s->n; n++) {
        const size_t base = (size_t)n * s->stride, end = base + s->pixels * LB_BLOCK;
#pragma GCC unroll 4
        for (size_t i = base; i < end; i += LB_BLOCK) {
            lb_fetch(x + i, AHEAD);
            lb_fetch(dy + i, AHEAD);
            const lb_vec v = lb_load(x + i) - mean;
            lb_vec g = lb_load(dy + i);
            if (clips)
                g = lb_inside(lb_fma(v, scale, shift), low, high, g);
            lb_store(dx + i, scale * lb_fnma(v, dscale, g - dshift));
        }
    }
}

void LB_SIMD(norm_grad_input)(const lb_norm *s, const lb_norm_factors *f, const float *x,
                              const float *dy, float *dx)
{
    if (s->clips)
        grad(s, f, x, dy, dx, true);
    else
        grad(s, f, x, dy, dx, false);
}
