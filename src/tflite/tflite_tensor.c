/* tflite_tensor.c: constants of the file, and the grids of its tensors.
 *
 * An int8 constant stays int8 behind a DequantizeLinear where the layer that reads it is
 * an int8 layer. Where the layer is float32, the constant is widened, as is float16. */
#include "tflite/tflite_int.h"

#include "ops/build.h"
#include "tensor/half.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

bool lb_tfl_is_int8(const lb_tfl_tensor *t)
{
    return t->type == LB_TFL_INT8 && t->scale.n == 1;
}

static int64_t zero_of(const lb_tfl_tensor *t, size_t i)
{
    return i < t->zero.n ? lb_flat_item_i64(&t->zero, i) : 0;
}

bool lb_tfl_same_grid(const lb_tfl_tensor *a, const lb_tfl_tensor *b)
{
    if (!lb_tfl_is_int8(a) || !lb_tfl_is_int8(b))
        return !lb_tfl_is_int8(a) && !lb_tfl_is_int8(b);
    return lb_flat_item_f32(&a->scale, 0) == lb_flat_item_f32(&b->scale, 0) &&
           zero_of(a, 0) == zero_of(b, 0);
}

bool lb_tfl_grid_is_sound(const lb_tfl_tensor *t)
{
    const float scale = lb_flat_item_f32(&t->scale, 0);

    return scale > 0 && !isinf(scale) && zero_of(t, 0) >= -128 && zero_of(t, 0) <= 127;
}

void lb_tfl_grid_ends(const lb_tfl_tensor *t, double *low, double *high)
{
    const double scale = (double)lb_flat_item_f32(&t->scale, 0);

    *low = scale * (double)(-128 - zero_of(t, 0));
    *high = scale * (double)(127 - zero_of(t, 0));
}

bool lb_tfl_is_shifted(const lb_tfl_tensor *a, const lb_tfl_tensor *b)
{
    const lb_tfl_tensor *const whole = a->type == LB_TFL_UINT8 ? a : b;
    const lb_tfl_tensor *const other = whole == a ? b : a;

    return whole->type == LB_TFL_UINT8 && whole->scale.n == 1 && lb_tfl_is_int8(other) &&
           lb_flat_item_f32(&whole->scale, 0) == lb_flat_item_f32(&other->scale, 0) &&
           zero_of(whole, 0) == zero_of(other, 0) + 128;
}

static size_t bytes_of_type(int type)
{
    switch (type) {
    case LB_TFL_FLOAT32:
    case LB_TFL_INT32:
        return 4;
    case LB_TFL_INT64:
        return 8;
    case LB_TFL_FLOAT16:
        return 2;
    case LB_TFL_INT8:
        return 1;
    default:
        return 0;
    }
}

/* Has the constant the bytes that its shape wants? */
static bool is_whole(lb_tfl_reader *r, lb_tfl_node *node, const lb_tfl_tensor *t)
{
    const size_t size = bytes_of_type(t->type);
    size_t n = 0;

    if (t->strange)
        lb_tfl_refuse(r, node, "'%.100s' cannot be taken: %s", t->name, t->strange);
    else if (size == 0)
        lb_tfl_refuse(r, node, "the constant '%.100s' is %s, which is not supported",
                      t->name, lb_tfl_type_name(t->type));
    else if (!lb_shape_count(&t->shape, &n) || t->data.n != n * size)
        lb_tfl_blame(r, node,
                     "the constant '%.100s' should hold %zu bytes, but holds %zu",
                     t->name, n * size, t->data.n);
    return !node->refused;
}

