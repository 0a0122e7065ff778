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

/* One channel's weights; zero: NULL. */
static const int8_t *weights_of(const fw8_layer *l, int m, int channels, int taps)
{
    return m < channels ? l->weight + m / 4 * 4 * (ptrdiff_t)taps + m % 4 : NULL;
}

/* The weights of eight channels, from m on. */
static void put_weights(const fw8_shape *s, const fw8_layer *l, int m, int16_t *to)
{
    const int units = (s->kernel_w + TAPS - 1) / TAPS;
    int h, u, c, t;

    for (c = 0; c < 8; c++) {
        const int8_t *const from =
            weights_of(l, m + c, s->out_c, s->kernel_h * s->kernel_w);
        for (h = 0; h < s->kernel_h; h++)
            for (u = 0; u < units; u++)
                for (t = 0; t < TAPS; t++) {
                    const int w = u * TAPS + t;
                    to[(h * units + u) * UNIT + c * TAPS + t] =
                        from && w < s->kernel_w ? from[4 * (h * s->kernel_w + w)] : 0;
                }
    }
}

/* A row of units from a row of bytes, which is dilation_w positions longer. */
static void widen(const int8_t *row, int width, int dilation_w, int16_t *to)
{
    int w;

    for (w = 0; w < width; w++, row += 8, to += UNIT) {
#if defined(__AVX2__)
        const __m256i own = fw8_load_bytes(row);
        const __m256i next = fw8_load_bytes(row + 8 * (ptrdiff_t)dilation_w);
        _mm256_storeu_si256((__m256i *)(void *)to,
                            _mm256_blend_epi16(own, _mm256_slli_epi32(next, 16), 0xaa));
#else
        (void)dilation_w;
        vst1q_s16(to, vmovl_s8(vld1_s8(row)));
#endif
    }
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
static inline void dot_four(const fw8_walk *v, const int16_t *x, const int16_t *weight,
                            fw8_eight sum[4])
{
    const ptrdiff_t step = v->step;
    fw8_eight a = fw8_all(0), b = a, c = a, d = a;
    int i, j;

    for (i = 0; i < v->rows; i++) {
        const int16_t *p = x + i * v->row;
        for (j = 0; j < v->taps; j++, p += v->tap, weight += UNIT) {
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

static inline fw8_eight dot_one(const fw8_walk *v, const int16_t *x,
                                const int16_t *weight)
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

static void run_row(const fw8_shape *s, const fw8_walk *v, const fw8_ending *e,
                    const int16_t *weight, const int16_t *x, const int8_t *z, int8_t *y)
{
    const ptrdiff_t stride = s->out_c;
    fw8_eight sum[4];
    int p, q;

    for (p = 0; p + 4 <= s->out_w; p += 4) {
        dot_four(v, x + p * v->step, weight, sum);
        fw8_end_four(e, sum, 0, 4, stride, z ? z + p * stride : NULL, y + p * stride);
    }
    if (p == s->out_w)
        return;
    for (q = 0; q < 4; q++)
        sum[q] =
            p + q < s->out_w ? dot_one(v, x + (p + q) * v->step, weight) : fw8_all(0);
    fw8_end_four(e, sum, 0, s->out_w - p, stride, z ? z + p * stride : NULL,
                 y + p * stride);
}

void fw8_depthwise(const fw8_shape *s, const fw8_layer *l, const int8_t *x,
                   const int8_t *z, void *scratch, int8_t *y)
{
    const int height =
        (s->out_h - 1) * s->stride_h + (s->kernel_h - 1) * s->dilation_h + 1;
    const int width =
        (s->out_w - 1) * s->stride_w + (s->kernel_w - 1) * s->dilation_w + 1;
    const int units = (s->kernel_w + TAPS - 1) / TAPS;
    const ptrdiff_t row = UNIT * (ptrdiff_t)width;
    const fw8_walk v = {s->kernel_h,
                        units,
                        1,
                        s->dilation_h * row,
                        s->dilation_w * (ptrdiff_t)(TAPS * UNIT),
                        s->stride_w * (ptrdiff_t)UNIT};
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
        for (h = 0; h < s->out_h; h++) {
            const ptrdiff_t at = h * (ptrdiff_t)s->out_w * s->out_c + m;
            run_row(s, &v, &e, weight, map + h * (ptrdiff_t)s->stride_h * row,
                    z ? z + at : NULL, y + at);
        }
    }
}

#endif
