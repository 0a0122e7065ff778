/* lower_int8.c: int8 steps from float steps whose weights hold integers, and from the
 * grids of the values between them. */
#include "lower/lower_int.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

typedef struct quantising {
    lb_lowering *l;
    lb_low *low;
    lb_low_step *s;
    const lb_draft *draft;
    lb_low_int8 *q;
    lb_qparams in, out;
} quantising;

static bool same(lb_qparams a, lb_qparams b)
{
    return a.scale == b.scale && a.zero == b.zero;
}

static bool is_known(lb_qparams q)
{
    return q.scale > 0;
}

static int saturate(double v)
{
    return v < -128 ? -128 : v > 127 ? 127 : (int)v;
}

/* A limit in reals as one of the grid; what has no limit there gets the grid's end. */
static int limit_on(lb_qparams q, float limit)
{
    return saturate(q.zero + (double)roundf(limit / q.scale));
}

static void set_clamp(const lb_low_step *s, lb_qparams grid, int *low, int *high)
{
    *low = s->low > -FLT_MAX ? limit_on(grid, s->low) : -128;
    *high = s->high < FLT_MAX ? limit_on(grid, s->high) : 127;
}

static lb_code take_multipliers(quantising *z, int n, lb_multiplier **out, lb_error *err)
{
    *out = LB_TAKE_ARRAY(z->l->arena, n, lb_multiplier);
    if (!*out)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for %d multipliers", n);
    z->q->multiplier = *out;
    z->q->n_multipliers = n;
    return LB_OK;
}

static lb_code set_multiplier(double real, lb_multiplier *out, lb_error *err)
{
    *out = lb_multiplier_of(real);
    if (out->shift <= 30)
        return LB_OK;
    return lb_raise(
        err, LB_ERR_UNSUPPORTED,
        "its output's scale is too small: one step of a sum would be %g of it", real);
}

/* ------------------------------------------------------------ convolutions, dense layers
 */

static const lb_stored *stored_of(const quantising *z, lb_value v)
{
    return v.id ? &z->l->stored[v.id] : NULL;
}

static lb_code check_scales(const lb_stored *w, int axis, int m, lb_error *err)
{
    if (!w || !w->known || !w->integer || w->integer->dtype != LB_I8)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "its weights are not int8 behind a DequantizeLinear");
    const int given = w->axis < 0 ? w->axis + w->integer->shape.rank : w->axis;
    if (w->scales->n != 1 && (w->scales->n != (size_t)m || given != axis))
        return lb_raise(
            err, LB_ERR_UNSUPPORTED,
            "its weights have %zu scales along axis %d; one is needed, or one "
            "for each of the %d output channels, along axis %d",
            w->scales->n, given, m, axis);
    return LB_OK;
}

/* The bias in units of the sum. */
static lb_code set_bias(const quantising *z, int m, int32_t *bias, lb_error *err)
{
    const lb_stored *const b = stored_of(z, z->draft->bias_value);

    if (!b)
        return LB_OK;
    if (!b->known || !b->integer || b->integer->dtype != LB_I32)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "its bias is not int32 behind a DequantizeLinear");
    if ((b->integer->n != 1 && b->integer->n != (size_t)m) ||
        (b->scales->n != 1 && b->scales->n != (size_t)m))
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "its bias has %zu elements and %zu scales", b->integer->n,
                        b->scales->n);
    for (int i = 0; i < m; i++) {
        const size_t at = b->integer->n == 1 ? 0 : (size_t)i;
        bias[i] = (int32_t)lb_tensor_get(b->integer, at);
    }
    return LB_OK;
}

/* The scale of a bias must be that of the sum that it starts. */
static lb_code check_bias_scale(const quantising *z, const lb_stored *w, int m,
                                lb_error *err)
{
    const lb_stored *const b = stored_of(z, z->draft->bias_value);

    for (int i = 0; b && i < m; i++) {
        const double scale = (double)z->in.scale *
                             lb_tensor_get(w->scales, w->scales->n == 1 ? 0 : (size_t)i);
        const double given = lb_tensor_get(b->scales, b->scales->n == 1 ? 0 : (size_t)i);
        if (fabs(given - scale) > 1e-5 * scale)
            return lb_raise(err, LB_ERR_UNSUPPORTED,
                            "the scale of its bias must be that of input times weights, "
                            "%g, not %g",
                            scale, given);
    }
    return LB_OK;
}

/* No input can make a sum leave 32 bits. *largest: what it may come to. */
static lb_code check_sums(const quantising *z, size_t n, int m_n, int64_t *largest,
                          lb_error *err)
{
    const bool last = z->s->kind == LB_LOW_DEPTHWISE;
    const size_t row = n / (size_t)m_n;

    for (size_t m = 0; m < (size_t)m_n; m++) {
        int64_t most = llabs(z->q->bias[m]);
        for (size_t i = 0; i < row; i++)
            most += 255 * abs(z->q->weight[last ? i * (size_t)m_n + m : m * row + i]);
        *largest = most > *largest ? most : *largest;
        if (most > INT32_MAX)
            return lb_raise(err, LB_ERR_UNSUPPORTED,
                            "its sums may leave 32 bits (channel %zu)", m);
    }
    return LB_OK;
}