bool lb_tfl_ints(lb_tfl_reader *r, lb_tfl_node *node, int k, int most, int64_t *out,
                 int *n)
{
    const lb_tfl_tensor *const t = lb_tfl_in(r, node, k);

    if (!t || !lb_tfl_is_constant(t)) {
        lb_tfl_refuse(r, node, "its input %d must be a constant", k);
        return false;
    }
    if (!is_whole(r, node, t))
        return false;
    const size_t size = bytes_of_type(t->type);
    if ((t->type != LB_TFL_INT32 && t->type != LB_TFL_INT64) ||
        t->data.n / size > (size_t)most) {
        lb_tfl_blame(r, node, "'%.100s' must be at most %d whole numbers", t->name, most);
        return false;
    }
    *n = (int)(t->data.n / size);
    for (int i = 0; i < *n; i++)
        out[i] = t->type == LB_TFL_INT64 ? lb_flat_item_i64(&t->data, (size_t)i)
                                         : lb_flat_item_i32(&t->data, (size_t)i);
    return true;
}

/* A new tensor in the graph's arena; NULL with the builder's error, if the graph grows
 * beyond what a file of this size may ask for. */
static lb_tensor *take(lb_tfl_reader *r, lb_dtype dtype, const lb_shape *shape)
{
    lb_arena *const arena = r->b.graph->arena;
    lb_tensor *t = NULL;
    lb_error why = {0};
    size_t n;

    if (r->b.error.code != LB_OK)
        return NULL;
    if (!lb_shape_count(shape, &n) ||
        n * lb_dtype_size(dtype) + lb_arena_used(arena) > r->budget) {
        lb_build_fail(&r->b, LB_ERR_UNSUPPORTED,
                      "the constants of the network take more memory than a file of this "
                      "size may ask for");
        return NULL;
    }
    const lb_code code = lb_tensor_new(arena, dtype, shape, &t, &why);
    if (code != LB_OK)
        lb_build_fail(&r->b, code, "%s", why.text);
    return t;
}

static lb_value constant(lb_tfl_reader *r, const char *base, const char *suffix,
                         lb_tensor *t)
{
    char name[LB_TFL_MAX_NAME + 40];

    snprintf(name, sizeof name, "%s%s", base, suffix);
    return t ? lb_constant(&r->b, name, t) : (lb_value){0};
}

/* Where element i of the result, of shape `to`, stands in an array of shape `view` whose
 * axes were permuted by perm. */
typedef struct walk {
    int rank;
    int dim[LB_MAX_RANK];       /* of the result */
    size_t stride[LB_MAX_RANK]; /* of the source, for the result's axes */
} walk;

static walk walk_of(const lb_shape *view, const int *perm)
{
    walk w = {.rank = view->rank};
    size_t stride[LB_MAX_RANK] = {0}, s = 1;

    for (int i = view->rank - 1; i >= 0; i--) {
        stride[i] = s;
        s *= (size_t)view->dim[i];
    }
    for (int i = 0; i < view->rank; i++) {
        w.dim[i] = view->dim[perm[i]];
        w.stride[i] = stride[perm[i]];
    }
    return w;
}

static size_t source_of(const walk *w, size_t i)
{
    size_t at = 0;

    for (int k = w->rank - 1; k >= 0; k--) {
        at += i % (size_t)w->dim[k] * w->stride[k];
        i /= (size_t)w->dim[k];
    }
    return at;
}

/* A float of a constant, without its scale. */
static float element(const lb_tfl_tensor *t, size_t i)
{
    switch (t->type) {
    case LB_TFL_FLOAT32:
        return lb_flat_item_f32(&t->data, i);
    case LB_TFL_FLOAT16:
        return lb_half_to((uint16_t)(t->data.data[2 * i] | t->data.data[2 * i + 1] << 8));
    default:
        return (int8_t)t->data.data[i];
    }
}

/* The scales must be one, or one for each index of the axis that becomes the result's
 * first. */
