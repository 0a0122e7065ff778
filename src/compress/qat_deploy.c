/* qat_deploy.c: from the form in which a network was trained to the quantised one. */
#include "compress/qat_int.h"
#include "compress/quant_int.h"

#include <math.h>
#include <string.h>

static const char fake[] = "FakeQuantize";

/* The constant that a scale began as, and the parameter in whose power it has grown; NULL
 * for one that was not trained. */
typedef struct growth {
    lb_value start;
    const lb_tensor *from, *power;
} growth;

static growth growth_of(const lb_qat *w, lb_value scale)
{
    const lb_node *const product = lb_qat_maker(w->from, scale, "Mul");
    const lb_node *const factor =
        product ? lb_qat_maker(w->from, product->in[1], "Exp") : NULL;
    growth g = {.start = scale, .from = lb_info(w->from, scale)->tensor};

    if (factor) {
        g.start = product->in[0];
        g.from = lb_qat_old(w, product, 0);
        g.power = lb_qat_old(w, factor, 0);
    }
    return g;
}

/* As it stands after training. */
static lb_tensor *scale_tensor(lb_qat *w, lb_value scale)
{
    const growth g = growth_of(w, scale);
    lb_tensor *const t = g.from ? lb_build_tensor(&w->b, LB_F32, &g.from->shape) : NULL;

    for (size_t i = 0; t && i < t->n; i++) {
        const float power = g.power ? expf((float)lb_tensor_get(g.power, i)) : 1;
        const float s = (float)lb_tensor_get(g.from, i) * power;
        lb_tensor_put(t, i, (double)s);
        if (isfinite(s) && s > 0)
            continue;
        lb_build_fail(&w->b, LB_ERR_FAILED,
                      "training has driven the scale '%s' to %g; try a smaller learning "
                      "rate",
                      lb_qat_name(w, g.start), (double)s);
        return NULL;
    }
    return t;
}

/* Scales are parameters no longer. */
static lb_value constant_scale(lb_qat *w, lb_value scale)
{
    lb_value *const to = &w->to[scale.id];

    if (to->id == 0) {
        lb_tensor *const t = scale_tensor(w, scale);
        const char *const name = lb_qat_name(w, growth_of(w, scale).start);
        *to = t ? lb_constant(&w->b, name, t) : (lb_value){0};
    }
    return *to;
}

/* round(x / scale), a scale for all or for each first index, held in -most..most. */
static lb_tensor *whole_of(lb_qat *w, const lb_tensor *real, const lb_tensor *scale,
                           lb_dtype dtype, double most)
{
    lb_tensor *const t = lb_build_tensor(&w->b, dtype, &real->shape);
    const size_t run = scale->n > 1 ? real->n / scale->n : real->n;

    for (size_t i = 0; t && i < t->n; i++) {
        /* in float32, as the training form rounds */
        const float q =
            (float)lb_tensor_get(real, i) / (float)lb_tensor_get(scale, i / run);
        const double whole =
            rint(dtype == LB_I8 ? (double)q
                                : lb_tensor_get(real, i) / lb_tensor_get(scale, i / run));
        if (dtype == LB_I32 && !(fabs(whole) <= most)) {
            lb_build_fail(&w->b, LB_ERR_FAILED, "training has driven a bias to %g steps",
                          whole);
            return NULL;
        }
        lb_tensor_put(t, i, fmax(-most, fmin(most, whole)));
    }
    return t;
}

static lb_value stored(lb_qat *w, lb_value real, lb_tensor *whole, lb_value scale,
                       const char *name)
{
    if (!whole)
        return (lb_value){0};
    const lb_value q = lb_constant(&w->b, lb_qat_name(w, real), whole);
    return lb_dequantize(&w->b, q, scale, (lb_value){0}, 0, name);
}

static void write_weights(lb_qat *w, const lb_node *node)
{
    const lb_value scale = constant_scale(w, node->in[1]);
    const lb_tensor *const real = lb_qat_old(w, node, 0);
    const double most = (double)lb_attr_int(node, "high", 127);

    w->to[node->out[0].id] =
        stored(w, node->in[0], whole_of(w, real, lb_qat_old(w, node, 1), LB_I8, most),
               scale, lb_qat_name(w, node->out[0]));
}

