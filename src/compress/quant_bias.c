/* quant_bias.c: the mean shift of each output channel (Nagel et al., ICCV 2019, section
 * 4.2), measured.
 *
 * A layer is linear, so the mean of its results is its result for the mean of its
 * inputs: with x the layer's input in float32 and x' the same held in int8, the channel's
 * mean is off by mean(w * E[x] - w' * E[x']), the mean over its positions. Layers before
 * are taken to be right, for their own shift is taken off, too. */
#include "compress/quant_int.h"

#include "ops/ops.h"

typedef struct means {
    const lb_quant *q;
    lb_value *input;       /* what layers read, each once */
    double **real, **held; /* sums over samples, of each */
    int n;
} means;

static void see(void *arg, int of, const float *x, size_t n)
{
    const means *const m = arg;
    const lb_qparams s = m->q->scale[lb_quant_group(m->q, m->input[of])];

    for (size_t i = 0; i < n; i++) {
        m->real[of][i] += (double)x[i];
        m->held[of][i] += lb_quant_there_and_back(&s, (double)x[i]);
    }
}

static size_t count_of(const lb_graph *g, lb_value v, lb_type *one)
{
    size_t n = 0;

    *one = lb_info(g, v)->type;
    one->shape = lb_shape_bind(&one->shape, 1);
    return lb_shape_count(&one->shape, &n) ? n : 0;
}

static int place_of(const means *m, lb_value v)
{
    int k = 0;

    while (k < m->n && m->input[k].id != v.id)
        k++;
    return k;
}

static lb_code add_input(means *m, lb_value v, lb_error *err)
{
    lb_type one;
    const size_t n = count_of(m->q->real, v, &one);

    if (place_of(m, v) < m->n)
        return LB_OK;
    m->input[m->n] = v;
    m->real[m->n] = LB_TAKE_ARRAY(m->q->arena, n, double);
    m->held[m->n] = LB_TAKE_ARRAY(m->q->arena, n, double);
    if (!m->real[m->n] || !m->held[m->n])
        return lb_raise(err, LB_ERR_MEMORY, "no memory to correct biases");
    m->n++;
    return LB_OK;
}

/* One run of a layer's reference kernel on one sample, without its bias. */
typedef struct trial {
    lb_ref_call call;
    double *weight, *result;
    size_t n; /* of the result */
} trial;

static bool begin(trial *t, const lb_graph *g, const lb_node *node, lb_arena *scratch)
{
    const lb_value_info *const w = lb_info(g, node->in[1]);
    lb_ref_call *const call = &t->call;

    *call = (lb_ref_call){.node = node, .n_in = 2, .n_out = 1, .batch = 1};
    (void)count_of(g, node->in[0], &call->in_type[0]);
    t->n = count_of(g, node->out[0], &call->out_type[0]);
    call->in_type[1] = w->type;
    call->batched_in[0] = true;
    t->weight = LB_TAKE_ARRAY(scratch, w->tensor->n, double);
    t->result = LB_TAKE_ARRAY(scratch, t->n, double);
    call->in[1] = t->weight;
    call->out[0] = t->result;
    return t->weight && t->result;
}

static void add_means(trial *t, const double *sum, int samples, double sign,
                      const lb_quant_layer *l, double *shift)
{
    const size_t channels = (size_t)l->channels, each = t->n / channels;

    t->call.in[0] = sum;
    t->call.node->op->run(&t->call);
    for (size_t c = 0; c < channels; c++) {
        double mean = 0;
        for (size_t i = 0; i < each; i++)
            mean += t->result[c * each + i];
        shift[c] += sign * mean / (double)each / samples;
    }
}

static void quantise_weights(const lb_quant_layer *l, const float *scale, int bits,
                             double *w)
{
    const size_t channels = (size_t)l->channels, n = l->weight->n / channels;

    for (size_t c = 0; c < channels; c++)
        for (size_t i = 0; i < n; i++) {
            const size_t at = lb_quant_at(l, n, c, i);
            const double s = (double)scale[c];
            w[at] = lb_quant_weight(lb_tensor_get(l->weight, at), s, bits) * s;
        }
}

static lb_code find_shift(const means *m, int index, const lb_quant_layer *l,
                          lb_arena *scratch, lb_error *err)
{
    const lb_quant *const q = m->q;
    const lb_node *const node = &q->real->nodes[index];
    const int k = place_of(m, node->in[0]);
    const int samples = q->where->samples->shape.dim[0];
    const lb_qparams input = q->scale[lb_quant_group(q, node->in[0])];
    double *const shift = LB_TAKE_ARRAY(q->arena, l->channels, double);
    float *const scale = LB_TAKE_ARRAY(scratch, l->channels, float);
    trial t;

    if (!shift || !scale || !begin(&t, q->real, node, scratch))
        return lb_raise(err, LB_ERR_MEMORY, "no memory to correct biases");
    lb_widen(l->weight->dtype, l->weight->data, l->weight->n, t.weight);
    add_means(&t, m->real[k], samples, 1, l, shift);
    lb_quant_weight_scales(l, (double)input.scale, q->bits[index], scale);
    quantise_weights(l, scale, q->bits[index], t.weight);
    add_means(&t, m->held[k], samples, -1, l, shift);
    q->shift[index] = shift;
    return LB_OK;
}

static lb_code find_all(const means *m, lb_error *err)
{
    const lb_graph *const g = m->q->real;
    lb_code code = LB_OK;
    lb_quant_layer l;

    for (int i = 0; code == LB_OK && i < g->n_nodes; i++) {
        if (!lb_quant_layer_of(g, &g->nodes[i], &l))
            continue;
        lb_arena *const scratch = lb_arena_new(0);
        code = scratch ? find_shift(m, i, &l, scratch, err)
                       : lb_raise(err, LB_ERR_MEMORY, "no memory to correct biases");
        lb_arena_free(scratch);
    }
    return code;
}

lb_code lb_quant_find_shifts(lb_quant *q, lb_error *err)
{
    const lb_graph *const g = q->real;
    const int most = g->n_nodes + 1;
    means m = {.q = q};
    lb_quant_layer l;

    m.input = LB_TAKE_ARRAY(q->arena, most, lb_value);
    m.real = LB_TAKE_ARRAY(q->arena, most, double *);
    m.held = LB_TAKE_ARRAY(q->arena, most, double *);
    q->shift = LB_TAKE_ARRAY(q->arena, most, double *);
    if (!m.input || !m.real || !m.held || !q->shift)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to correct biases");
    for (int i = 0; i < g->n_nodes; i++)
        if (lb_quant_layer_of(g, &g->nodes[i], &l))
            LB_TRY(add_input(&m, g->nodes[i].in[0], err));
    if (m.n == 0)
        return LB_OK;
    LB_TRY(lb_quant_observe(g, m.input, m.n, q->where, see, &m, err));
    return find_all(&m, err);
}