static bool check_scales(lb_tfl_reader *r, lb_tfl_node *node, const lb_tfl_tensor *t,
                         int channels, int axis)
{
    if (t->scale.n == 0)
        lb_tfl_refuse(r, node, "the int8 constant '%.100s' has no scale", t->name);
    else if (t->scale.n > 1 && (t->scale.n != (size_t)channels || t->axis != axis))
        lb_tfl_refuse(r, node, "the scales of '%.100s' do not go along its %d channels",
                      t->name, channels);
    for (size_t i = 0; i < t->scale.n && !node->refused; i++) {
        const float s = lb_flat_item_f32(&t->scale, i);
        if (!(s >= 0) || isinf(s))
            lb_tfl_blame(r, node, "a scale of '%.100s' is %g", t->name, (double)s);
        else if (zero_of(t, i) != 0)
            lb_tfl_refuse(r, node, "the weights '%.100s' have a zero point other than 0",
                          t->name);
    }
    return !node->refused;
}

/* Widened to float32. */
static lb_value wide_weights(lb_tfl_reader *r, const lb_tfl_tensor *t, const walk *w,
                             const lb_shape *shape)
{
    lb_tensor *const to = take(r, LB_F32, shape);

    if (!to)
        return (lb_value){0};
    const size_t per_channel = to->n / (size_t)shape->dim[0];
    float *const data = to->data;
    for (size_t i = 0; i < to->n; i++) {
        const size_t c = t->scale.n > 1 ? i / per_channel : 0;
        const float scale = t->scale.n > 0 ? lb_flat_item_f32(&t->scale, c) : 1;
        data[i] = element(t, source_of(w, i)) * (t->type == LB_TFL_INT8 ? scale : 1);
    }
    return lb_param(&r->b, t->name, to);
}

static lb_value scales(lb_tfl_reader *r, const lb_tfl_tensor *t)
{
    const lb_shape shape = {.rank = t->scale.n > 1, .dim = {(int)t->scale.n}};
    lb_tensor *const to = take(r, LB_F32, &shape);

    for (size_t i = 0; to && i < t->scale.n; i++)
        ((float *)to->data)[i] = lb_flat_item_f32(&t->scale, i);
    return constant(r, t->name, "_scale", to);
}

/* Zero points that are all 0, of the type of what they belong to. */
static lb_value zeros(lb_tfl_reader *r, const lb_tfl_tensor *t, lb_dtype dtype, size_t n)
{
    const lb_shape shape = {.rank = n > 1, .dim = {(int)n}};

    return constant(r, t->name, "_zero_point", take(r, dtype, &shape));
}

static lb_value name_of_real(lb_tfl_reader *r, const lb_tfl_tensor *t, lb_value whole,
                             lb_value scale, lb_value zero)
{
    char name[LB_TFL_MAX_NAME + 40];

    snprintf(name, sizeof name, "%s.dq", t->name);
    return lb_dequantize(&r->b, whole, scale, zero, 0, name);
}

lb_value lb_tfl_weights(lb_tfl_reader *r, lb_tfl_node *node, int k, const lb_shape *view,
                        const int *perm, const lb_shape *shape)
{
    const lb_tfl_tensor *const t = lb_tfl_in(r, node, k);
    const walk w = walk_of(view, perm);

    if (!is_whole(r, node, t))
        return (lb_value){0};
    if (t->type == LB_TFL_INT32 || t->type == LB_TFL_INT64)
        return lb_tfl_refuse(r, node, "the weights '%.100s' are %s", t->name,
                             lb_tfl_type_name(t->type));
    /* the view may split the file's last axis; the first one is never split */
    const int axis = perm[0] == 0 ? 0 : t->shape.rank - 1;
    if (t->type == LB_TFL_INT8 && !check_scales(r, node, t, shape->dim[0], axis))
        return (lb_value){0};
    if (t->type != LB_TFL_INT8 || !lb_tfl_is_int8(lb_tfl_in(r, node, 0)))
        return wide_weights(r, t, &w, shape);
    lb_tensor *const whole = take(r, LB_I8, shape);
    for (size_t i = 0; whole && i < whole->n; i++)
        ((int8_t *)whole->data)[i] = (int8_t)t->data.data[source_of(&w, i)];
    const lb_value v = constant(r, t->name, "", whole);
    const lb_value scale = scales(r, t);
    const lb_value zero = zeros(r, t, LB_I8, t->scale.n);
    return name_of_real(r, t, v, scale, zero);
}

