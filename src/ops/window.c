/* window.c: the sliding windows of convolutions and pools. */
#include "ops/window.h"

#include "ops/op_util.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

enum { MOST = 1 << 20 }; /* of a kernel, stride, dilation or pad: products fit an int64 */

static bool is_pool(const lb_node *node)
{
    return strstr(node->op->name, "Pool") != NULL;
}

static bool is_grad(const lb_node *node)
{
    return strstr(node->op->name, "Grad") != NULL;
}

/* Reads one number for each spatial axis, or keeps what `to` holds. */
static lb_code read_sizes(const lb_node *node, const char *name, int n, int *to,
                          lb_error *err)
{
    int64_t value[4];
    const int given = lb_attr_ints(node, name, value, 4);

    if (given == 0)
        return LB_OK;
    if (given != n)
        return lb_raise(err, LB_ERR_INPUT, "%s must have %d numbers, not %d", name, n,
                        given);
    for (int i = 0; i < n; i++) {
        if (value[i] < 1 || value[i] > MOST)
            return lb_raise(err, LB_ERR_INPUT, "%s must be between 1 and %d, not %lld",
                            name, MOST, (long long)value[i]);
        to[i] = (int)value[i];
    }
    return LB_OK;
}

static lb_code read_pads(const lb_node *node, lb_window *w, lb_error *err)
{
    int64_t value[4];
    const int given = lb_attr_ints(node, "pads", value, 4);

    if (given == 0)
        return LB_OK;
    if (given != 2 * w->n)
        return lb_raise(err, LB_ERR_INPUT, "pads must have %d numbers, not %d", 2 * w->n,
                        given);
    for (int i = 0; i < given; i++) {
        if (value[i] < 0 || value[i] > MOST)
            return lb_raise(err, LB_ERR_INPUT, "pads must be between 0 and %d, not %lld",
                            MOST, (long long)value[i]);
        *(i < w->n ? &w->pad_begin[i] : &w->pad_end[i - w->n]) = (int)value[i];
    }
    return LB_OK;
}

/* SAME: as many positions as the input has elements, divided by the stride. */
static void pad_to_same(lb_window *w, const lb_shape *in, bool lower)
{
    for (int i = 0; i < w->n; i++) {
        const int64_t size = in->dim[i + 2];
        const int64_t count = (size + w->stride[i] - 1) / w->stride[i];
        const int64_t span = (int64_t)w->dilation[i] * (w->kernel[i] - 1) + 1;
        const int64_t wanted = (count - 1) * w->stride[i] + span - size;
        const int pad = wanted < 0 ? 0 : wanted > MOST ? MOST : (int)wanted;
        w->pad_begin[i] = lower ? pad - pad / 2 : pad / 2;
        w->pad_end[i] = pad - w->pad_begin[i];
    }
}

static lb_code resolve_pads(const lb_node *node, lb_window *w, const lb_shape *in,
                            lb_error *err)
{
    const char *const how = lb_attr_text(node, "auto_pad", "NOTSET");

    if (strcmp(how, "NOTSET") == 0 || how[0] == '\0')
        return read_pads(node, w, err);
    if (strcmp(how, "SAME_UPPER") == 0 || strcmp(how, "SAME_LOWER") == 0)
        pad_to_same(w, in, strcmp(how, "SAME_LOWER") == 0);
    else if (strcmp(how, "VALID") != 0)
        return lb_raise(err, LB_ERR_INPUT,
                        "auto_pad must be NOTSET, SAME_UPPER, SAME_LOWER or VALID, not "
                        "'%s'",
                        how);
    return LB_OK;
}

