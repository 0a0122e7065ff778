/* fw_wide8.c: from the sums of eight channels to int8; addition. */
#include "fw8_wide.h"

#if FW8_WIDE

void fw8_adder_make(fw8_adder *adder, const fw8_sum *sum)
{
    adder->factor_a = fw8_all(sum->factor_a);
    adder->factor_b = fw8_all(sum->factor_b);
    adder->zero = fw8_all(sum->zero);
#if FW8_TFLITE
    adder->zero_a = fw8_all(sum->zero_a);
    adder->zero_b = fw8_all(sum->zero_b);
    adder->shift_a = fw8_all(sum->shift_a);
    adder->shift_b = fw8_all(sum->shift_b);
    adder->factor_y = fw8_all(sum->factor_y);
    adder->shift = fw8_all(sum->shift_y);
    adder->offset = fw8_all(0);
    adder->steep = sum->shift_a < 0 || sum->shift_b < 0 || sum->shift_y < 0 ? sum : NULL;
#else
    adder->shift = fw8_all(sum->shift);
    adder->offset = fw8_all(sum->offset);
#endif
}

fw8_eight fw8_add_steep(const fw8_sum *sum, fw8_eight a, fw8_eight b)
{
    int32_t x[8], y[8];
    int i;

    fw8_save(x, a);
    fw8_save(y, b);
    for (i = 0; i < 8; i++)
        x[i] = fw8_sum_of(sum, x[i], y[i]);
    return fw8_load(x);
}

/* Some shift is below 0: one at a time. */
static void end_steeply(const fw8_ending *e, const fw8_eight sum[4], int first, int end,
                        ptrdiff_t stride, const int8_t *z, int8_t *y)
{
    int32_t v[8];
    int p, i;

    for (p = first; p < end; p++) {
        fw8_save(v, fw8_plus(sum[p], e->start));
        for (i = 0; i < e->many; i++) {
            const ptrdiff_t at = p * stride + i;
            y[at] = fw8_finish(e->layer, e->m + i, v[i], z ? z + at : NULL);
        }
    }
}

/* The eight bytes at z, of which `many` are there. */
static fw8_eight load_some(const int8_t *z, int many)
{
    int8_t own[8] = {0};

    if (many == 8)
        return fw8_load_bytes(z);
    memcpy(own, z, (size_t)many);
    return fw8_load_bytes(own);
}

void fw8_end_some(const fw8_ending *e, const fw8_eight sum[4], int first, int end,
                  ptrdiff_t stride, const int8_t *z, int8_t *y)
{
    fw8_eight v[4];
    int8_t bytes[32];
    int p;

    if (e->steep) {
        end_steeply(e, sum, first, end, stride, z, y);
        return;
    }
    for (p = 0; p < 4; p++)
        v[p] = fw8_all(0);
    for (p = first; p < end; p++) {
        v[p] = fw8_end_eight(e, sum[p]);
        if (z)
            v[p] = fw8_add_residual(e, v[p], load_some(z + p * stride, e->many));
    }
    fw8_save_four(v, e->last_low, e->last_high, 8, bytes);
    for (p = first; p < end; p++)
        memcpy(y + p * stride, bytes + 8 * p, (size_t)e->many);
}

/* Eight of each channel's; zeros beyond those that are there. */
static void load_grids(fw8_ending *e, const fw8_layer *l)
{
    int32_t start[8] = {0}, factor[8] = {0}, shift[8] = {0};
    int i;

    for (i = 0; i < e->many; i++) {
        start[i] = l->bias[e->m + i];
        factor[i] = l->grid.factor[e->m + i];
        shift[i] = l->grid.shift[e->m + i];
        e->steep |= shift[i] < 0;
    }
    e->start = fw8_load(start);
    e->factor = fw8_load(factor);
    e->shift = fw8_load(shift);
}

void fw8_ending_make(fw8_ending *e, const fw8_layer *l, int m, int channels)
{
    const fw8_grid *const g = &l->grid;

    e->layer = l;
    e->m = m;
    e->many = channels - m < 8 ? channels - m : 8;
    e->steep = 0;
    if (e->many == 8 && l->plain) {
        e->start = fw8_load(l->bias + m);
        e->factor = fw8_load(g->factor + m);
        e->shift = fw8_load_bytes(g->shift + m);
    } else {
        load_grids(e, l);
    }
    e->zero = fw8_all(g->zero);
    e->low = fw8_all(g->low);
    e->high = fw8_all(g->high);
    e->last_low = l->residual ? l->residual->low : g->low;
    e->last_high = l->residual ? l->residual->high : g->high;
    if (l->residual)
        fw8_adder_make(&e->adder, l->residual);
}

void fw8_add(const fw8_sum *sum, int n, const int8_t *a, const int8_t *b, int8_t *y)
{
    const fw8_sum s = *sum; /* y might be where it lies, for all that C knows */
    fw8_adder adder;
    fw8_eight v[4];
    int i = 0, k;

    fw8_adder_make(&adder, &s);
    for (; i + 32 <= n; i += 32) {
        for (k = 0; k < 4; k++)
            v[k] = fw8_add_eight(&adder, fw8_load_bytes(a + i + 8 * k),
                                 fw8_load_bytes(b + i + 8 * k));
        fw8_save_four(v, s.low, s.high, 8, y + i);
    }
    for (; i < n; i++)
        y[i] = (int8_t)fw8_clamp(fw8_sum_of(&s, a[i], b[i]), s.low, s.high);
}

#endif
