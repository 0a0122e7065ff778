/* fw_wide_dot8.c: convolutions, 1x1 ones and dense layers, eight channels of several
 * positions at a time.
 *
 * The input is brought into the scratch memory whole, with its padding, as units; then
 * the weights of eight channels, as blocks, with which all positions are computed. So y
 * may lie anywhere over x. Scratch memory: the blocks, rows of weights, the units. */
#include "fw8_wide.h"

#if FW8_WIDE

/* The inputs of a position: `runs` times `run` of them that are adjacent; a run is filled
 * up to fours with weights of 0. */
typedef struct shape {
    int runs, run, fours;
} shape;

/* Weights of eight channels of four inputs each; the second group is `apart` further. */
static inline void take_fours(const int8_t *weight, ptrdiff_t apart, int8_t *fours)
{
    fw8_unpair(weight, fours);
    fw8_unpair(weight + apart, fours + 16);
}

/* Runs that end within four inputs: by way of rows, one for each channel. */
static void put_ragged(const shape *f, const int8_t *weight, ptrdiff_t apart, int8_t *row,
                       int8_t *to)
{
    const int blocks = (f->runs * f->run + 3) / 4, rest = f->run % 4;
    const ptrdiff_t length = 4 * (ptrdiff_t)blocks + 4;
    int8_t fours[32];
    int i, j, c;

    for (i = 0; i < blocks; i++) {
        take_fours(weight + 16 * (ptrdiff_t)i, apart, fours);
        for (c = 0; c < 8; c++)
            memcpy(row + c * length + 4 * (ptrdiff_t)i, fours + 4 * c, 4);
    }
    for (i = 0; i < f->runs; i++)
        for (j = 0; j < f->fours; j++, to += FW8_BLOCK) {
            const int8_t *const from = row + i * (ptrdiff_t)f->run + 4 * (ptrdiff_t)j;
            for (c = 0; c < 8; c++)
                memcpy(fours + 4 * c, from + c * length, 4);
            if (j + 1 == f->fours)
                for (c = 0; c < 8; c++)
                    memset(fours + 4 * c + rest, 0, (size_t)(4 - rest));
            fw8_put_block(fours, to);
        }
}

/* The weights of eight channels, from m on. */
static void put_weights(const fw8_shape *s, const fw8_layer *l, const shape *f, int m,
                        int8_t *row, int8_t *to)
{
    const int blocks = (f->runs * f->run + 3) / 4;
    const int8_t *const weight = l->weight + m * 4 * (ptrdiff_t)blocks;
    /* no second group: the first one once more, whose sums nobody looks at */
    const ptrdiff_t apart = m + 4 < s->out_c ? 16 * (ptrdiff_t)blocks : 0;
    int8_t fours[32];
    int i;

    if (f->runs > 1 && f->run % 4 != 0) {
        put_ragged(f, weight, apart, row, to);
        return;
    }
    for (i = 0; i < blocks; i++) {
        take_fours(weight + 16 * (ptrdiff_t)i, apart, fours);
        fw8_put_block(fours, to + FW8_BLOCK * (ptrdiff_t)i);
    }
}

/* n positions, one after the other in x and y. */
static void run_positions(const fw8_walk *v, const fw8_ending *e, const int8_t *weight,
                          const fw8_unit *x, int n, ptrdiff_t stride, const int8_t *z,
                          int8_t *y)
{
    fw8_eight sum[FW8_MANY];
    int p, q;

    for (p = 0; p < n && n >= FW8_MANY; p += FW8_MANY) {
        /* the last ones reach back over those that are done */
        const int from = p + FW8_MANY <= n ? p : n - FW8_MANY;
        fw8_dot_many(v, x + from * v->step, weight, sum);
        for (q = 0; q < FW8_MANY; q += 4) {
            const int done = p - from - q;
            /* without a residual the same once more does no harm */
            const int first = !z || done < 0 ? 0 : done < 4 ? done : 4;
            const ptrdiff_t at = (from + q) * stride;
            fw8_end_four(e, sum + q, first, 4, stride, z ? z + at : NULL, y + at);
        }
    }
    if (n >= FW8_MANY)
        return;
    for (p = 0; p < n; p += 4) {
        const int end = n - p < 4 ? n - p : 4;
        const ptrdiff_t at = p * stride;
        for (q = 0; q < 4; q++)
            sum[q] = q < end ? fw8_dot_one(v, x + (p + q) * v->step, weight) : fw8_all(0);
        fw8_end_four(e, sum, 0, end, stride, z ? z + at : NULL, y + at);
    }
}