lb_code lb_window_of(const lb_view *view, lb_window *out, lb_error *err)
{
    const lb_node *const node = view->node;
    assert(view->in[0]); /* arity was checked */
    const lb_shape *const in = &view->in[0]->shape;
    const bool from_weights = !is_pool(node) && !is_grad(node);
    const int64_t group = lb_attr_int(node, "group", 1);
    lb_window w = {.n = in->rank - 2,
                   .stride = {1, 1},
                   .dilation = {1, 1},
                   .kernel = {0, 0},
                   .group = 1};

    assert(!from_weights || view->in[1]);
    if (w.n < 1 || w.n > 2)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "inputs of rank 3 or 4 are supported, not %d", in->rank);
    if (group < 1 || group > MOST)
        return lb_raise(err, LB_ERR_INPUT, "group must be between 1 and %d, not %lld",
                        MOST, (long long)group);
    w.group = (int)group;
    if (from_weights && view->in[1]->shape.rank == in->rank)
        for (int i = 0; i < w.n; i++)
            w.kernel[i] = view->in[1]->shape.dim[i + 2];
    LB_TRY(read_sizes(node, "kernel_shape", w.n, w.kernel, err));
    LB_TRY(read_sizes(node, "strides", w.n, w.stride, err));
    LB_TRY(read_sizes(node, "dilations", w.n, w.dilation, err));
    for (int i = 0; i < w.n; i++)
        if (w.kernel[i] < 1 || w.kernel[i] > MOST)
            return lb_raise(err, LB_ERR_INPUT, "kernel_shape is missing or out of range");
    LB_TRY(resolve_pads(node, &w, in, err));
    *out = w;
    return LB_OK;
}

lb_window lb_window_of_call(const lb_ref_call *call)
{
    lb_view view = {.node = call->node, .n_in = call->n_in, .n_out = call->n_out};
    lb_window window = {.n = 1};
    lb_error err;

    for (int i = 0; i < call->n_in; i++)
        view.in[i] = call->in[i] ? &call->in_type[i] : NULL;
    (void)!lb_window_of(&view, &window, &err);
    return window;
}

int lb_window_count(const lb_window *w, int axis, int in, bool ceil)
{
    const int64_t span = (int64_t)w->dilation[axis] * (w->kernel[axis] - 1) + 1;
    const int64_t padded = (int64_t)in + w->pad_begin[axis] + w->pad_end[axis];
    const int64_t stride = w->stride[axis];
    int64_t count;

    if (padded < span)
        return 0;
    count = (padded - span + (ceil ? stride - 1 : 0)) / stride + 1;
    if (ceil && (count - 1) * stride >= (int64_t)in + w->pad_begin[axis])
        count--;
    return count > INT_MAX ? 0 : (int)count;
}

lb_window lb_window_2d(const lb_window *w)
{
    if (w->n == 2)
        return *w;
    return (lb_window){.n = 2,
                       .kernel = {1, w->kernel[0]},
                       .stride = {1, w->stride[0]},
                       .dilation = {1, w->dilation[0]},
                       .pad_begin = {0, w->pad_begin[0]},
                       .pad_end = {0, w->pad_end[0]},
                       .group = w->group};
}

int lb_window_attrs(const lb_window *w, bool with_group, lb_window_store *s,
                    lb_attr out[LB_WINDOW_ATTRS])
{
    bool dilated = false;
    int n = 0;

    for (int i = 0; i < w->n; i++) {
        s->kernel[i] = w->kernel[i];
        s->stride[i] = w->stride[i] ? w->stride[i] : 1;
        s->dilation[i] = w->dilation[i] ? w->dilation[i] : 1;
        s->pads[i] = w->pad_begin[i];
        s->pads[i + w->n] = w->pad_end[i];
        dilated = dilated || s->dilation[i] != 1;
    }
    out[n++] = lb_ais("kernel_shape", s->kernel, w->n);
    out[n++] = lb_ais("strides", s->stride, w->n);
    out[n++] = lb_ais("pads", s->pads, 2 * w->n);
    if (dilated || with_group)
        out[n++] = lb_ais("dilations", s->dilation, w->n);
    if (with_group)
        out[n++] = lb_ai("group", w->group ? w->group : 1);
    return n;
}
