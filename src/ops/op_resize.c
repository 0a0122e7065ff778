/* op_resize.c: Resize by whole factors, each element repeated: y[o] = x[o / factor].
 *
 * Resize(x, roi, scales, sizes) has ONNX's many ways of saying so: mode nearest with
 * asymmetric coordinates cut down, or with half-pixel ones rounded to either side. What
 * means another element anywhere is refused. The gradient sums each square of
 * repetitions: an average pool times its size. */
#include "ops/op_util.h"

#include "ops/build.h"

#include <string.h>

static lb_code check_way(const lb_node *node, lb_error *err)
{
    const char *const mode = lb_attr_text(node, "mode", "nearest");
    const char *const how =
        lb_attr_text(node, "coordinate_transformation_mode", "half_pixel");
    const char *const rounding = lb_attr_text(node, "nearest_mode", "round_prefer_floor");
    const bool half =
        strcmp(how, "half_pixel") == 0 || strcmp(how, "pytorch_half_pixel") == 0;
    const bool rounds = strncmp(rounding, "round_prefer_", 13) == 0;

    if (strcmp(mode, "nearest") != 0)
        return lb_raise(err, LB_ERR_UNSUPPORTED, "mode '%s' is not supported, nearest is",
                        mode);
    if ((half && rounds) ||
        (strcmp(how, "asymmetric") == 0 && strcmp(rounding, "floor") == 0))
        return LB_OK;
    return lb_raise(err, LB_ERR_UNSUPPORTED,
                    "%s coordinates with %s are not supported; asymmetric with floor and "
                    "half_pixel with round_prefer_floor are",
                    how, rounding);
}

/* The factor of axis i from `scales`, or from `sizes`; 0 if it is no whole number. */
static int64_t factor_of(const lb_tensor *scales, const lb_tensor *sizes, int i, int in)
{
    const double value = lb_tensor_get(scales ? scales : sizes, (size_t)i);
    const double factor = scales ? value : in > 0 ? value / in : 0;

    return factor >= 1 && factor <= 1 << 12 && factor == (double)(int64_t)factor
               ? (int64_t)factor
               : 0;
}

static const lb_tensor *constant_of(const lb_view *view, int input)
{
    const lb_tensor *const t = view->n_in > input ? view->constant[input] : NULL;

    return t && t->n > 0 ? t : NULL; /* exporters leave one empty */
}

static lb_code infer(const lb_view *view, lb_type *out, lb_error *err)
{
    const lb_tensor *const scales = constant_of(view, 2);
    const lb_tensor *const sizes = scales ? NULL : constant_of(view, 3);
    const lb_shape *const x = &view->in[0]->shape;
    const lb_view only_x = {.node = view->node, .n_in = 1, .in = {view->in[0]}};

    LB_TRY(lb_check_floats(&only_x, err));
    LB_TRY(lb_check_rank(view, 0, 3, 4, err));
    LB_TRY(check_way(view->node, err));
    if (!scales && !sizes)
        return lb_raise(err, LB_ERR_UNSUPPORTED, "scales or sizes must be a constant");
    if ((scales ? scales : sizes)->n != (size_t)x->rank)
        return lb_raise(err, LB_ERR_INPUT, "%s must have %d numbers, not %zu",
                        scales ? "scales" : "sizes", x->rank,
                        (scales ? scales : sizes)->n);
    *out = *view->in[0];
    for (int i = 0; i < x->rank; i++) {
        if (i == 0 && sizes && x->dim[0] == LB_BATCH)
            continue; /* a file with a batch of its own */
        const bool batch = x->dim[i] == LB_BATCH;
        const int64_t factor = factor_of(scales, sizes, i, batch ? 1 : x->dim[i]);
        if (factor < 1 || (i < 2 && factor != 1))
            return lb_raise(err, LB_ERR_UNSUPPORTED,
                            "axis %d by %g: whole factors of spatial axes are supported",
                            i, lb_tensor_get(scales ? scales : sizes, (size_t)i));
        if (!batch && (int64_t)x->dim[i] * factor > 1 << 24)
            return lb_raise(err, LB_ERR_INPUT, "axis %d would have size %lld", i,
                            (long long)(x->dim[i] * factor));
        if (!batch)
            out->shape.dim[i] *= (int)factor;
    }
    return lb_check_size(&out->shape, err);
}

static void run(const lb_ref_call *call)
{
    const lb_shape *const x = &call->in_type[0].shape, *const y =
                                                           &call->out_type[0].shape;
    const bool flat = x->rank == 3;
    const int h = flat ? 1 : x->dim[2], w = x->dim[x->rank - 1];
    const int oh = flat ? 1 : y->dim[2], ow = y->dim[y->rank - 1];
    const int planes = x->dim[0] * x->dim[1];
    double *out = call->out[0];

    for (int p = 0; p < planes; p++)
        for (int i = 0; i < oh; i++)
            for (int j = 0; j < ow; j++)
                *out++ = call->in[0][((int64_t)p * h + i / (oh / h)) * w + j / (ow / w)];
}

static void grad(lb_builder *b, const lb_node *node, const lb_value *dy, lb_value *dx)
{
    const lb_shape x = lb_type_of(b, node->in[0]).shape;
    const lb_shape y = lb_type_of(b, node->out[0]).shape;
    lb_window window = {.n = x.rank - 2};
    double area = 1;

    for (int i = 0; i < window.n; i++) {
        window.kernel[i] = window.stride[i] = y.dim[i + 2] / x.dim[i + 2];
        area *= window.kernel[i];
    }
    const lb_value mean = lb_average_pool(b, dy[0], &window, false, NULL);
    dx[0] = lb_scale(b, mean, area);
}

const lb_op lb_op_Resize = {
    .name = "Resize",
    .help = "spatial axes made longer by whole factors, elements repeated",
    .flags = LB_OP_ONNX,
    .min_in = 1,
    .max_in = 4,
    .n_out = 1,
    .opset_min = 11,
    .opset_max = 22,
    .infer = infer,
    .grad = grad,
    .cost = lb_cost_elements,
    .run = run,
};
