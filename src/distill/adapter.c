/* adapter.c: adapters between a student's layer and a teacher's. */
#include "distill/adapter.h"

#include "distill/helper.h"

#include <stdio.h>

static lb_code refuse(const char *what, const lb_shape *student, const lb_shape *teacher,
                      lb_error *err)
{
    char s[LB_SHAPE_TEXT], t[LB_SHAPE_TEXT];

    return lb_raise(err, LB_ERR_INPUT, "%s: the student's is %s, the teacher's %s", what,
                    lb_shape_text(student, s), lb_shape_text(teacher, t));
}

static bool same_plane(const lb_shape *a, const lb_shape *b)
{
    bool same = a->rank == b->rank;

    for (int i = 2; same && i < a->rank; i++)
        same = a->dim[i] == b->dim[i];
    return same;
}

/* Without an adapter. */
static lb_code check_as_they_are(lb_match match, const lb_shape *s, const lb_shape *t,
                                 lb_error *err)
{
    if (match == LB_MATCH_SHAPE && !lb_shape_equal(s, t))
        return refuse("without an adapter the shapes must be equal", s, t, err);
    if (match == LB_MATCH_PLANE && !same_plane(s, t))
        return refuse("without an adapter the planes must be equal", s, t, err);
    return LB_OK;
}

/* [N,D,1,1] beside [N,D] becomes [N,D]. */
static bool flatten(lb_shape *shape, const lb_shape *other)
{
    if (other->rank != 2 || shape->rank == 2)
        return false;
    for (int i = 2; i < shape->rank; i++)
        if (shape->dim[i] != 1)
            return false;
    shape->rank = 2;
    return true;
}

/* No dimension of a is smaller than b's. */
static bool covers(const lb_shape *a, const lb_shape *b)
{
    for (int i = 2; i < a->rank; i++)
        if (a->dim[i] < b->dim[i])
            return false;
    return true;
}

/* What a 3x3 convolution of stride 2 with a rim of 1 makes of every dimension. */
static bool is_halved(const lb_shape *a, const lb_shape *b)
{
    for (int i = 2; i < a->rank; i++)
        if ((a->dim[i] + 1) / 2 != b->dim[i])
            return false;
    return true;
}

static void pool_to(int size[2], const lb_shape *shape)
{
    for (int i = 2; i < shape->rank; i++)
        size[i - 2] = shape->dim[i];
}

/* A transposed convolution makes f places of each, with a window of 4 for two of them; or
 * 2 n - 1 places of n, what a 3x3 convolution of stride 2 makes n of. */
static lb_code plan_transposed(const lb_shape *s, const lb_shape *t, lb_adapter *a,
                               lb_error *err)
{
    const int n = s->dim[2], to = t->dim[2];
    const bool odd = n > 1 && to == 2 * n - 1;
    bool fits = odd || (n > 0 && to % n == 0 && to > n);

    a->stride = odd ? 2 : fits ? to / n : 1;
    for (int i = 3; i < s->rank; i++)
        fits = fits && t->dim[i] == a->stride * s->dim[i] - (odd ? 1 : 0);
    if (!fits)
        return refuse("'transposed' makes a plane 2, 3 or more times as large, the same "
                      "along both axes, or 2 n - 1 of n",
                      s, t, err);
    a->transposed = true;
    a->pad = odd ? 1 : a->stride / 2;
    a->kernel = odd ? 3 : a->stride + 2 * a->pad;
    return LB_OK;
}

static lb_code plan_plane(bool trained, int kind, const lb_shape *s, const lb_shape *t,
                          lb_adapter *a, lb_error *err)
{
    const bool may_halve =
        trained && (kind == LB_ADAPTER_AUTO || kind == LB_ADAPTER_CONV3X3);

    if (kind == LB_ADAPTER_TRANSPOSED)
        return plan_transposed(s, t, a, err);
    if (same_plane(s, t))
        return LB_OK;
    if (covers(s, t) && may_halve && is_halved(s, t)) {
        a->kernel = 3;
        a->stride = 2;
    } else if (covers(s, t)) {
        pool_to(a->pool_student, t);
    } else if (covers(t, s)) {
        pool_to(a->pool_teacher, s);
    } else {
        return refuse("neither plane holds the other", s, t, err);
    }
    return LB_OK;
}

static void plan_channels(bool trained, int kind, const lb_shape *s, const lb_shape *t,
                          lb_adapter *a)
{
    a->from = s->dim[1];
    a->to = t->dim[1];
    if (a->kernel == 0 && kind == LB_ADAPTER_CONV3X3)
        a->kernel = 3;
    if (a->kernel == 0 && (kind == LB_ADAPTER_CONV1X1 || (trained && a->from != a->to)))
        a->kernel = 1;
    if (a->stride == 0)
        a->stride = 1;
    if (!a->transposed)
        a->pad = a->kernel / 2;
}

static lb_code plan_rows(lb_match match, int kind, const lb_shape *s, const lb_shape *t,
                         lb_adapter *a, lb_error *err)
{
    if (match == LB_MATCH_PLANE)
        return refuse("feature maps [N,C,H,W] are compared, not rows", s, t, err);
    if (kind == LB_ADAPTER_CONV1X1 || kind == LB_ADAPTER_CONV3X3 ||
        kind == LB_ADAPTER_TRANSPOSED)
        return refuse("a convolution joins feature maps [N,C,H,W], not rows", s, t, err);
    a->from = s->dim[1];
    a->to = t->dim[1];
    a->linear = kind == LB_ADAPTER_LINEAR || a->from != a->to;
    return LB_OK;
}