/* "conv1.zero": of something that the training form has no value for. */
static const char *with_tail(lb_qat *w, lb_value v, const char *tail)
{
    return lb_arena_text(w->b.graph->arena, "%s.%s", lb_qat_name(w, v), tail);
}

static lb_value zero_point(lb_qat *w, const lb_node *node)
{
    lb_tensor *const t = lb_build_tensor(&w->b, LB_I8, &(lb_shape){0});

    if (!t)
        return (lb_value){0};
    lb_tensor_put(t, 0, (double)lb_attr_int(node, "zero_point", 0));
    return lb_constant(&w->b, with_tail(w, node->out[0], "zero"), t);
}

static void write_pair(lb_qat *w, const lb_node *node)
{
    const lb_value scale = constant_scale(w, node->in[1]);
    const char *const name = lb_qat_name(w, node->out[0]);
    const lb_value zero = zero_point(w, node);
    const char *const whole = with_tail(w, node->out[0], "whole");
    const lb_value q =
        lb_quantize(&w->b, lb_qat_to(w, node->in[0]), scale, zero, 0, whole);

    w->to[node->out[0].id] = lb_dequantize(&w->b, q, scale, zero, 0, name);
}

/* The FakeQuantize whose grid v lies on; NULL if there is none. */
static const lb_node *grid_of(const lb_graph *g, lb_value v)
{
    while (lb_info(g, v)->kind == LB_VALUE_NODE) {
        const lb_node *const node = &g->nodes[lb_info(g, v)->node];
        if (strcmp(node->op->name, fake) == 0)
            return node;
        if (!lb_quant_moves(node->op))
            return NULL;
        v = node->in[0];
    }
    return NULL;
}

/* The scale of the sums of a layer: that of its input times that of its weights. */
static lb_tensor *sum_scales(lb_qat *w, const lb_node *layer)
{
    const lb_node *const x = grid_of(w->from, layer->in[0]);
    const lb_node *const weight = lb_qat_maker(w->from, layer->in[1], fake);

    if (!x || !weight)
        return NULL;
    const lb_tensor *const sx = scale_tensor(w, x->in[1]);
    const lb_tensor *const sw = lb_qat_old(w, weight, 1);
    lb_tensor *const t = lb_build_tensor(&w->b, LB_F32, &sw->shape);
    for (size_t i = 0; sx && t && i < t->n; i++)
        lb_tensor_put(t, i, lb_tensor_get(sx, 0) * lb_tensor_get(sw, i));
    return t;
}

/* The bias of a layer becomes whole just before the layer, when its scale is known. */
static void write_bias(lb_qat *w, const lb_node *layer)
{
    const lb_value bias = layer->in[2];
    lb_tensor *const scales = sum_scales(w, layer);

    if (!scales || w->to[bias.id].id)
        return;
    const lb_value s = lb_constant(&w->b, with_tail(w, bias, "scale"), scales);
    w->to[bias.id] =
        stored(w, bias,
               whole_of(w, lb_info(w->from, bias)->tensor, scales, LB_I32, 2147483647.0),
               s, with_tail(w, bias, "real"));
}

/* What makes a scale grow; the network's own parameters are weights and biases. */
static bool is_growth(const lb_qat *w, const lb_node *node)
{
    const bool product = strcmp(node->op->name, "Mul") == 0;
    const lb_node *const factor =
        product ? lb_qat_maker(w->from, node->in[1], "Exp") : node;

    return factor && strcmp(factor->op->name, "Exp") == 0 &&
           lb_info(w->from, factor->in[0])->kind == LB_VALUE_PARAM;
}

static bool write_node(lb_qat *w, const lb_node *node)
{
    if (is_growth(w, node))
        return true;
    if (strcmp(node->op->name, fake) == 0) {
        if (lb_qat_old(w, node, 0))
            write_weights(w, node);
        else
            write_pair(w, node);
        return true;
    }
    const bool layer =
        strcmp(node->op->name, "Conv") == 0 || strcmp(node->op->name, "Gemm") == 0;
    if (layer && lb_qat_old(w, node, 2))
        write_bias(w, node);
    return false;
}

lb_code lb_qat_deploy(const lb_graph *trained, lb_graph **out, lb_error *err)
{
    return lb_qat_write(trained, write_node, out, err);
}
