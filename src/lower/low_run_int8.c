/* low_run_int8.c: runs int8 steps: the definition of limbeck's integer arithmetic. Plain
 * loops, so that they can be read; the kernels in emit/kernels/ are faster and equal,
 * byte for byte. */
#include "lower/low_walk.h"

#include "base/clones.h"

#include <assert.h>
#include <math.h>
#include <string.h>

typedef struct job {
    const lb_low *low;
    const lb_low_step *s;
    const lb_low_int8 *q;
    lb_low_dims in, out;
    int zx, zy;      /* zero points of input and output */
    const int8_t *x; /* input */
    const int8_t *z; /* residual or second operand, or NULL */
    int zz;          /* its zero point */
    int8_t *y;
    char *scratch;
} job;

static int32_t clamp(int32_t v, int low, int high)
{
    return v < low ? low : v > high ? high : v;
}

static int32_t requantise(const job *j, int32_t sum, int i)
{
    return lb_requantise(sum, j->q->multiplier[i], j->low->rounding);
}

/* Adds z[i] to the step's own result, which lies on the middle grid. */
static int32_t add_residual(const job *j, int32_t v, size_t i)
{
    const lb_low_int8 *const q = j->q;
    const int32_t own = clamp(v + q->middle.zero, q->middle_low, q->middle_high);

    return lb_sum(&q->sum, own - q->middle.zero, j->z[i] - j->zz, j->low->rounding);
}

/* Element i of the output, from its sum in channel m. */
static void finish(const job *j, int32_t sum, int m, size_t i)
{
    int32_t v = requantise(j, sum, m);

    if (j->z)
        v = add_residual(j, v, i);
    j->y[i] = (int8_t)clamp(v + j->zy, j->q->low, j->q->high);
}

/* The sum of (x - zx) w. */
LB_CLONES static int32_t products(const int8_t *x, int zx, const int8_t *w, int n)
{
    int32_t sum = 0;

    for (int i = 0; i < n; i++)
        sum += (x[i] - zx) * w[i];
    return sum;
}

/* Each element's (x - zx) w is added to its sum. */
LB_CLONES static void add_products(const int8_t *x, int zx, const int8_t *w, int n,
                                   int32_t *sum)
{
    for (int i = 0; i < n; i++)
        sum[i] += (x[i] - zx) * w[i];
}

static int32_t conv_sum(const job *j, int oh, int ow, int m)
{
    const lb_low_step *const s = j->s;
    const int8_t *weight = j->q->weight + (size_t)m * (size_t)s->kernel_h *
                                              (size_t)s->kernel_w * (size_t)j->in.c;
    int32_t sum = j->q->bias[m];

    for (int kh = 0; kh < s->kernel_h; kh++)
        for (int kw = 0; kw < s->kernel_w; kw++, weight += j->in.c) {
            const ptrdiff_t at = lb_low_tap(s, &j->in, oh, ow, kh, kw);
            if (at >= 0)
                sum += products(j->x + at, j->zx, weight, j->in.c);
        }
    return sum;
}

static void run_conv(const job *j)
{
    size_t i = 0;

    for (int oh = 0; oh < j->out.h; oh++)
        for (int ow = 0; ow < j->out.w; ow++)
            for (int m = 0; m < j->out.c; m++)
                finish(j, conv_sum(j, oh, ow, m), m, i++);
}

/* Channels first..first+n-1 of one position. */
static void depthwise_at(const job *j, int oh, int ow, int first, int n, int32_t *sum)
{
    const lb_low_step *const s = j->s;
    const int8_t *weight = j->q->weight + first;

    memcpy(sum, j->q->bias + first, (size_t)n * sizeof *sum);
    for (int kh = 0; kh < s->kernel_h; kh++)
        for (int kw = 0; kw < s->kernel_w; kw++, weight += j->in.c) {
            const ptrdiff_t at = lb_low_tap(s, &j->in, oh, ow, kh, kw);
            if (at >= 0)
                add_products(j->x + at + first, j->zx, weight, n, sum);
        }
}

static void run_depthwise(const job *j)
{
    enum { AT_ONCE = 64 };
    int32_t sum[AT_ONCE];
    size_t i = 0;

    for (int oh = 0; oh < j->out.h; oh++)
        for (int ow = 0; ow < j->out.w; ow++)
            for (int first = 0; first < j->out.c; first += AT_ONCE) {
                const int left = j->out.c - first, n = left < AT_ONCE ? left : AT_ONCE;
                depthwise_at(j, oh, ow, first, n, sum);
                for (int m = 0; m < n; m++)
                    finish(j, sum[m], first + m, i++);
            }
}