lb_code lb_adapter_plan(lb_match match, int kind, const lb_shape *student,
                        const lb_shape *teacher, lb_adapter *out, lb_error *err)
{
    const bool asked = kind > LB_ADAPTER_NONE, trained = asked || match == LB_MATCH_SHAPE;
    lb_shape s = *student, t = *teacher;
    lb_adapter a = {0};

    *out = a;
    if (kind == LB_ADAPTER_NONE)
        return check_as_they_are(match, student, teacher, err);
    if (match == LB_MATCH_ANY && !asked)
        return LB_OK;
    a.flatten_student = flatten(&s, teacher);
    a.flatten_teacher = flatten(&t, student);
    if (s.rank != t.rank)
        return refuse("no adapter joins these", student, teacher, err);
    a.n_spatial = s.rank - 2;
    if (s.rank == 2) {
        LB_TRY(plan_rows(match, kind, &s, &t, &a, err));
    } else {
        if (kind == LB_ADAPTER_LINEAR)
            return refuse("'linear' joins rows [N,D], not feature maps", student, teacher,
                          err);
        LB_TRY(plan_plane(trained, kind, &s, &t, &a, err));
        plan_channels(trained, kind, &s, &t, &a);
    }
    *out = a;
    return LB_OK;
}

static size_t weights(const lb_adapter *a)
{
    size_t n = (size_t)a->from * (size_t)a->to;

    for (int i = 0; a->kernel > 0 && i < a->n_spatial; i++)
        n *= (size_t)a->kernel;
    return n;
}

size_t lb_adapter_parameters(const lb_adapter *a)
{
    return a->kernel > 0 || a->linear ? weights(a) + (size_t)a->to : 0;
}

static size_t add_convolution(const lb_adapter *a, char *out, size_t room)
{
    char stride[24] = "";

    if (a->stride > 1)
        snprintf(stride, sizeof stride, " of stride %d", a->stride);
    return (size_t)snprintf(out, room, "%s%dx%d convolution%s to %d channels",
                            a->transposed ? "transposed " : "", a->kernel, a->kernel,
                            stride, a->to);
}

const char *lb_adapter_text(const lb_adapter *a, char out[LB_ADAPTER_TEXT])
{
    const int *const size = a->pool_student[0] ? a->pool_student : a->pool_teacher;
    size_t n = 0;

    out[0] = '\0';
    if (size[0] > 0)
        n = (size_t)snprintf(out, LB_ADAPTER_TEXT, "the %s averaged to %d",
                             a->pool_student[0] ? "student" : "teacher", size[0]);
    if (size[1] > 0)
        n += (size_t)snprintf(out + n, LB_ADAPTER_TEXT - n, "x%d", size[1]);
    if (n > 0 && (a->kernel > 0 || a->linear))
        n += (size_t)snprintf(out + n, LB_ADAPTER_TEXT - n, ", ");
    if (a->kernel > 0)
        n += add_convolution(a, out + n, LB_ADAPTER_TEXT - n);
    else if (a->linear)
        n += (size_t)snprintf(out + n, LB_ADAPTER_TEXT - n, "dense layer to %d", a->to);
    if (a->kernel > 0 || a->linear)
        snprintf(out + n, LB_ADAPTER_TEXT - n, ", %zu parameters",
                 lb_adapter_parameters(a));
    else if (n == 0)
        snprintf(out, LB_ADAPTER_TEXT, "as they are");
    return out;
}

/* Means over equal windows that lie evenly and cover everything: stride S/s, side
 * S - (s-1) stride. Where s divides S they do not overlap. */
static lb_value pool(lb_builder *b, lb_value x, const int size[2])
{
    lb_window window = {.n = lb_rank(b, x) - 2, .group = 1};

    if (size[0] == 0)
        return x;
    for (int i = 0; i < window.n && i < 2; i++) {
        const int from = lb_dim(b, x, i + 2);
        window.stride[i] = from / size[i];
        window.kernel[i] = from - (size[i] - 1) * window.stride[i];
        window.dilation[i] = 1;
    }
    return lb_average_pool(b, x, &window, false, NULL);
}

static lb_value add_layer(lb_builder *b, const lb_loss_in *in, int number,
                          const lb_adapter *a, lb_value x)
{
    char name[32];
    const lb_helper layer = {.name = name,
                             .channels = a->to,
                             .kernel = a->kernel,
                             .stride = a->stride,
                             .pad = a->pad,
                             .init = LB_INIT_GLOROT};

    snprintf(name, sizeof name, "adapter%d", number);
    if (a->linear)
        return lb_helper_dense(b, in, x, &layer);
    if (a->transposed)
        return lb_helper_deconv(b, in, x, &layer);
    return a->kernel > 0 ? lb_helper_conv(b, in, x, &layer) : x;
}

lb_pair lb_adapter_build(lb_builder *b, const lb_loss_in *in, int number,
                         const lb_adapter *a, lb_pair pair)
{
    if (a->flatten_student)
        pair.student = lb_flatten(b, pair.student, NULL);
    if (a->flatten_teacher)
        pair.teacher = lb_flatten(b, pair.teacher, NULL);
    pair.student = pool(b, pair.student, a->pool_student);
    pair.teacher = pool(b, pair.teacher, a->pool_teacher);
    pair.student = add_layer(b, in, number, a, pair.student);
    return pair;
}
