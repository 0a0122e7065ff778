/* quant_equalise.c: cross-layer equalisation (Nagel et al., ICCV 2019, section 4.1).
 *
 * Between two convolutions with at most Relu and pools in between, channel c may be
 * divided by any s_c > 0 if the second layer's weights for it are multiplied by s_c: the
 * network computes the same. One scale serves all channels of an activation, so that one
 * with a small range has few steps; s_c evens the ranges out.
 *
 * Here the first layer has a scale for each output channel: its weights do not mind. So
 * the range a_c that the channel shows on the samples stands in place of its weights'.
 * Where the second layer is depthwise, its weights do not mind either, and s_c makes all
 * ranges alike. Elsewhere the channels share a row's scale with others, and s_c is
 * sqrt(a_c / r_c): r_c is the largest weight for the channel, as a share of the largest
 * of its row. The largest range stays what it is. */
#include "compress/quant_int.h"

#include "graph/passes.h"
#include "ops/ops.h"

#include <math.h>

/* How far a channel is stretched or shrunk at most. */
static const double most_factor = 64;

typedef struct pair {
    int first, second; /* nodes */
    lb_value between;  /* what the second layer reads */
    int channels;
    double *range; /* [channels] the largest |x| seen */
} pair;

typedef struct pairs {
    pair *item;
    lb_value *between;
    int n;
} pairs;

/* Passes positive factors of a channel through. */
static bool is_homogeneous(const lb_node *node)
{
    return node->op == &lb_op_Relu || node->op == &lb_op_MaxPool ||
           node->op == &lb_op_AveragePool || node->op == &lb_op_GlobalAveragePool ||
           node->op == &lb_op_GlobalMaxPool;
}

/* Its weights are its own: changing them changes nothing else. */
static bool may_change(const lb_graph *g, const lb_node *node)
{
    lb_quant_layer layer;

    return node->op == &lb_op_Conv && lb_quant_layer_of(g, node, &layer) &&
           lb_count_uses(g, node->in[1]) == 1 &&
           (!layer.bias || lb_count_uses(g, node->in[2]) == 1);
}

static bool find_pair(const lb_graph *g, int second, pair *p)
{
    const lb_node *const layer = &g->nodes[second];

    if (!may_change(g, layer))
        return false;
    *p = (pair){.second = second, .between = layer->in[0]};
    for (lb_value v = layer->in[0];;) {
        const lb_value_info *const info = lb_info(g, v);
        if (info->kind != LB_VALUE_NODE || lb_count_uses(g, v) != 1)
            return false;
        p->first = info->node;
        if (!is_homogeneous(&g->nodes[info->node]))
            break;
        v = g->nodes[info->node].in[0];
    }
    p->channels = lb_info(g, p->between)->type.shape.dim[1];
    return may_change(g, &g->nodes[p->first]);
}

static void see(void *arg, int of, const float *x, size_t n)
{
    const pair *const p = &((const pairs *)arg)->item[of];
    const size_t channels = (size_t)p->channels, each = n / channels;

    for (size_t c = 0; c < channels; c++)
        for (size_t i = 0; i < each; i++)
            p->range[c] = fmax(p->range[c], fabs((double)x[c * each + i]));
}

/* Weights of the second layer for its input channel c: of output row m they are `each`
 * elements from *at on. False where row m does not read the channel. */
static bool column(const lb_graph *g, const pair *p, size_t m, size_t c, size_t *at,
                   size_t *each)
{
    const lb_node *const node = &g->nodes[p->second];
    const lb_tensor *const w = lb_info(g, node->in[1])->tensor;
    const size_t rows = (size_t)w->shape.dim[0], width = (size_t)w->shape.dim[1];
    const size_t groups = (size_t)p->channels / width;

    *each = w->n / rows / width;
    *at = (m * width + c % width) * *each;
    return m / (rows / groups) == c / width;
}

static double largest(const lb_tensor *w, size_t at, size_t n)
{
    double most = 0;

    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(lb_tensor_get(w, at + i)));
    return most;
}

