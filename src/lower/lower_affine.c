/* lower_affine.c: additions, scales, norms and clamps: folded into the step before them
 * where that is possible. */
#include "lower/lower_int.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* y = a x + b of each channel. */
typedef struct affine {
    float *a, *b;
    int n;
} affine;

static lb_code take_affine(lb_lowering *l, const lb_node *node, affine *f, lb_error *err)
{
    lb_low_dims dims;

    LB_TRY(lb_low_dims_of(&lb_info(l->graph, node->out[0])->type, &dims, err));
    f->n = dims.c;
    f->a = LB_TAKE_ARRAY(l->arena, dims.c, float);
    f->b = LB_TAKE_ARRAY(l->arena, dims.c, float);
    if (!f->a || !f->b)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for %d channels", dims.c);
    return LB_OK;
}

/* Weights of the producer that take the factor and the offset, if it can: a sum with
 * nothing behind it. */
static bool fold_into(lb_lowering *l, const lb_node *node, const affine *f)
{
    lb_low_step *const s = lb_low_producer(l, node, 0);

    if (!s || l->stored || !s->weight || s->in[1] >= 0 || s->low > -FLT_MAX ||
        s->high < FLT_MAX)
        return false;
    const lb_draft *const d = &l->draft[s - l->low->step];
    const size_t n = lb_low_weights(l->low, s), m = (size_t)f->n;
    const bool last = s->kind == LB_LOW_DEPTHWISE || s->kind == LB_LOW_AFFINE;
    if ((size_t)l->low->buffer[s->out].dims.c != m)
        return false;
    for (size_t i = 0; i < n; i++)
        d->weight[i] *= f->a[last ? i % m : i / (n / m)];
    for (size_t i = 0; i < m; i++)
        d->bias[i] = d->bias[i] * f->a[i] + f->b[i];
    return true;
}

static lb_code lower_affine(lb_lowering *l, const lb_node *node, const affine *f,
                            lb_error *err)
{
    int in, out;

    LB_TRY(lb_low_source(l, node, 0, &in, err));
    if (fold_into(l, node, f)) {
        l->spot[node->out[0].id] = l->spot[node->in[0].id];
        return LB_OK;
    }
    LB_TRY(lb_low_result(l, node, &out, err));
    lb_low_append(l, LB_LOW_AFFINE, node, in, out);
    LB_TRY(lb_low_take_weights(l, (size_t)f->n, (size_t)f->n, err));
    const lb_draft *const d = &l->draft[l->low->n_steps - 1];
    memcpy(d->weight, f->a, (size_t)f->n * sizeof *f->a);
    memcpy(d->bias, f->b, (size_t)f->n * sizeof *f->b);
    return LB_OK;
}

lb_code lb_lower_norm(lb_lowering *l, const lb_node *node, lb_error *err)
{
    const double epsilon = lb_attr_float(node, "epsilon", 1e-5);
    const lb_tensor *p[5] = {NULL};
    affine f;

    LB_TRY(take_affine(l, node, &f, err));
    for (int i = 1; i < 5; i++) {
        p[i] = lb_low_constant(l, node, i);
        if (!p[i] || p[i]->n != (size_t)f.n)
            return lb_raise(err, LB_ERR_UNSUPPORTED, "its statistics must be constant");
    }
    for (int i = 0; i < f.n; i++) {
        const size_t c = (size_t)i;
        const double a = lb_tensor_get(p[1], c) / sqrt(lb_tensor_get(p[4], c) + epsilon);
        f.a[i] = (float)a;
        f.b[i] = (float)(lb_tensor_get(p[2], c) - a * lb_tensor_get(p[3], c));
    }
    return lower_affine(l, node, &f, err);
}

/* True if t, broadcast to a value of that rank, holds one number for each channel or one
 * for all. */
static bool is_per_channel(const lb_tensor *t, int rank, int channels)
{
    const int skipped = rank - t->shape.rank; /* leading axes that t leaves out */

    if (t->n == 1)
        return skipped >= 0;
    return skipped >= 0 && skipped <= 1 && t->n == (size_t)channels &&
           t->shape.dim[1 - skipped] == channels;
}

