/* low_run.c: runs the lowered form: the definition that the firmware follows.
 *
 * Every sum starts with the bias (pools: with 0) and adds one product after the other,
 * by kernel row, kernel column and input channel; taps in the padding are left out. The
 * residual is added to the finished sum, then comes the clamp. Plain loops, so that they
 * can be read; the kernels in emit/kernels/ are faster but add in this order, which
 * tests/emit holds them to, bit for bit. */
#include "lower/low_walk.h"

#include <assert.h>
#include <float.h>
#include <math.h>

typedef struct job {
    const lb_low *low;
    const lb_low_step *s;
    lb_low_dims in, out;
    const float *x, *z; /* z: the residual or second operand, or NULL */
    float *y;
    char *scratch;
} job;

static float clamp(const lb_low_step *s, float v)
{
    if (v < s->low)
        return s->low;
    return v > s->high ? s->high : v;
}

/* NULL if the tap lies in the padding. */
static const float *tap(const job *j, int oh, int ow, int kh, int kw)
{
    const ptrdiff_t at = lb_low_tap(j->s, &j->in, oh, ow, kh, kw);

    return at < 0 ? NULL : j->x + at;
}

static float conv_sum(const job *j, int oh, int ow, int m)
{
    const lb_low_step *const s = j->s;
    const float *weight = s->weight + (size_t)m * (size_t)s->kernel_h *
                                          (size_t)s->kernel_w * (size_t)j->in.c;
    float sum = s->bias[m];

    for (int kh = 0; kh < s->kernel_h; kh++)
        for (int kw = 0; kw < s->kernel_w; kw++, weight += j->in.c) {
            const float *const x = tap(j, oh, ow, kh, kw);
            for (int c = 0; x && c < j->in.c; c++)
                sum += x[c] * weight[c];
        }
    return sum;
}

static float depthwise_sum(const job *j, int oh, int ow, int m)
{
    const lb_low_step *const s = j->s;
    const float *weight = s->weight + m;
    float sum = s->bias[m];

    for (int kh = 0; kh < s->kernel_h; kh++)
        for (int kw = 0; kw < s->kernel_w; kw++, weight += j->in.c) {
            const float *const x = tap(j, oh, ow, kh, kw);
            if (x)
                sum += x[m] * *weight;
        }
    return sum;
}

static float max_of(const job *j, int oh, int ow, int m)
{
    float most = -FLT_MAX;

    for (int kh = 0; kh < j->s->kernel_h; kh++)
        for (int kw = 0; kw < j->s->kernel_w; kw++) {
            const float *const x = tap(j, oh, ow, kh, kw);
            if (x && x[m] > most)
                most = x[m];
        }
    return most;
}

/* Taps up to the end of the padding: a window of a ceiled pool may pass it. */
static int padded_taps(int at, int n, int dilation, int end)
{
    int taps = 0;

    for (int k = 0; k < n; k++)
        taps += at + k * dilation < end;
    return taps;
}

static float mean_of(const job *j, int oh, int ow, int m)
{
    const lb_low_step *const s = j->s;
    float sum = 0;
    int count = 0;

    for (int kh = 0; kh < s->kernel_h; kh++)
        for (int kw = 0; kw < s->kernel_w; kw++) {
            const float *const x = tap(j, oh, ow, kh, kw);
            if (x) {
                sum += x[m];
                count++;
            }
        }
    if (s->count_include_pad)
        count = padded_taps(oh * s->stride_h - s->pad_top, s->kernel_h, s->dilation_h,
                            j->in.h + s->pad_bottom) *
                padded_taps(ow * s->stride_w - s->pad_left, s->kernel_w, s->dilation_w,
                            j->in.w + s->pad_right);
    return sum / (float)(count > 0 ? count : 1);
}

/* Every element of the output is a function of a window of the input. */
static void run_windows(const job *j, float (*of)(const job *j, int oh, int ow, int m))
{
    float *y = j->y;
    const float *z = j->z;

    for (int oh = 0; oh < j->out.h; oh++)
        for (int ow = 0; ow < j->out.w; ow++)
            for (int m = 0; m < j->out.c; m++) {
                float v = of(j, oh, ow, m);
                if (z)
                    v += *z++;
                *y++ = clamp(j->s, v);
            }
}

static void run_dense(const job *j)
{
    const int d = (int)lb_low_count(&j->in);
    const float *weight = j->s->weight;

    for (int m = 0; m < j->out.c; m++, weight += d) {
        float sum = j->s->bias[m];
        for (int i = 0; i < d; i++)
            sum += j->x[i] * weight[i];
        j->y[m] = clamp(j->s, sum);
    }
}