static lb_code quantise_sums(quantising *z, lb_error *err)
{
    lb_low_step *const s = z->s;
    const int m = z->low->buffer[s->out].dims.c;
    const size_t n = lb_low_weights(z->low, s);
    const lb_stored *const w = stored_of(z, z->draft->weight_value);
    int8_t *const weight = LB_TAKE_ARRAY(z->l->arena, n, int8_t);
    int32_t *const bias = LB_TAKE_ARRAY(z->l->arena, m, int32_t);
    lb_multiplier *multiplier;
    int64_t largest = 0;

    if (!weight || !bias)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for %zu weights", n);
    LB_TRY(check_scales(w, z->draft->channel_axis, m, err));
    for (size_t i = 0; i < n; i++)
        weight[i] = (int8_t)z->draft->weight[i];
    LB_TRY(set_bias(z, m, bias, err));
    LB_TRY(check_bias_scale(z, w, m, err));
    z->q->weight = weight;
    z->q->bias = bias;
    LB_TRY(check_sums(z, n, m, &largest, err));
    /* the firmware's sums are sixteen times as large then: see emit_int8.c */
    z->q->packed = lb_low_fits_4_bits(weight, n) && largest <= INT32_MAX / 16;
    LB_TRY(take_multipliers(z, m, &multiplier, err));
    for (int i = 0; i < m; i++) {
        const double scale = lb_tensor_get(w->scales, w->scales->n == 1 ? 0 : (size_t)i);
        LB_TRY(set_multiplier((double)z->in.scale * scale / (double)z->out.scale,
                              &multiplier[i], err));
    }
    return LB_OK;
}

/* --------------------------------------------------------------------------- the others
 */

static lb_code quantise_add(quantising *z, lb_error *err)
{
    const lb_qparams a = z->in, b = z->low->buffer[z->s->in[1]].q;

    if (!lb_sum_params_of(a.scale, b.scale, z->out.scale, &z->q->sum))
        return lb_raise(err, LB_ERR_UNSUPPORTED, "its scales are too far apart to add");
    return LB_OK;
}

static lb_code quantise_mean(quantising *z, lb_error *err)
{
    const lb_low_step *const s = z->s;
    const int taps = s->kernel_h * s->kernel_w;
    const bool pads = s->pad_top || s->pad_left || s->pad_bottom || s->pad_right;
    const bool varies = pads && !s->count_include_pad;
    const double scale = (double)z->in.scale / (double)z->out.scale;
    lb_multiplier *multiplier;

    if (taps > 1 << 22 || (varies && taps > 1024))
        return lb_raise(err, LB_ERR_UNSUPPORTED, "its window of %d is too large", taps);
    if (z->l->rounding == LB_ROUND_TFLITE && !same(z->in, z->out))
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "TensorFlow Lite's average pool keeps the scale: its output must "
                        "have that of its input");
    LB_TRY(take_multipliers(z, varies ? taps : 1, &multiplier, err));
    for (int i = 0; i < z->q->n_multipliers; i++)
        LB_TRY(set_multiplier(scale / (varies ? i + 1 : taps), &multiplier[i], err));
    return LB_OK;
}

static lb_code quantise_rescaling(quantising *z, lb_error *err)
{
    const int n = z->s->kind == LB_LOW_CONCAT ? z->s->n_in_all : 1;
    lb_multiplier *multiplier;

    LB_TRY(take_multipliers(z, n, &multiplier, err));
    for (int i = 0; i < n; i++) {
        const lb_qparams in =
            z->s->kind == LB_LOW_CONCAT ? z->low->buffer[z->s->in_all[i]].q : z->in;
        LB_TRY(
            set_multiplier((double)in.scale / (double)z->out.scale, &multiplier[i], err));
    }
    return LB_OK;
}

static lb_code quantise_move(quantising *z, lb_error *err)
{
    if (!same(z->in, z->out))
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "its output must have the scale and the zero point of its input");
    z->q->value = limit_on(z->in, z->s->value);
    return LB_OK;
}

static lb_code quantise_softmax(quantising *z, lb_error *err)
{
    if (z->out.scale != 1.0F / 256 || z->out.zero != -128)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "an int8 softmax has scale 1/256 and zero point -128");
    if (z->low->buffer[z->s->out].dims.c > 4000)
        return lb_raise(err, LB_ERR_UNSUPPORTED, "a softmax over more than 4000 classes");
    z->q->softmax = lb_softmax_params_of(z->in.scale);
    return LB_OK;
}