static void run_dense(const job *j)
{
    const size_t d = lb_low_count(&j->in);
    const int8_t *weight = j->q->weight;

    for (int m = 0; m < j->out.c; m++, weight += d) {
        const int32_t sum = products(j->x, j->zx, weight, (int)d);
        finish(j, j->q->bias[m] + sum, m, (size_t)m);
    }
}

/* ---------------------------------------------------------------------------- windows */

typedef struct window {
    int32_t sum; /* of x - zx */
    int count;   /* taps outside the padding */
    int most;
} window;

static window look(const job *j, int oh, int ow, int m)
{
    window w = {.most = -128};

    for (int kh = 0; kh < j->s->kernel_h; kh++)
        for (int kw = 0; kw < j->s->kernel_w; kw++) {
            const ptrdiff_t at = lb_low_tap(j->s, &j->in, oh, ow, kh, kw);
            if (at < 0)
                continue;
            w.sum += j->x[at + m] - j->zx;
            w.count++;
            w.most = j->x[at + m] > w.most ? j->x[at + m] : w.most;
        }
    return w;
}

/* TensorFlow Lite's: of the stored integers, ties away from zero. Pads that count hold
 * the zero point. */
static int32_t mean_of_stored(const job *j, const window *w)
{
    const int n = j->s->count_include_pad ? j->s->kernel_h * j->s->kernel_w : w->count;
    const int32_t sum = w->sum + n * j->zx;

    if (n == 0)
        return 0;
    return sum > 0 ? (sum + n / 2) / n : (sum - n / 2) / n;
}

static int32_t mean_of(const job *j, const window *w)
{
    if (j->low->rounding == LB_ROUND_TFLITE)
        return mean_of_stored(j, w);
    if (w->count == 0)
        return j->zy;
    return requantise(j, w->sum, j->q->n_multipliers > 1 ? w->count - 1 : 0) + j->zy;
}

static void run_pool(const job *j)
{
    size_t i = 0;

    for (int oh = 0; oh < j->out.h; oh++)
        for (int ow = 0; ow < j->out.w; ow++)
            for (int m = 0; m < j->out.c; m++) {
                const window w = look(j, oh, ow, m);
                const int32_t v = j->s->kind == LB_LOW_MAX_POOL ? w.most : mean_of(j, &w);
                j->y[i++] = (int8_t)clamp(v, j->q->low, j->q->high);
            }
}

/* ------------------------------------------------------------------- element by element
 */

static void run_add(const job *j)
{
    const size_t n = lb_low_count(&j->out);

    assert(j->z); /* a sum has two inputs */
    for (size_t i = 0; i < n; i++) {
        const int32_t v =
            lb_sum(&j->q->sum, j->x[i] - j->zx, j->z[i] - j->zz, j->low->rounding);
        j->y[i] = (int8_t)clamp(v + j->zy, j->q->low, j->q->high);
    }
}

/* On another grid, clamped. */
static int8_t rescale(const job *j, int v, int zero, int i)
{
    return (int8_t)clamp(requantise(j, v - zero, i) + j->zy, j->q->low, j->q->high);
}

static void run_activation(const job *j)
{
    const size_t n = lb_low_count(&j->out);

    for (size_t i = 0; i < n; i++)
        j->y[i] = rescale(j, j->x[i], j->zx, 0);
}

static void run_pad(const job *j)
{
    const lb_low_step *const s = j->s;
    int8_t *y = j->y;

    for (int h = 0; h < j->out.h; h++)
        for (int w = 0; w < j->out.w; w++) {
            const int from_h = h - s->pad_top, from_w = w - s->pad_left;
            const bool inside =
                from_h >= 0 && from_h < j->in.h && from_w >= 0 && from_w < j->in.w;
            const size_t at = inside ? (size_t)(from_h * j->in.w + from_w) : 0;
            for (int c = 0; c < j->out.c; c++)
                *y++ =
                    inside ? j->x[at * (size_t)j->in.c + (size_t)c] : (int8_t)j->q->value;
        }
}

static void run_concat(const job *j)
{
    const size_t positions = (size_t)j->out.h * (size_t)j->out.w;
    size_t first = 0;

    for (int i = 0; i < j->s->n_in_all; i++) {
        const lb_low_buffer *const b = &j->low->buffer[j->s->in_all[i]];
        const int8_t *const x = (const int8_t *)(j->scratch + b->offset);
        const size_t n = (size_t)b->dims.c;
        for (size_t p = 0; p < positions; p++)
            for (size_t c = 0; c < n; c++)
                j->y[p * (size_t)j->out.c + first + c] =
                    rescale(j, x[p * n + c], b->q.zero, i);
        first += n;
    }
}

