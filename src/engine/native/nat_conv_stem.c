/* nat_conv_stem.c: the weight gradient of a network's first convolution, whose input is a
 * plain image of one or two channels; oneDNN has little for those (three suit it, and
 * with AVX-512 one).
 *
 *   dw[m,c,kh,kw] = sum over n,oh,ow of x[n,c,oh*sh+kh*dh-ph,...] * dy[n,m,oh,ow]
 *
 * A sample's image is copied into a frame of zeros, so that every tap of the window is
 * one fixed distance away. Taps are taken TAPS at a time: their sums for one block of
 * filters stay in registers along a row of dy. Shares have the form
 * [filter block][tap][filter]. */
#include "engine/ask.h"
#include "engine/native/nat_util.h"

enum { TAPS = 9, MOST_CHANNELS = 2 };

typedef struct state {
    lb_nat_blocks y;
    int c, h, w; /* of x */
    int kernel[2], stride[2], dilation[2], begin[2];
    int frame_h, frame_w;
    int taps, groups; /* of the window over all channels; groups of TAPS */
    int *offset;      /* [groups * TAPS]: distance of each tap in the frame */
} state;

static bool describe(const lb_ask *ask, state *s)
{
    const lb_shape *const x = &ask->in[0].shape;
    lb_window w;

    if (!lb_ask_window(ask, &w) || w.group != 1)
        return false;
    *s = (state){.y = lb_nat_blocks_of(&ask->in[1].shape, ask->block),
                 .c = x->dim[1],
                 .h = x->rank == 3 ? 1 : x->dim[2],
                 .w = x->dim[x->rank - 1]};
    for (int i = 0; i < 2; i++) {
        s->kernel[i] = w.kernel[i];
        s->stride[i] = w.stride[i];
        s->dilation[i] = w.dilation[i];
        s->begin[i] = w.pad_begin[i];
    }
    if (w.kernel[0] > 64 || w.kernel[1] > 64)
        return false;
    s->frame_h = (s->y.h - 1) * w.stride[0] + (w.kernel[0] - 1) * w.dilation[0] + 1;
    s->frame_w = (s->y.w - 1) * w.stride[1] + (w.kernel[1] - 1) * w.dilation[1] + 1;
    s->taps = s->c * w.kernel[0] * w.kernel[1];
    s->groups = (s->taps + TAPS - 1) / TAPS;
    return true;
}

static size_t frame_bytes(const state *s)
{
    return (size_t)s->c * (size_t)s->frame_h * (size_t)s->frame_w * sizeof(float);
}

static bool accepts(lb_ask *ask)
{
    state s;

    if (!lb_nat_floats(ask) || !lb_nat_can_block(ask, 0) || !lb_nat_can_block(ask, 1) ||
        ask->in[0].shape.dim[1] > MOST_CHANNELS || !describe(ask, &s) ||
        (s.c == 1 && ask->block == LB_NAT_WIDE))
        return false;
    ask->want_in[0] = LB_PLAIN;
    ask->want_in[1] = LB_BLOCKED;
    ask->scratch_bytes = frame_bytes(&s);
    ask->share_bytes[0] =
        (size_t)s.y.blocks * (size_t)s.groups * TAPS * (size_t)s.y.block * sizeof(float);
    return true;
}

static lb_code create(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    state *const s = LB_TAKE(arena, state);

    if (!s)
        return lb_nat_no_memory(err);
    if (!describe(ask, s))
        return lb_bug(err, "a window that was right is not");
    s->offset = LB_TAKE_ARRAY(arena, s->groups * TAPS, int);
    if (!s->offset)
        return lb_nat_no_memory(err);
    for (int t = 0; t < s->taps; t++) {
        const int kw = t % s->kernel[1], kh = t / s->kernel[1] % s->kernel[0];
        const int c = t / (s->kernel[1] * s->kernel[0]);
        s->offset[t] =
            (c * s->frame_h + kh * s->dilation[0]) * s->frame_w + kw * s->dilation[1];
    }
    *out = s;
    return LB_OK;
}

