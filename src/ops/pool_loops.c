/* pool_loops.c: the loops of the reference pools. */
#include "ops/pool_loops.h"

typedef struct range {
    int first, end; /* taps inside the input: first, first + dilation, ... < end */
    int padded;     /* taps inside the padded input */
} range;

static range range_of(const lb_window *w, int axis, int position, int in)
{
    const int64_t start = (int64_t)position * w->stride[axis] - w->pad_begin[axis];
    range r = {.first = in, .end = in};
    int last = -1;

    for (int tap = 0; tap < w->kernel[axis]; tap++) {
        const int64_t at = start + (int64_t)tap * w->dilation[axis];
        r.padded += at < (int64_t)in + w->pad_end[axis];
        if (at < 0 || at >= in)
            continue;
        r.first = at < r.first ? (int)at : r.first;
        last = (int)at;
    }
    r.end = last + 1;
    return r;
}

static int taps_of(const range *r, int dilation)
{
    return r->end > r->first ? (r->end - r->first + dilation - 1) / dilation : 0;
}

typedef struct plane {
    const lb_window *window;
    int height, width, oh, ow;
    bool include_pad;
} plane;

/* The window of output (i, j) in plane p. */
static lb_pool_view view_of(const plane *l, lb_pool_arrays a, int64_t p, int i, int j)
{
    const lb_window *const w = l->window;
    const range h = range_of(w, 0, i, l->height), v = range_of(w, 1, j, l->width);
    const int inside = taps_of(&h, w->dilation[0]) * taps_of(&v, w->dilation[1]);
    const int64_t from = p * l->height * l->width, to = (p * l->oh + i) * l->ow + j;

    return (lb_pool_view){.h0 = h.first,
                          .h1 = h.end,
                          .dh = w->dilation[0],
                          .w0 = v.first,
                          .w1 = v.end,
                          .dw = w->dilation[1],
                          .width = l->width,
                          .count = l->include_pad ? h.padded * v.padded
                                   : inside       ? inside
                                                  : 1,
                          .x = a.x ? a.x + from : NULL,
                          .dx = a.dx ? a.dx + from : NULL,
                          .y = a.y ? a.y + to : NULL,
                          .dy = a.dy ? a.dy + to : NULL};
}

void lb_pool_each(const lb_ref_call *call, const lb_shape *x, const lb_shape *y,
                  lb_pool_arrays a, void (*each)(const lb_pool_view *v))
{
    const lb_window given = lb_window_of_call(call), w = lb_window_2d(&given);
    const bool flat = given.n == 1;
    const plane l = {.window = &w,
                     .height = flat ? 1 : x->dim[2],
                     .width = x->dim[flat ? 2 : 3],
                     .oh = flat ? 1 : y->dim[2],
                     .ow = y->dim[flat ? 2 : 3],
                     .include_pad = lb_attr_int(call->node, "count_include_pad", 0) != 0};
    const int64_t planes = (int64_t)x->dim[0] * x->dim[1];

    for (int64_t p = 0; p < planes; p++)
        for (int i = 0; i < l.oh; i++)
            for (int j = 0; j < l.ow; j++) {
                const lb_pool_view view = view_of(&l, a, p, i, j);
                each(&view);
            }
}

int64_t lb_pool_argmax(const lb_pool_view *v)
{
    int64_t best = -1;

    for (int h = v->h0; h < v->h1; h += v->dh)
        for (int w = v->w0; w < v->w1; w += v->dw) {
            const int64_t at = (int64_t)h * v->width + w;
            const bool is_nan = v->x[at] != v->x[at];
            if (best < 0 || v->x[at] > v->x[best] || (is_nan && v->x[best] == v->x[best]))
                best = at;
        }
    return best;
}