/* The scale of an int32 bias is that of the sums, whatever the file says: the input's
 * times the weights'. */
static lb_value bias_scale(lb_tfl_reader *r, const lb_tfl_tensor *bias, float x,
                           const lb_tfl_tensor *weights)
{
    const lb_shape shape = {.rank = weights->scale.n > 1, .dim = {(int)weights->scale.n}};
    lb_tensor *const to = take(r, LB_F32, &shape);

    for (size_t i = 0; to && i < weights->scale.n; i++)
        ((float *)to->data)[i] = x * lb_flat_item_f32(&weights->scale, i);
    return constant(r, bias->name, "_scale", to);
}

lb_value lb_tfl_bias(lb_tfl_reader *r, lb_tfl_node *node, int k, int m)
{
    const lb_tfl_tensor *const t = lb_tfl_in(r, node, k);
    const lb_tfl_tensor *const x = lb_tfl_in(r, node, 0);
    const lb_shape shape = {.rank = 1, .dim = {m}};
    static const int perm[] = {0};
    const walk w = walk_of(&shape, perm);

    if (!t)
        return (lb_value){0};
    if (!lb_tfl_is_constant(t))
        return lb_tfl_refuse(r, node, "its bias must be a constant");
    if (!is_whole(r, node, t))
        return (lb_value){0};
    if (t->data.n != (size_t)m * bytes_of_type(t->type))
        return lb_tfl_blame(r, node, "its bias must have %d elements", m);
    if (!lb_tfl_is_int8(x)) {
        if (t->type == LB_TFL_FLOAT32 || t->type == LB_TFL_FLOAT16)
            return wide_weights(r, t, &w, &shape);
        return lb_tfl_refuse(r, node, "the bias of a float layer is %s",
                             lb_tfl_type_name(t->type));
    }
    if (t->type != LB_TFL_INT32)
        return lb_tfl_refuse(r, node, "the bias of an int8 layer must be int32, not %s",
                             lb_tfl_type_name(t->type));
    lb_tensor *const whole = take(r, LB_I32, &shape);
    for (size_t i = 0; whole && i < whole->n; i++)
        ((int32_t *)whole->data)[i] = lb_flat_item_i32(&t->data, i);
    const lb_tfl_tensor *const weights = lb_tfl_in(r, node, k - 1);
    const lb_value v = constant(r, t->name, "", whole);
    const lb_value scale = bias_scale(r, t, lb_flat_item_f32(&x->scale, 0), weights);
    const lb_value zero = zeros(r, t, LB_I32, weights->scale.n);
    return name_of_real(r, t, v, scale, zero);
}

lb_value lb_tfl_on_grid(lb_tfl_reader *r, lb_value v, const lb_tfl_tensor *t,
                        bool is_output)
{
    char name[LB_TFL_MAX_NAME + 40];

    const float step = lb_flat_item_f32(&t->scale, 0);
    const lb_value scale = lb_scalar(&r->b, LB_F32, (double)step);
    const lb_value zero = lb_scalar(&r->b, LB_I8, (double)zero_of(t, 0));
    snprintf(name, sizeof name, "%s_scale", t->name);
    lb_rename(&r->b, scale, name);
    snprintf(name, sizeof name, "%s_zero_point", t->name);
    lb_rename(&r->b, zero, name);
    snprintf(name, sizeof name, "%s.q", t->name);
    const lb_value q = lb_quantize(&r->b, v, scale, zero, 1, name);
    snprintf(name, sizeof name, is_output ? "%s" : "%s.dq", t->name);
    return lb_dequantize(&r->b, q, scale, zero, 1, name);
}
