/* quant_weights.c: layers with weights, and the scales of these. */
#include "compress/quant_int.h"

#include "ops/ops.h"

#include <math.h>

static const lb_tensor *bias_of(const lb_graph *g, const lb_node *node)
{
    return node->n_in > 2 && node->in[2].id ? lb_info(g, node->in[2])->tensor : NULL;
}

static bool bias_fits(const lb_node *node, const lb_quant_layer *l)
{
    const bool has_bias = node->n_in > 2 && node->in[2].id;

    return !has_bias || (l->bias && l->bias->n == (size_t)l->channels);
}

bool lb_quant_layer_of(const lb_graph *g, const lb_node *node, lb_quant_layer *out)
{
    if (node->op != &lb_op_Conv && node->op != &lb_op_Gemm)
        return false;
    *out = (lb_quant_layer){.weight = lb_info(g, node->in[1])->tensor,
                            .bias = bias_of(g, node)};
    if (!out->weight || lb_info(g, node->in[0])->tensor)
        return false;
    out->channels = out->weight->shape.dim[0];
    if (node->op == &lb_op_Gemm) {
        if (lb_attr_int(node, "transA", 0) != 0 || lb_attr_float(node, "alpha", 1) != 1 ||
            lb_attr_float(node, "beta", 1) != 1)
            return false;
        out->columns = lb_attr_int(node, "transB", 0) == 0;
        out->channels = out->weight->shape.dim[out->columns ? 1 : 0];
    }
    return out->channels > 0 && bias_fits(node, out);
}

bool lb_quant_is_layer(const lb_quant *q, const lb_node *node, lb_quant_layer *out)
{
    return lb_quant_layer_of(q->real, node, out) && q->held[node->in[0].id];
}

static double largest(const lb_quant_layer *l, size_t n, size_t c)
{
    double most = 0;

    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(lb_tensor_get(l->weight, lb_quant_at(l, n, c, i))));
    return most;
}

/* Sum of squares that a channel loses. */
static double loss_of(const lb_quant_layer *l, size_t n, size_t c, double scale, int bits)
{
    double loss = 0;

    for (size_t i = 0; i < n; i++) {
        const double x = lb_tensor_get(l->weight, lb_quant_at(l, n, c, i));
        const double off = x - lb_quant_weight(x, scale, bits) * scale;
        loss += off * off;
    }
    return loss;
}

/* With 8 bits the largest weight is the last step. With 4 bits it pays to cut large ones
 * off: the scale that loses the least square. */
static double scale_of(const lb_quant_layer *l, size_t n, size_t c, int bits)
{
    enum { SHRINKS = 32 };
    const double most = largest(l, n, c);
    double best = most / 7, least;

    if (bits == 8 || most <= 0)
        return most / 127;
    least = loss_of(l, n, c, best, bits);
    for (int i = 1; i < SHRINKS; i++) {
        const double scale = most / 7 * (1 - 0.5 * i / SHRINKS);
        const double loss = loss_of(l, n, c, scale, bits);
        if (loss < least) {
            least = loss;
            best = scale;
        }
    }
    return best;
}

/* A channel without weights takes the largest scale of its layer, so that no multiplier
 * is extreme. A bias has to stay below 2^30 steps, to leave room for the sum. */
void lb_quant_weight_scales(const lb_quant_layer *l, double input, int bits, float *out)
{
    const size_t channels = (size_t)l->channels, n = l->weight->n / channels;
    float most = 0;

    for (size_t c = 0; c < channels; c++) {
        out[c] = (float)scale_of(l, n, c, bits);
        most = fmaxf(most, out[c]);
    }
    for (size_t c = 0; c < channels; c++) {
        const double bias = l->bias ? fabs(lb_tensor_get(l->bias, c)) : 0;
        const float least = (float)(bias / (input * 0x1p30));
        if (out[c] < 1e-30F)
            out[c] = most > 0 ? most : 1;
        out[c] = fmaxf(out[c], least);
    }
}

int lb_quant_weight(double x, double scale, int bits)
{
    const double whole = rint(x / scale), most = bits == 4 ? 7 : 127;

    return (int)(whole < -most ? -most : whole > most ? most : whole);
}