/* Copies the part of x that windows see; the rest of the frame is zero. */
static void fill_frame(const state *s, const float *x, float *frame)
{
    memset(frame, 0, frame_bytes(s));
    const int left = s->begin[1];
    const int columns = s->frame_w - left < s->w ? s->frame_w - left : s->w;
    for (int c = 0; c < s->c && columns > 0; c++)
        for (int h = 0; h < s->h && h + s->begin[0] < s->frame_h; h++)
            memcpy(frame +
                       ((size_t)c * (size_t)s->frame_h + (size_t)(h + s->begin[0])) *
                           (size_t)s->frame_w +
                       left,
                   x + ((size_t)c * (size_t)s->h + (size_t)h) * (size_t)s->w,
                   (size_t)columns * sizeof *x);
}

/* Adds one row of dy for TAPS taps. */
LB_NAT_CLONES static void add_row_16(const float *x, const float *dy, int n, int stride,
                                     const int *offset, float *dw)
{
    lb_nat_wide sum[TAPS] = {{0}};

    for (int i = 0; i < n; i++) {
        const lb_nat_wide d = *(const lb_nat_wide *)(dy + (size_t)i * LB_NAT_WIDE);
        const float *const at = x + (ptrdiff_t)i * stride;
        for (int t = 0; t < TAPS; t++)
            sum[t] += d * at[offset[t]];
    }
    for (int t = 0; t < TAPS; t++)
        *(lb_nat_wide *)(dw + (size_t)t * LB_NAT_WIDE) += sum[t];
}

LB_NAT_CLONES static void add_row_8(const float *x, const float *dy, int n, int stride,
                                    const int *offset, float *dw)
{
    lb_nat_half sum[TAPS] = {{0}};

    for (int i = 0; i < n; i++) {
        const lb_nat_half d = *(const lb_nat_half *)(dy + (size_t)i * LB_NAT_HALF);
        const float *const at = x + (ptrdiff_t)i * stride;
        for (int t = 0; t < TAPS; t++)
            sum[t] += d * at[offset[t]];
    }
    for (int t = 0; t < TAPS; t++)
        *(lb_nat_half *)(dw + (size_t)t * LB_NAT_HALF) += sum[t];
}

static void add_sample(const state *s, const float *frame, const float *dy, float *dw)
{
    const size_t block = (size_t)s->y.block, row = (size_t)s->y.w * block;

    for (int k = 0; k < s->y.blocks; k++)
        for (int oh = 0; oh < s->y.h; oh++, dy += row) {
            const float *const x =
                frame + (size_t)oh * (size_t)s->stride[0] * (size_t)s->frame_w;
            for (int g = 0; g < s->groups; g++) {
                float *const to =
                    dw + ((size_t)k * (size_t)s->groups + (size_t)g) * TAPS * block;
                const int *const offset = s->offset + (ptrdiff_t)g * TAPS;
                if (block == LB_NAT_WIDE)
                    add_row_16(x, dy, s->y.w, s->stride[1], offset, to);
                else
                    add_row_8(x, dy, s->y.w, s->stride[1], offset, to);
            }
        }
}

static void run(const lb_call *call)
{
    const state *const s = call->state;
    const size_t x_size = (size_t)s->c * (size_t)s->h * (size_t)s->w;
    const size_t y_size = (size_t)s->y.blocks * s->y.inner * (size_t)s->y.block;
    const float *const x = call->in[0], *const dy = call->in[1];

    memset(call->out[0], 0,
           (size_t)s->y.blocks * (size_t)s->groups * TAPS * (size_t)s->y.block *
               sizeof(float));
    for (int n = 0; n < s->y.n; n++) {
        fill_frame(s, x + (size_t)n * x_size, call->scratch);
        add_sample(s, call->scratch, dy + (size_t)n * y_size, call->out[0]);
    }
}

static void unpack(void *state_, int output, const void *sum, void *plain)
{
    const state *const s = state_;
    const float *const from = sum;
    float *const to = plain;
    const size_t block = (size_t)s->y.block, taps = (size_t)s->taps;

    (void)output;
    for (size_t m = 0; m < (size_t)s->y.channels; m++)
        for (size_t t = 0; t < taps; t++)
            to[m * taps + t] =
                from[(m / block * (size_t)s->groups * TAPS + t) * block + m % block];
}

const lb_kernel lb_nat_conv_stem = {.table = "native",
                                    .op = "ConvGradWeight",
                                    .accepts = accepts,
                                    .create = create,
                                    .run = run,
                                    .unpack = unpack};
