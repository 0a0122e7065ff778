/* fw_wide_depthwise8.c: depthwise convolution, eight channels of four positions at a
 * time.
 *
 * The eight channels of the input are brought into the scratch memory whole, with their
 * padding, so y may lie over x. Scratch memory: the weights; a row of bytes; the units.
 * AVX2 multiplies and adds two int16 at a time: there a unit holds two taps, its own and
 * the next one of its row, and the weights are zero behind the last. */
#include "fw8_wide.h"

#if FW8_WIDE

#if defined(__AVX2__)
enum { TAPS = 2 };
#else
enum { TAPS = 1 };
#endif
enum { UNIT = 8 * TAPS }; /* int16 */

/* Eight channels of a tap and of the next one, as a unit. */
static inline void put_unit(const int8_t *own, const int8_t *next, int16_t *to)
{
#if defined(__AVX2__)
    _mm256_storeu_si256((__m256i *)(void *)to,
                        _mm256_blend_epi16(fw8_load_bytes(own),
                                           _mm256_slli_epi32(fw8_load_bytes(next), 16),
                                           0xaa));
#else
    (void)next;
    vst1q_s16(to, vmovl_s8(vld1_s8(own)));
#endif
}

/* The weights of eight channels, from m on. */
static void put_weights(const fw8_shape *s, const fw8_layer *l, int m, int16_t *to)
{
    const ptrdiff_t taps = s->kernel_h * (ptrdiff_t)s->kernel_w;
    const int8_t *low = l->weight + m * taps;
    const int8_t *high = m + 4 < s->out_c ? low + 4 * taps : low; /* or anything */
    int8_t tap[2][8];
    int h, w, t;

    for (h = 0; h < s->kernel_h; h++)
        for (w = 0; w < s->kernel_w; to += UNIT) {
            memset(tap, 0, sizeof tap);
            for (t = 0; t < TAPS && w < s->kernel_w; t++, w++, low += 4, high += 4) {
                memcpy(tap[t], low, 4);
                memcpy(tap[t] + 4, high, 4);
            }
            put_unit(tap[0], tap[1], to);
        }
}

/* A row of units from a row of bytes, which is dilation_w positions longer. */
static void widen(const int8_t *row, int width, int dilation_w, int16_t *to)
{
    const ptrdiff_t next = 8 * (ptrdiff_t)dilation_w;
    int w;

    for (w = 0; w < width; w++, row += 8, to += UNIT)
        put_unit(row, row + next, to);
}

/* `many` channels at x of a row of `width` positions with its padding. */
static void bring_row(const fw8_shape *s, const int8_t *x, int many, int h, int width,
                      int8_t *row)
{
    const int before = s->pad_left < width ? s->pad_left : width;
    const int n = s->in_w < width - before ? s->in_w : width - before;
    int w;

    memset(row, s->fill, 8 * (size_t)width);
    if (h < 0 || h >= s->in_h)
        return;
    x += h * (ptrdiff_t)s->in_w * s->in_c;
    row += 8 * (ptrdiff_t)before;
    for (w = 0; w < n; w++, x += s->in_c, row += 8) {
        if (many == 8)
            memcpy(row, x, 8);
        else
            memcpy(row, x, (size_t)many);
    }
}

/* The sums of four positions. */
static inline void dot_four(const fw8_walk *v, int rows, int taps, const int16_t *x,
                            const int16_t *weight, fw8_eight sum[4])
{
    const ptrdiff_t step = v->step;
    fw8_eight a = fw8_all(0), b = a, c = a, d = a;
    int i, j;

    for (i = 0; i < rows; i++) {
        const int16_t *p = x + i * v->row;
        for (j = 0; j < taps; j++, p += v->tap, weight += UNIT) {
            a = fw8_deep_multiply(a, p, weight);
            b = fw8_deep_multiply(b, p + step, weight);
            c = fw8_deep_multiply(c, p + 2 * step, weight);
            d = fw8_deep_multiply(d, p + 3 * step, weight);
        }
    }
    sum[0] = a;
    sum[1] = b;
    sum[2] = c;
    sum[3] = d;
}

