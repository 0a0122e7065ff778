/* conv_loops.c: the loops of the reference convolutions.
 *
 * For each output channel, input channel and tap of the kernel, whole rows of y meet
 * whole rows of x: the innermost loop is contiguous in y, and in x if the stride is 1, so
 * that compilers vectorise it. */
#include "ops/conv_loops.h"

#include "ops/window.h"

lb_conv_dims lb_conv_dims_of(const lb_window *window, const lb_shape *x,
                             const lb_shape *y)
{
    const bool flat = window->n == 1;
    lb_conv_dims d = {.n = x->dim[0],
                      .c = x->dim[1],
                      .h = flat ? 1 : x->dim[2],
                      .w = flat ? x->dim[2] : x->dim[3],
                      .m = y->dim[1],
                      .oh = flat ? 1 : y->dim[2],
                      .ow = flat ? y->dim[2] : y->dim[3],
                      .win = lb_window_2d(window)};
    bool pixels = true;

    d.group = d.win.group;
    d.cg = d.c / d.group;
    d.mg = d.m / d.group;
    for (int i = 0; i < 2; i++)
        pixels = pixels && d.win.kernel[i] == 1 && d.win.stride[i] == 1 &&
                 d.win.pad_begin[i] == 0 && d.win.pad_end[i] == 0;
    if (pixels) {
        d.w *= d.h;
        d.ow *= d.oh;
        d.h = d.oh = 1;
    }
    return d;
}

/* Where the rows of one tap meet: outputs lo..hi-1 see inputs inside x; output o sees
 * input o * stride + shift. */
typedef struct span {
    int lo, hi, shift;
} span;

static span span_of(const lb_window *w, int axis, int tap, int in, int out)
{
    const int64_t shift = (int64_t)tap * w->dilation[axis] - w->pad_begin[axis];
    const int64_t stride = w->stride[axis];
    int64_t lo = shift < 0 ? (-shift + stride - 1) / stride : 0;
    int64_t hi = in > shift ? (in - shift + stride - 1) / stride : 0;

    lo = lo < out ? lo : out;
    hi = hi < out ? hi : out;
    return (span){(int)lo, (int)hi, (int)shift};
}

static void forward_row(const double *x, double k, double *y, int n, int stride)
{
    if (stride == 1)
        for (int i = 0; i < n; i++)
            y[i] += k * x[i];
    else
        for (int i = 0; i < n; i++)
            y[i] += k * x[(int64_t)i * stride];
}

static void input_row(const double *dy, double k, double *dx, int n, int stride)
{
    if (stride == 1)
        for (int i = 0; i < n; i++)
            dx[i] += k * dy[i];
    else
        for (int i = 0; i < n; i++)
            dx[(int64_t)i * stride] += k * dy[i];
}

/* Four sums side by side, so that one addition need not wait for the last. */
static double weight_row(const double *x, const double *dy, int n, int stride)
{
    double sum[4] = {0};
    int i = 0;

    for (; i + 4 <= n; i += 4)
        for (int j = 0; j < 4; j++)
            sum[j] += dy[i + j] * x[(int64_t)(i + j) * stride];
    for (; i < n; i++)
        sum[0] += dy[i] * x[(int64_t)i * stride];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* One channel of x, one of y, one kernel [kH,kW]. */
static void forward_plane(const lb_conv_dims *d, const double *x, const double *k,
                          double *y)
{
    for (int kh = 0; kh < d->win.kernel[0]; kh++) {
        const span v = span_of(&d->win, 0, kh, d->h, d->oh);
        for (int kw = 0; kw < d->win.kernel[1]; kw++) {
            const span u = span_of(&d->win, 1, kw, d->w, d->ow);
            const int64_t first = (int64_t)u.lo * d->win.stride[1] + u.shift;
            for (int oh = v.lo; oh < v.hi && u.lo < u.hi; oh++) {
                const int64_t ih = (int64_t)oh * d->win.stride[0] + v.shift;
                forward_row(x + ih * d->w + first, k[kh * d->win.kernel[1] + kw],
                            y + (int64_t)oh * d->ow + u.lo, u.hi - u.lo,
                            d->win.stride[1]);
            }
        }
    }
}

static void input_plane(const lb_conv_dims *d, const double *dy, const double *k,
                        double *dx)
{
    for (int kh = 0; kh < d->win.kernel[0]; kh++) {
        const span v = span_of(&d->win, 0, kh, d->h, d->oh);
        for (int kw = 0; kw < d->win.kernel[1]; kw++) {
            const span u = span_of(&d->win, 1, kw, d->w, d->ow);
            const int64_t first = (int64_t)u.lo * d->win.stride[1] + u.shift;
            for (int oh = v.lo; oh < v.hi && u.lo < u.hi; oh++) {
                const int64_t ih = (int64_t)oh * d->win.stride[0] + v.shift;
                input_row(dy + (int64_t)oh * d->ow + u.lo, k[kh * d->win.kernel[1] + kw],
                          dx + ih * d->w + first, u.hi - u.lo, d->win.stride[1]);
            }
        }
    }
}

static void weight_plane(const lb_conv_dims *d, const double *x, const double *dy,
                         double *dk)
{
    for (int kh = 0; kh < d->win.kernel[0]; kh++) {
        const span v = span_of(&d->win, 0, kh, d->h, d->oh);
        for (int kw = 0; kw < d->win.kernel[1]; kw++) {
            const span u = span_of(&d->win, 1, kw, d->w, d->ow);
            const int64_t first = (int64_t)u.lo * d->win.stride[1] + u.shift;
            double sum = 0;
            for (int oh = v.lo; oh < v.hi && u.lo < u.hi; oh++) {
                const int64_t ih = (int64_t)oh * d->win.stride[0] + v.shift;
                sum += weight_row(x + ih * d->w + first, dy + (int64_t)oh * d->ow + u.lo,
                                  u.hi - u.lo, d->win.stride[1]);
            }
            dk[kh * d->win.kernel[1] + kw] += sum;
        }
    }
}

/* Calls plane for each sample, output channel and input channel of its group; what
 * selects which operand stands where. */
typedef enum target { FORWARD, INPUT, WEIGHT } target;

static void each_plane(const lb_conv_dims *d, target what, const double *a,
                       const double *b, double *out)
{
    const int64_t x_plane = (int64_t)d->h * d->w, y_plane = (int64_t)d->oh * d->ow;
    const int64_t taps = (int64_t)d->win.kernel[0] * d->win.kernel[1];

    for (int n = 0; n < d->n; n++)
        for (int m = 0; m < d->m; m++)
            for (int c = 0; c < d->cg; c++) {
                const int64_t from = m / d->mg * d->cg + c;
                const int64_t x = ((int64_t)n * d->c + from) * x_plane;
                const int64_t y = ((int64_t)n * d->m + m) * y_plane;
                const int64_t k = ((int64_t)m * d->cg + c) * taps;
                if (what == FORWARD)
                    forward_plane(d, a + x, b + k, out + y);
                else if (what == INPUT)
                    input_plane(d, a + y, b + k, out + x);
                else
                    weight_plane(d, a + x, b + y, out + k);
            }
}

void lb_conv_forward(const lb_conv_dims *d, const double *x, const double *k, double *y)
{
    each_plane(d, FORWARD, x, k, y);
}

void lb_conv_input(const lb_conv_dims *d, const double *dy, const double *k, double *dx)
{
    each_plane(d, INPUT, dy, k, dx);
}

void lb_conv_weight(const lb_conv_dims *d, const double *x, const double *dy, double *dk)
{
    each_plane(d, WEIGHT, x, dy, dk);
}