/* All channels of all positions. */
static void run(const fw8_shape *s, const fw8_layer *l, const shape *f, const fw8_walk *v,
                const fw8_lines *lines, const fw8_unit *x, int8_t *scratch,
                const int8_t *z, int8_t *y)
{
    const ptrdiff_t blocks = f->runs * (ptrdiff_t)f->fours;
    fw8_ending e;
    int m, i;

    for (m = 0; m < s->out_c; m += 8) {
        put_weights(s, l, f, m, scratch + FW8_BLOCK * blocks, scratch);
        fw8_ending_make(&e, l, m, s->out_c);
        e.start = fw8_minus(e.start, fw8_excess(scratch, blocks));
        for (i = 0; i < lines->n; i++) {
            const ptrdiff_t at = i * lines->next_line + m;
            run_positions(v, &e, scratch, x + i * lines->next_units, lines->positions,
                          lines->next, z ? z + at : NULL, y + at);
        }
    }
}

/* Where the units begin in the scratch memory: behind blocks and rows. */
static fw8_unit *units_in(int8_t *scratch, const shape *f)
{
    const ptrdiff_t rows = 8 * (4 * ((f->runs * (ptrdiff_t)f->run + 3) / 4) + 4);
    const ptrdiff_t at = FW8_BLOCK * (f->runs * (ptrdiff_t)f->fours) + rows;

    return (fw8_unit *)(void *)(scratch + at);
}

/* A row of the input with its padding, `width` positions. */
static fw8_unit *bring_row(const fw8_shape *s, const int8_t *x, int h, int width,
                           fw8_unit *to)
{
    const ptrdiff_t c = s->in_c;
    const int before = s->pad_left < width ? s->pad_left : width;
    const int n = s->in_w < width - before ? s->in_w : width - before;

    if (h < 0 || h >= s->in_h)
        return fw8_bring_all(s->fill, width * c, to);
    to = fw8_bring_all(s->fill, before * c, to);
    to = fw8_bring(x + h * (ptrdiff_t)s->in_w * c, n * c, to);
    return fw8_bring_all(s->fill, (width - before - n) * c, to);
}

void fw8_conv(const fw8_shape *given, const fw8_layer *l, const int8_t *x,
              const int8_t *z, void *scratch, int8_t *y)
{
    const fw8_shape own = fw8_lying(given), *const s = &own;
    const int height =
        (s->out_h - 1) * s->stride_h + (s->kernel_h - 1) * s->dilation_h + 1;
    const int width =
        (s->out_w - 1) * s->stride_w + (s->kernel_w - 1) * s->dilation_w + 1;
    const int taps = s->dilation_w == 1 ? 1 : s->kernel_w;
    const int run_of = s->dilation_w == 1 ? s->kernel_w * s->in_c : s->in_c;
    const shape f = {s->kernel_h * taps, run_of, (run_of + 3) / 4};
    const ptrdiff_t row = (ptrdiff_t)width * s->in_c;
    const ptrdiff_t right = s->stride_w * (ptrdiff_t)s->in_c, down = s->stride_h * row;
    const int goes_down = fw8_goes_down(s, FW8_MANY);
    const fw8_lines lines = fw8_lines_of(s, goes_down, right, down);
    const fw8_walk v = {s->kernel_h,
                        taps,
                        f.fours,
                        s->dilation_h * row,
                        s->dilation_w * (ptrdiff_t)s->in_c,
                        goes_down ? down : right};
    fw8_unit *const units = units_in(scratch, &f);
    fw8_unit *to = units;
    int h;

    for (h = 0; h < height; h++)
        to = bring_row(s, x, h - s->pad_top, width, to);
    fw8_bring_all(s->fill, 4, to); /* what a last run may reach */
    run(s, l, &f, &v, &lines, units, scratch, z, y);
}

void fw8_pointwise(const fw8_shape *s, const fw8_layer *l, const int8_t *x,
                   const int8_t *z, void *scratch, int8_t *y)
{
    const int n = s->out_h * s->out_w;
    const shape f = {1, s->in_c, (s->in_c + 3) / 4};
    const fw8_walk v = {1, 1, f.fours, 0, 0, s->in_c};
    const fw8_lines line = {1, n, s->out_c, 0, 0};
    fw8_unit *const units = units_in(scratch, &f);

    fw8_bring_all(0, 4, fw8_bring(x, n * (ptrdiff_t)s->in_c, units));
    run(s, l, &f, &v, &line, units, scratch, z, y);
}

/* One position: weights are used once, from where they lie. */
void fw8_dense(const fw8_shape *s, const fw8_layer *l, const int8_t *x, void *scratch,
               int8_t *y)
{
    const int n = s->in_h * s->in_w * s->in_c, blocks = (n + 3) / 4;
    fw8_unit *const units = scratch;
    fw8_eight sum[4];
    fw8_ending e;
    int m;

    fw8_bring_all(0, 4, fw8_bring(x, n, units));
    sum[1] = sum[2] = sum[3] = fw8_all(0);
    for (m = 0; m < s->out_c; m += 8) {
        const ptrdiff_t apart = m + 4 < s->out_c ? 16 * (ptrdiff_t)blocks : 0;
        fw8_ending_make(&e, l, m, s->out_c);
        sum[0] =
            fw8_dot_pairs(units, l->weight + m * 4 * (ptrdiff_t)blocks, apart, blocks);
        fw8_end_some(&e, sum, 0, 1, 0, NULL, y + m);
    }
}

#endif
