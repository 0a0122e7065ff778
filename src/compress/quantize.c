/* quantize.c: a network to int8, step after step, and how far its layers are off then. */
#include "compress/quantize.h"

#include "compress/quant_int.h"
#include "ops/rewrite.h"

#include <math.h>

static lb_code check(const lb_quantize_setup *s, lb_error *err)
{
    char is[LB_SHAPE_TEXT], should[LB_SHAPE_TEXT];

    if (lb_is_quantised(s->graph))
        return lb_raise(err, LB_ERR_INPUT,
                        "the network is quantised already; quantise the one in float32 "
                        "that it was made from");
    if (s->graph->n_inputs != 1)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "the network has %d inputs; one can be fed with samples",
                        s->graph->n_inputs);
    const lb_type *const in = &lb_info(s->graph, s->graph->inputs[0])->type;
    const lb_shape wanted = lb_shape_bind(&in->shape, s->samples->shape.dim[0]);
    if (!lb_type_batched(in) || !lb_dtype_is_float(in->dtype) ||
        !lb_shape_equal(&wanted, &s->samples->shape) || s->samples->dtype != LB_F32)
        return lb_raise(
            err, LB_ERR_INPUT, "the network takes %s %s, but the samples are %s %s",
            lb_dtype_name(in->dtype), lb_shape_text(&in->shape, should),
            lb_dtype_name(s->samples->dtype), lb_shape_text(&s->samples->shape, is));
    if (s->samples->shape.dim[0] < 1)
        return lb_raise(err, LB_ERR_INPUT, "no sample to find ranges with");
    return LB_OK;
}

/* Inference form in float32, with tensors of its own. */
static lb_code make_real(const lb_quantize_setup *s, lb_graph **out, lb_error *err)
{
    lb_graph *g = NULL;

    LB_TRY(lb_graph_with_precision(s->graph, LB_F32, &g, err));
    lb_code code = lb_fold_batch_norm(g, err);
    if (code == LB_OK)
        code = lb_fold_constants(g, (size_t)1 << 30, err);
    if (code == LB_OK)
        code = lb_quant_tidy(g, err);
    if (code != LB_OK) {
        lb_graph_free(g);
        return code;
    }
    *out = g;
    return LB_OK;
}

/* The same in all layers. */
static lb_code set_bits(lb_quant *q, lb_error *err)
{
    const int n = q->real->n_nodes + 1;

    q->bits = LB_TAKE_ARRAY(q->arena, n, int);
    q->sensitivity = LB_TAKE_ARRAY(q->arena, n, double);
    if (!q->bits || !q->sensitivity)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to quantise a network");
    for (int i = 0; i < n; i++) {
        q->bits[i] = q->setup->options.weights == LB_WEIGHTS_4 ? 4 : 8;
        q->sensitivity[i] = (double)NAN;
    }
    return LB_OK;
}

static lb_code quantise(lb_quant *q, lb_quantised *out, lb_error *err)
{
    const lb_quantize_options *const options = &q->setup->options;

    LB_TRY(make_real(q->setup, &out->real, err));
    q->real = out->real;
    if (options->equalise)
        LB_TRY(lb_quant_equalise(q, &out->n_equalised, err));
    LB_TRY(lb_quant_find_groups(q, err));
    LB_TRY(lb_quant_find_scales(q, err));
    LB_TRY(set_bits(q, err));
    if (options->weights == LB_WEIGHTS_MIXED)
        LB_TRY(lb_quant_choose(q, err));
    return lb_quant_build(q, out, err);
}

lb_code lb_network_quantize(const lb_quantize_setup *setup, lb_arena *arena,
                            lb_quantised *out, lb_error *err)
{
    const lb_quant_where where = {
        .samples = setup->samples, .pool = setup->pool, .kernels = setup->kernels};
    lb_quant q = {.setup = setup, .where = &where, .arena = arena};

    *out = (lb_quantised){.n_layers = 0};
    LB_TRY(check(setup, err));
    const lb_code code = quantise(&q, out, err);
    if (code != LB_OK)
        lb_quantised_free(out);
    return code;
}

void lb_quantised_free(lb_quantised *quantised)
{
    lb_graph_free(quantised->graph);
    lb_graph_free(quantised->real);
    *quantised = (lb_quantised){.n_layers = 0};
}

/* Sums of squares of a layer. */
typedef struct sums {
    double signal, noise;
} sums;

static void compare_rows(const lb_quant_probe *real, const lb_quant_probe *whole, int i,
                         sums *sum)
{
    for (int k = 0; k < real->n_values; k++) {
        const float *const x = lb_quant_probe_row(real, k, i);
        const float *const y = lb_quant_probe_row(whole, k, i);
        const size_t n = lb_quant_probe_size(real, k);
        for (size_t j = 0; j < n; j++) {
            const double off = (double)x[j] - (double)y[j];
            sum[k].signal += (double)x[j] * (double)x[j];
            sum[k].noise += off * off;
        }
    }
}

static void finish(const sums *sum, int n, lb_layer_error *out)
{
    for (int k = 0; k < n; k++) {
        const double ratio = sum[k].noise / sum[k].signal;
        out[k].sqnr = sum[k].noise > 0 ? -10 * log10(ratio) : (double)INFINITY;
        out[k].relative = sum[k].noise > 0 ? sqrt(ratio) : 0;
    }
}

lb_code lb_quantised_errors(const lb_quantised *q, const lb_tensor *samples,
                            lb_pool *pool, lb_kernels kernels, lb_layer_error *out,
                            lb_error *err)
{
    const lb_quant_where where = {.samples = samples, .pool = pool, .kernels = kernels};
    lb_quant_probe real = {.n_values = 0}, whole = {.n_values = 0};
    lb_arena *const arena = lb_arena_new(0);

    if (!arena)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to compare layers");
    lb_value *const left = LB_TAKE_ARRAY(arena, q->n_layers + 1, lb_value);
    lb_value *const right = LB_TAKE_ARRAY(arena, q->n_layers + 1, lb_value);
    sums *const sum = LB_TAKE_ARRAY(arena, q->n_layers + 1, sums);
    lb_code code = left && right && sum
                       ? LB_OK
                       : lb_raise(err, LB_ERR_MEMORY, "no memory to compare layers");
    for (int k = 0; code == LB_OK && k < q->n_layers; k++) {
        left[k] = q->layer[k].real;
        right[k] = q->layer[k].whole;
    }
    if (code == LB_OK)
        code = lb_quant_probe_open(q->real, left, q->n_layers, &where, &real, err);
    if (code == LB_OK)
        code = lb_quant_probe_open(q->graph, right, q->n_layers, &where, &whole, err);
    for (int first = 0; code == LB_OK && first < samples->shape.dim[0];
         first += real.batch) {
        const int here = lb_quant_probe_run(&real, first);
        (void)lb_quant_probe_run(&whole, first);
        for (int i = 0; i < here; i++)
            compare_rows(&real, &whole, i, sum);
    }
    if (code == LB_OK)
        finish(sum, q->n_layers, out);
    lb_quant_probe_close(&real);
    lb_quant_probe_close(&whole);
    lb_arena_free(arena);
    return code;
}
