/* qat.c: from a quantised network to the form in which it is trained. */
#include "compress/qat_int.h"

#include "lower/low.h"

#include <string.h>

/* What a stored constant is to the layers that read it. */
typedef enum use { USE_OTHER, USE_WEIGHT, USE_BIAS } use;

static use use_of(const lb_graph *g, lb_value v)
{
    use found = USE_OTHER;

    for (int i = 0; i < g->n_nodes; i++) {
        const lb_node *const node = &g->nodes[i];
        const bool layer =
            strcmp(node->op->name, "Conv") == 0 || strcmp(node->op->name, "Gemm") == 0;
        for (int k = 0; k < node->n_in; k++) {
            if (node->in[k].id != v.id)
                continue;
            if (!layer || k == 0)
                return USE_OTHER;
            found = k == 1 ? USE_WEIGHT : USE_BIAS;
        }
    }
    return found;
}

/* The real numbers that integers stand for; a scale for all or for each first index. */
static lb_tensor *real_of(lb_qat *w, const lb_tensor *whole, const lb_tensor *scale)
{
    lb_tensor *const t = lb_build_tensor(&w->b, LB_F32, &whole->shape);
    const size_t run = scale->n > 1 ? whole->n / scale->n : whole->n;

    for (size_t i = 0; t && i < t->n; i++)
        lb_tensor_put(t, i, lb_tensor_get(whole, i) * lb_tensor_get(scale, i / run));
    return t;
}

static lb_value trained(lb_qat *w, const char *name, lb_tensor *t, bool decays)
{
    if (!t)
        return (lb_value){0};
    const lb_value v = lb_param(&w->b, name, t);
    if (v.id)
        w->b.graph->values[v.id].no_decay = !decays;
    return v;
}

/* The calibrated scale times e to the power of a parameter that starts at 0. */
static lb_value growing(lb_qat *w, lb_value scale)
{
    const lb_tensor *const old = lb_info(w->from, scale)->tensor;
    lb_tensor *const start = lb_build_tensor(&w->b, LB_F32, &old->shape);
    lb_tensor *const zero = lb_build_tensor(&w->b, LB_F32, &old->shape);
    const char *const name = lb_qat_name(w, scale);

    for (size_t i = 0; zero && i < start->n; i++)
        lb_tensor_put(start, i, lb_tensor_get(old, i));
    const lb_value power =
        trained(w, lb_arena_text(w->b.graph->arena, "%s.power", name), zero, false);
    const lb_value from = start ? lb_constant(&w->b, name, start) : (lb_value){0};
    const lb_value factor = lb_exp(&w->b, power);
    return lb_mul(&w->b, from, factor);
}

/* Scales that several values share stay shared. */
static lb_value trained_scale(lb_qat *w, lb_value scale)
{
    if (w->to[scale.id].id == 0)
        w->to[scale.id] = growing(w, scale);
    return w->to[scale.id];
}

static bool write_weights(lb_qat *w, const lb_node *node)
{
    const lb_tensor *const whole = lb_qat_old(w, node, 0),
                           *scale = lb_qat_old(w, node, 1);
    const use is = use_of(w->from, node->out[0]);

    if (is == USE_OTHER || !scale)
        return false;
    const lb_value real = trained(w, lb_qat_name(w, node->in[0]),
                                  real_of(w, whole, scale), is == USE_WEIGHT);
    if (is == USE_BIAS) {
        w->to[node->out[0].id] = real;
        return true;
    }
    const int most =
        whole->dtype == LB_I8 && lb_low_fits_4_bits(whole->data, whole->n) ? 7 : 127;
    w->to[node->out[0].id] = lb_fake_quantize(&w->b, real, lb_qat_to(w, node->in[1]), 0,
                                              -most, most, lb_qat_name(w, node->out[0]));
    return true;
}

/* A softmax has the one grid that its range asks for. */
static lb_value scale_of(lb_qat *w, const lb_node *node)
{
    return lb_qat_maker(w->from, node->in[0], "Softmax") ? lb_qat_to(w, node->in[1])
                                                         : trained_scale(w, node->in[1]);
}

/* The pair becomes one node, which bears the name of what leaves it. */
static bool write_pair(lb_qat *w, const lb_node *quantize)
{
    const lb_tensor *const zero = lb_qat_old(w, quantize, 2);

    if (!zero || zero->dtype != LB_I8 || !lb_qat_old(w, quantize, 1))
        return false;
    w->to[quantize->out[0].id] = lb_fake_quantize(
        &w->b, lb_qat_to(w, quantize->in[0]), scale_of(w, quantize),
        (int)lb_tensor_get(zero, 0), -128, 127, lb_qat_name(w, quantize->out[0]));
    return true;
}

static bool write_node(lb_qat *w, const lb_node *node)
{
    if (strcmp(node->op->name, "QuantizeLinear") == 0)
        return write_pair(w, node);
    if (strcmp(node->op->name, "DequantizeLinear") != 0)
        return false;
    if (lb_qat_old(w, node, 0))
        return write_weights(w, node);
    w->to[node->out[0].id] = w->to[node->in[0].id];
    lb_rename(&w->b, w->to[node->out[0].id], lb_qat_name(w, node->out[0]));
    return true;
}

lb_code lb_qat_train_form(const lb_graph *quantised, lb_graph **out, lb_error *err)
{
    for (int i = 0; i < quantised->n_nodes; i++)
        if (strcmp(quantised->nodes[i].op->name, "QuantizeLinear") == 0)
            return lb_qat_write(quantised, write_node, out, err);
    return lb_raise(err, LB_ERR_INPUT, "the network is not quantised");
}