/* r_c: the largest share of its row that a weight for channel c has. */
static double share_of(const lb_graph *g, const pair *p, size_t c)
{
    const lb_tensor *const w = lb_info(g, g->nodes[p->second].in[1])->tensor;
    const size_t rows = (size_t)w->shape.dim[0], row = w->n / rows;
    double share = 0;
    size_t at, n;

    for (size_t m = 0; m < rows; m++) {
        const double most = largest(w, m * row, row);
        if (column(g, p, m, c, &at, &n) && most > 0)
            share = fmax(share, largest(w, at, n) / most);
    }
    return share;
}

static void scale_run(const lb_tensor *w, size_t at, size_t n, double factor)
{
    lb_tensor *const own = (lb_tensor *)w; /* of the graph that is being made */

    for (size_t i = 0; i < n; i++)
        lb_tensor_put(own, at + i, lb_tensor_get(w, at + i) * factor);
}

/* Channel c becomes 1 / s of what it was. */
static void scale_channel(const lb_graph *g, const pair *p, size_t c, double s)
{
    const lb_tensor *const second = lb_info(g, g->nodes[p->second].in[1])->tensor;
    const size_t rows = (size_t)second->shape.dim[0];
    lb_quant_layer first;
    size_t at, n;

    if (!lb_quant_layer_of(g, &g->nodes[p->first], &first))
        return;
    const size_t row = first.weight->n / (size_t)first.channels;
    scale_run(first.weight, c * row, row, 1 / s);
    if (first.bias)
        scale_run(first.bias, c, 1, 1 / s);
    for (size_t m = 0; m < rows; m++)
        if (column(g, p, m, c, &at, &n))
            scale_run(second, at, n, s);
}

static void even_out(const lb_graph *g, const pair *p, double *wanted)
{
    const lb_tensor *const w = lb_info(g, g->nodes[p->second].in[1])->tensor;
    const bool depthwise = w->shape.dim[1] == 1;
    double most = 0, most_after = 0;

    for (int c = 0; c < p->channels; c++) {
        const double share = depthwise ? 1 : share_of(g, p, (size_t)c);
        const double range = p->range[c];
        wanted[c] = share > 0 && range > 0 ? range / share : 0;
        if (!depthwise)
            wanted[c] = sqrt(wanted[c]);
        most = fmax(most, range);
        most_after = fmax(most_after, wanted[c] > 0 ? range / wanted[c] : 0);
    }
    for (int c = 0; c < p->channels; c++) {
        const double s = wanted[c] * most_after / most;
        if (wanted[c] > 0)
            scale_channel(g, p, (size_t)c, fmax(1 / most_factor, fmin(most_factor, s)));
    }
}

static lb_code list_pairs(lb_quant *q, pairs *all, lb_error *err)
{
    const lb_graph *const g = q->real;
    pair p;

    all->item = LB_TAKE_ARRAY(q->arena, g->n_nodes + 1, pair);
    all->between = LB_TAKE_ARRAY(q->arena, g->n_nodes + 1, lb_value);
    for (int i = 0; all->item && all->between && i < g->n_nodes; i++)
        if (find_pair(g, i, &p)) {
            p.range = LB_TAKE_ARRAY(q->arena, p.channels, double);
            if (!p.range)
                return lb_raise(err, LB_ERR_MEMORY, "no memory to equalise layers");
            all->between[all->n] = p.between;
            all->item[all->n++] = p;
        }
    return all->item && all->between
               ? LB_OK
               : lb_raise(err, LB_ERR_MEMORY, "no memory to equalise layers");
}

lb_code lb_quant_equalise(lb_quant *q, int *n, lb_error *err)
{
    pairs all = {.n = 0};
    int most = 1;

    LB_TRY(list_pairs(q, &all, err));
    if (all.n == 0)
        return LB_OK;
    LB_TRY(lb_quant_observe(q->real, all.between, all.n, q->where, see, &all, err));
    for (int i = 0; i < all.n; i++)
        most = all.item[i].channels > most ? all.item[i].channels : most;
    double *const wanted = LB_TAKE_ARRAY(q->arena, most, double);
    if (!wanted)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to equalise layers");
    for (int i = 0; i < all.n; i++)
        even_out(q->real, &all.item[i], wanted);
    *n = all.n;
    return LB_OK;
}