static void run_add(const job *j)
{
    const size_t n = lb_low_count(&j->out);

    assert(j->z); /* a sum has two inputs */
    for (size_t i = 0; i < n; i++)
        j->y[i] = clamp(j->s, j->x[i] + j->z[i]);
}

static void run_activation(const job *j)
{
    const size_t n = lb_low_count(&j->out);

    for (size_t i = 0; i < n; i++)
        j->y[i] = clamp(j->s, j->x[i]);
}

static void run_affine(const job *j)
{
    const size_t n = lb_low_count(&j->out), c = (size_t)j->out.c;

    for (size_t i = 0; i < n; i++)
        j->y[i] = clamp(j->s, j->x[i] * j->s->weight[i % c] + j->s->bias[i % c]);
}

static void run_softmax(const job *j)
{
    const size_t n = lb_low_count(&j->out);
    float most = j->x[0], sum = 0;

    for (size_t i = 1; i < n; i++)
        if (j->x[i] > most)
            most = j->x[i];
    for (size_t i = 0; i < n; i++) {
        j->y[i] = expf(j->x[i] - most);
        sum += j->y[i];
    }
    for (size_t i = 0; i < n; i++)
        j->y[i] /= sum;
}

static void run_pad(const job *j)
{
    const lb_low_step *const s = j->s;
    float *y = j->y;

    for (int h = 0; h < j->out.h; h++)
        for (int w = 0; w < j->out.w; w++) {
            const int from_h = h - s->pad_top, from_w = w - s->pad_left;
            const bool inside =
                from_h >= 0 && from_h < j->in.h && from_w >= 0 && from_w < j->in.w;
            const float *const x =
                inside ? j->x + (size_t)(from_h * j->in.w + from_w) * (size_t)j->in.c
                       : NULL;
            for (int c = 0; c < j->out.c; c++)
                *y++ = x ? x[c] : s->value;
        }
}

static void run_concat(const job *j)
{
    const size_t positions = (size_t)j->out.h * (size_t)j->out.w;
    size_t first = 0;

    for (int i = 0; i < j->s->n_in_all; i++) {
        const lb_low_buffer *const b = &j->low->buffer[j->s->in_all[i]];
        const float *const x = (const float *)(const void *)(j->scratch + b->offset);
        const size_t n = (size_t)b->dims.c;
        for (size_t p = 0; p < positions; p++)
            for (size_t c = 0; c < n; c++)
                j->y[p * (size_t)j->out.c + first + c] = x[p * n + c];
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
        run_windows(j, conv_sum);
        break;
    case LB_LOW_DEPTHWISE:
        run_windows(j, depthwise_sum);
        break;
    case LB_LOW_DENSE:
        run_dense(j);
        break;
    case LB_LOW_MAX_POOL:
        run_windows(j, max_of);
        break;
    case LB_LOW_AVERAGE_POOL:
        run_windows(j, mean_of);
        break;
    case LB_LOW_ADD:
        run_add(j);
        break;
    case LB_LOW_SOFTMAX:
        run_softmax(j);
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
    case LB_LOW_AFFINE:
        run_affine(j);
        break;
    }
}

/* From [C,H,W]; what follows it. */
static const float *take_input(const lb_low *low, int k, const float *in, char *base)
{
    const lb_low_input *const input = &low->input[k];
    float *const x = (float *)(void *)(base + low->buffer[input->buffer].offset);
    const size_t n = lb_low_count(&input->dims);

    for (size_t i = 0; i < n; i++)
        x[lb_low_place_of(&input->dims, i)] = in[i];
    return in + n;
}

void lb_low_run(const lb_low *low, const float *in, float *out, void *scratch)
{
    char *const base = scratch;
    const float *const y =
        (const float *)(void *)(base + low->buffer[low->output_buffer].offset);

    for (int k = 0; k < low->n_inputs; k++)
        in = take_input(low, k, in, base);
    for (int i = 0; i < low->n_steps; i++) {
        const lb_low_step *const s = &low->step[i];
        const lb_low_buffer *const from = &low->buffer[s->in[0]];
        const lb_low_buffer *const to = &low->buffer[s->out];
        const job j = {
            .low = low,
            .s = s,
            .in = from->dims,
            .out = to->dims,
            .x = (const float *)(void *)(base + from->offset),
            .z = s->in[1] >= 0
                     ? (const float *)(void *)(base + low->buffer[s->in[1]].offset)
                     : NULL,
            .y = (float *)(void *)(base + to->offset),
            .scratch = base,
        };
        run_step(&j);
    }
    for (size_t i = 0; i < lb_low_count(&low->output); i++)
        out[i] = y[lb_low_place_of(&low->output, i)];
}