static lb_code quantise_kind(quantising *z, lb_error *err)
{
    switch (z->s->kind) {
    case LB_LOW_CONV:
    case LB_LOW_POINTWISE:
    case LB_LOW_DEPTHWISE:
    case LB_LOW_DENSE:
        return quantise_sums(z, err);
    case LB_LOW_ADD:
        return quantise_add(z, err);
    case LB_LOW_AVERAGE_POOL:
        return quantise_mean(z, err);
    case LB_LOW_ACTIVATION:
    case LB_LOW_CONCAT:
        return quantise_rescaling(z, err);
    case LB_LOW_MAX_POOL:
    case LB_LOW_PAD:
    case LB_LOW_COPY:
        return quantise_move(z, err);
    case LB_LOW_SOFTMAX:
        return quantise_softmax(z, err);
    case LB_LOW_AFFINE:
        break;
    }
    return lb_raise(err, LB_ERR_UNSUPPORTED,
                    "scales by channel must be folded into a convolution before the "
                    "network is quantised");
}

/* Hands out elements of its input, which lie on the same grid. */
static bool moves(lb_low_kind kind)
{
    return kind == LB_LOW_MAX_POOL || kind == LB_LOW_PAD || kind == LB_LOW_COPY;
}

static lb_code find_grid(quantising *z, lb_error *err)
{
    lb_low_buffer *const out = &z->low->buffer[z->s->out];

    for (int i = 0; i < (z->s->n_in_all ? z->s->n_in_all : 2); i++) {
        const int in = z->s->n_in_all ? z->s->in_all[i] : z->s->in[i];
        if (in >= 0 && !is_known(z->low->buffer[in].q))
            return lb_raise(err, LB_ERR_UNSUPPORTED, "its input '%s' is not quantised",
                            z->low->buffer[in].name);
    }
    z->in = z->low->buffer[z->s->in[0]].q;
    if (!is_known(out->q) && (moves(z->s->kind) || z->s->kind == LB_LOW_ACTIVATION))
        out->q = z->in;
    if (!is_known(out->q))
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "its output '%s' is not quantised: a QuantizeLinear must follow",
                        out->name);
    z->out = out->q;
    return LB_OK;
}

static lb_code quantise_step(lb_lowering *l, int i, lb_error *err)
{
    lb_low_step *const s = &l->low->step[i];
    quantising z = {.l = l, .low = l->low, .s = s, .draft = &l->draft[i]};

    z.q = LB_TAKE(l->arena, lb_low_int8);
    if (!z.q)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for an int8 step");
    LB_TRY(find_grid(&z, err));
    LB_TRY(quantise_kind(&z, err));
    set_clamp(s, z.out, &z.q->low, &z.q->high);
    s->q = z.q;
    s->weight = s->bias = NULL;
    return LB_OK;
}

/* Grids of the values that lie in a buffer. They agree: a step that would change the grid
 * in the same place has not been folded. */
static void collect_grids(lb_lowering *l)
{
    for (int v = 1; v < l->graph->n_values; v++)
        if (l->spot[v].known && l->stored[v].known && !l->stored[v].integer)
            l->low->buffer[l->spot[v].buffer].q = l->stored[v].q;
}

/* The same memory under another shape has the same grid. */
static lb_code join_aliases(lb_low *low, lb_error *err)
{
    for (int i = 0; i < low->n_buffers; i++) {
        lb_low_buffer *const b = &low->buffer[i];
        if (b->alias < 0)
            continue;
        lb_low_buffer *const root = &low->buffer[b->alias];
        if (is_known(b->q) && is_known(root->q) && !same(b->q, root->q))
            return lb_raise(err, LB_ERR_UNSUPPORTED,
                            "'%s' and '%s' are the same numbers on two grids", b->name,
                            root->name);
        if (is_known(root->q))
            b->q = root->q;
        else
            root->q = b->q;
    }
    return LB_OK;
}

/* What is moved before it is quantised may as well be quantised first. */
static void look_ahead(lb_low *low)
{
    for (int i = low->n_steps - 1; i >= 0; i--) {
        const lb_low_step *const s = &low->step[i];
        if (moves(s->kind) && !is_known(low->buffer[s->in[0]].q))
            low->buffer[s->in[0]].q = low->buffer[s->out].q;
    }
}

lb_code lb_low_quantise(lb_lowering *l, lb_error *err)
{
    lb_low *const low = l->low;

    low->dtype = LB_I8;
    low->rounding = l->rounding;
    collect_grids(l);
    LB_TRY(join_aliases(low, err));
    look_ahead(low);
    LB_TRY(join_aliases(low, err));
    for (int k = 0; k < low->n_inputs; k++)
        if (!is_known(low->buffer[low->input[k].buffer].q))
            return lb_raise(err, LB_ERR_UNSUPPORTED, "input '%s' is not quantised",
                            low->input[k].name);
    for (int i = 0; i < low->n_steps; i++) {
        lb_low_step *const s = &low->step[i];
        if (quantise_step(l, i, err) != LB_OK)
            return lb_within(err, "'%s' (%s)", s->name, lb_low_kind_name(s->kind));
        LB_TRY(join_aliases(low, err));
    }
    for (int i = 0; i < low->n_buffers; i++)
        low->buffer[i].bytes = lb_low_count(&low->buffer[i].dims);
    return lb_low_fuse_adds(l, err);
}