static void set_affine(const char *op, bool swapped, const lb_tensor *t, affine *f)
{
    for (int i = 0; i < f->n; i++) {
        const float v = (float)lb_tensor_get(t, t->n == 1 ? 0 : (size_t)i);
        const bool scales = op[0] == 'M' || op[0] == 'D';
        f->a[i] = op[0] == 'M' ? v : op[0] == 'D' ? 1 / v : swapped ? -1.0F : 1.0F;
        f->b[i] = scales ? 0 : op[0] == 'S' && !swapped ? -v : v;
    }
}

static lb_code lower_with_constant(lb_lowering *l, const lb_node *node, int variable,
                                   lb_error *err)
{
    const lb_tensor *const t = lb_low_constant(l, node, 1 - variable);
    const char *const op = node->op->name;
    const bool swapped = variable == 1 && op[0] == 'S';
    lb_node as_first = *node;
    affine f;

    LB_TRY(take_affine(l, node, &f, err));
    as_first.in[0] = node->in[variable];
    const lb_shape *const shape = &lb_info(l->graph, as_first.in[0])->type.shape;
    if (!is_per_channel(t, shape->rank, f.n) ||
        !lb_shape_equal(shape, &lb_info(l->graph, node->out[0])->type.shape))
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "its constant must be one number, or one for each channel");
    if (variable == 1 && op[0] == 'D')
        return lb_raise(err, LB_ERR_UNSUPPORTED, "a constant cannot be divided by a map");
    set_affine(op, swapped, t, &f);
    as_first.n_in = 1;
    return lower_affine(l, &as_first, &f, err);
}

lb_code lb_lower_binary(lb_lowering *l, const lb_node *node, lb_error *err)
{
    int a, b, out;

    if (lb_low_constant(l, node, 1))
        return lower_with_constant(l, node, 0, err);
    if (lb_low_constant(l, node, 0))
        return lower_with_constant(l, node, 1, err);
    if (strcmp(node->op->name, "Add") != 0)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "of two values computed, a device can only add");
    LB_TRY(lb_low_source(l, node, 0, &a, err));
    LB_TRY(lb_low_source(l, node, 1, &b, err));
    if (!lb_shape_equal(&lb_info(l->graph, node->in[0])->type.shape,
                        &lb_info(l->graph, node->in[1])->type.shape))
        return lb_raise(err, LB_ERR_UNSUPPORTED, "its inputs must have equal shapes");
    LB_TRY(lb_low_result(l, node, &out, err));
    lb_low_append(l, LB_LOW_ADD, node, a, out)->in[1] = b;
    return LB_OK;
}

static float clamp_to(float v, float low, float high)
{
    if (v < low)
        return low;
    return v > high ? high : v;
}

/* What only moves int8 elements cannot change their grid on the way. */
static bool can_clamp(const lb_lowering *l, const lb_low_step *s)
{
    return s && !(l->stored && s->kind == LB_LOW_MAX_POOL) && s->kind != LB_LOW_SOFTMAX &&
           s->kind != LB_LOW_PAD && s->kind != LB_LOW_CONCAT && s->kind != LB_LOW_COPY;
}

lb_code lb_lower_clamp(lb_lowering *l, const lb_node *node, lb_error *err)
{
    const bool relu = strcmp(node->op->name, "Relu") == 0;
    const lb_tensor *const min = lb_low_constant(l, node, 1);
    const lb_tensor *const max = lb_low_constant(l, node, 2);
    const double given_low = lb_attr_float(node, "min", -FLT_MAX);
    const double given_high = lb_attr_float(node, "max", FLT_MAX);
    const float low =
        relu ? 0 : (float)fmax(-FLT_MAX, min ? lb_tensor_get(min, 0) : given_low);
    const float high =
        relu ? FLT_MAX : (float)fmin(FLT_MAX, max ? lb_tensor_get(max, 0) : given_high);
    lb_low_step *s = lb_low_producer(l, node, 0);
    int in, out;

    LB_TRY(lb_low_source(l, node, 0, &in, err));
    if (!can_clamp(l, s) || !lb_low_same_grid(l, node->in[0], node->out[0])) {
        LB_TRY(lb_low_result(l, node, &out, err));
        s = lb_low_append(l, LB_LOW_ACTIVATION, node, in, out);
    }
    s->low = clamp_to(s->low, low, high);
    s->high = clamp_to(s->high, low, high);
    l->spot[node->out[0].id].known = true;
    l->spot[node->out[0].id].buffer = s->out;
    return LB_OK;
}