static void run_copy(const job *j)
{
    const size_t n = lb_low_count(&j->out);

    for (size_t i = 0; i < n; i++)
        j->y[lb_low_place_of(&j->out, i)] = j->x[lb_low_place_of(&j->in, i)];
}

static void run_step(const job *j)
{
    switch (j->s->kind) {
    case LB_LOW_CONV:
    case LB_LOW_POINTWISE:
        run_conv(j);
        break;
    case LB_LOW_DEPTHWISE:
        run_depthwise(j);
        break;
    case LB_LOW_DENSE:
        run_dense(j);
        break;
    case LB_LOW_MAX_POOL:
    case LB_LOW_AVERAGE_POOL:
        run_pool(j);
        break;
    case LB_LOW_ADD:
        run_add(j);
        break;
    case LB_LOW_SOFTMAX:
        lb_softmax_int8(&j->q->softmax, j->x, j->out.c, j->y);
        break;
    case LB_LOW_ACTIVATION:
        run_activation(j);
        break;
    case LB_LOW_PAD:
        run_pad(j);
        break;
    case LB_LOW_CONCAT:
        run_concat(j);
        break;
    case LB_LOW_COPY:
        run_copy(j);
        break;
    case LB_LOW_AFFINE: /* refused when it was lowered */
        break;
    }
}

/* From [C,H,W]; what follows it. */
static const int8_t *take_input(const lb_low *low, int k, const int8_t *in, char *base)
{
    const lb_low_input *const input = &low->input[k];
    int8_t *const x = (int8_t *)(base + low->buffer[input->buffer].offset);
    const size_t n = lb_low_count(&input->dims);

    for (size_t i = 0; i < n; i++)
        x[lb_low_place_of(&input->dims, i)] = in[i];
    return in + n;
}

void lb_low_run_int8_watched(const lb_low *low, const int8_t *in, int8_t *out,
                             void *scratch, lb_low_watch watch, void *user)
{
    char *const base = scratch;
    const int8_t *const y =
        (const int8_t *)(base + low->buffer[low->output_buffer].offset);

    for (int k = 0; k < low->n_inputs; k++)
        in = take_input(low, k, in, base);
    for (int i = 0; i < low->n_steps; i++) {
        const lb_low_step *const s = &low->step[i];
        const lb_low_buffer *const from = &low->buffer[s->in[0]];
        const lb_low_buffer *const to = &low->buffer[s->out];
        const lb_low_buffer *const other = s->in[1] >= 0 ? &low->buffer[s->in[1]] : NULL;
        const job j = {
            .low = low,
            .s = s,
            .q = s->q,
            .in = from->dims,
            .out = to->dims,
            .zx = from->q.zero,
            .zy = to->q.zero,
            .x = (const int8_t *)(base + from->offset),
            .z = other ? (const int8_t *)(base + other->offset) : NULL,
            .zz = other ? other->q.zero : 0,
            .y = (int8_t *)(base + low->arena_bytes),
            .scratch = base,
        };
        run_step(&j);
        /* the output may share memory with the input in ways that suit the firmware only
         */
        memcpy(base + to->offset, j.y, lb_low_count(&to->dims));
        if (watch)
            watch(user, i, j.y);
    }
    for (size_t i = 0; i < lb_low_count(&low->output); i++)
        out[i] = y[lb_low_place_of(&low->output, i)];
}

void lb_low_run_int8(const lb_low *low, const int8_t *in, int8_t *out, void *scratch)
{
    lb_low_run_int8_watched(low, in, out, scratch, NULL, NULL);
}

void lb_quantise(lb_qparams q, const float *in, size_t n, int8_t *out)
{
    for (size_t i = 0; i < n; i++) {
        const float v = nearbyintf(in[i] / q.scale) + (float)q.zero;
        out[i] = (int8_t)(v > -128 ? v < 127 ? v : 127 : -128); /* NaN: -128 */
    }
}

void lb_low_quantise_inputs(const lb_low *low, const float *in, int8_t *out)
{
    for (int k = 0; k < low->n_inputs; k++) {
        const size_t n = lb_low_count(&low->input[k].dims);
        lb_quantise(low->buffer[low->input[k].buffer].q, in, n, out);
        in += n;
        out += n;
    }
}

void lb_dequantise(lb_qparams q, const int8_t *in, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = q.scale * (float)(in[i] - q.zero);
}