static fw8_eight dot_one(const fw8_walk *v, const int16_t *x, const int16_t *weight)
{
    fw8_eight a = fw8_all(0);
    int i, j;

    for (i = 0; i < v->rows; i++) {
        const int16_t *p = x + i * v->row;
        for (j = 0; j < v->taps; j++, p += v->tap, weight += UNIT)
            a = fw8_deep_multiply(a, p, weight);
    }
    return a;
}

/* n positions. */
static void run_line(const fw8_walk *v, const fw8_ending *e, const int16_t *weight,
                     const int16_t *x, int n, ptrdiff_t stride, const int8_t *z,
                     int8_t *y)
{
    enum { THREE = (3 + TAPS - 1) / TAPS }; /* units of kernels three wide */
    fw8_eight sum[4];
    int p;

    for (p = 0; p < n && n >= 4; p += 4) {
        /* the last ones reach back over those that are done, which does no harm without
         * a residual */
        const int from = p + 4 <= n ? p : n - 4, first = z ? p - from : 0;
        const ptrdiff_t at = from * stride;
        if (v->rows == 3 && v->taps == THREE)
            dot_four(v, 3, THREE, x + from * v->step, weight, sum);
        else
            dot_four(v, v->rows, v->taps, x + from * v->step, weight, sum);
        fw8_end_four(e, sum, first, 4, stride, z ? z + at : NULL, y + at);
    }
    if (n >= 4)
        return;
    for (p = 0; p < 4; p++)
        sum[p] = p < n ? dot_one(v, x + p * v->step, weight) : fw8_all(0);
    fw8_end_some(e, sum, 0, n, stride, z, y);
}

void fw8_depthwise(const fw8_shape *given, const fw8_layer *l, const int8_t *x,
                   const int8_t *z, void *scratch, int8_t *y)
{
    const fw8_shape own = fw8_lying(given), *const s = &own;
    const int height =
        (s->out_h - 1) * s->stride_h + (s->kernel_h - 1) * s->dilation_h + 1;
    const int width =
        (s->out_w - 1) * s->stride_w + (s->kernel_w - 1) * s->dilation_w + 1;
    const int units = (s->kernel_w + TAPS - 1) / TAPS;
    const ptrdiff_t row = UNIT * (ptrdiff_t)width;
    const ptrdiff_t right = s->stride_w * (ptrdiff_t)UNIT, down = s->stride_h * row;
    const int goes_down = fw8_goes_down(s, 4);
    const fw8_lines lines = fw8_lines_of(s, goes_down, right, down);
    const fw8_walk v = {s->kernel_h,
                        units,
                        1,
                        s->dilation_h * row,
                        s->dilation_w * (ptrdiff_t)(TAPS * UNIT),
                        goes_down ? down : right};
    int16_t *const weight = scratch;
    int8_t *const bytes = (int8_t *)(weight + s->kernel_h * units * (ptrdiff_t)UNIT);
    int16_t *const map =
        (int16_t *)(void *)(bytes + 8 * ((ptrdiff_t)width + s->dilation_w));
    fw8_ending e;
    int m, h;

    for (m = 0; m < s->out_c; m += 8) {
        put_weights(s, l, m, weight);
        fw8_ending_make(&e, l, m, s->out_c);
        memset(bytes, 0, 8 * ((size_t)width + (size_t)s->dilation_w));
        for (h = 0; h < height; h++) {
            bring_row(s, x + m, e.many, h - s->pad_top, width, bytes);
            widen(bytes, width, s->dilation_w, map + h * row);
        }
        for (h = 0; h < lines.n; h++) {
            const ptrdiff_t at = h * lines.next_line + m;
            run_line(&v, &e, weight, map + h * lines.next_units, lines.positions,
                     lines.next, z ? z + at : NULL, y + at);
        }
    }
}

#endif
