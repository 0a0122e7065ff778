/* quant_build.c: writes the graph of a quantised network.
 *
 * Nodes are added in their order. `to` says what each value of the real network is in the
 * new one: where it is held in int8, the value that DequantizeLinear gives. */
#include "compress/quant_int.h"

#include "ops/build.h"
#include "ops/ops.h"

#include <math.h>
#include <string.h>

typedef struct writer {
    const lb_quant *q;
    const lb_graph *from;
    lb_builder b;
    lb_value *to;           /* [values of from] */
    lb_value *scale, *zero; /* of groups, once they are needed */
    lb_quantised *out;
} writer;

static const char *with_tail(writer *w, const char *name, const char *tail)
{
    const char *const text = lb_arena_text(w->q->arena, "%s.%s", name, tail);

    return text ? text : name;
}

static lb_value scalar(writer *w, const char *name, lb_dtype dtype, double value)
{
    const lb_shape shape = {0};
    lb_tensor *const t = lb_build_tensor(&w->b, dtype, &shape);

    if (!t)
        return (lb_value){0};
    lb_tensor_put(t, 0, value);
    return lb_constant(&w->b, name, t);
}

/* The scale and zero point of v's group, named after the first value of it. */
static int group_of(writer *w, lb_value v)
{
    const int group = lb_quant_group(w->q, v);
    const lb_qparams *const s = &w->q->scale[group];
    const char *const name = lb_info(w->from, (lb_value){group})->name;

    if (w->scale[group].id == 0) {
        w->scale[group] =
            scalar(w, with_tail(w, name, "scale"), LB_F32, (double)s->scale);
        w->zero[group] = scalar(w, with_tail(w, name, "zero"), LB_I8, s->zero);
    }
    return group;
}

static bool is_output(const lb_graph *g, lb_value v)
{
    for (int i = 0; i < g->n_outputs; i++)
        if (g->outputs[i].id == v.id)
            return true;
    return false;
}

/* Puts the pair behind `now`, which is what v is in the new graph. An output's name goes
 * to what leaves the network. */
static void hold(writer *w, lb_value v, lb_value now)
{
    const char *const name = lb_info(w->from, v)->name;
    const bool leaves =
        is_output(w->from, v) && lb_info(w->from, v)->kind == LB_VALUE_NODE;
    const int group = group_of(w, v);

    if (leaves)
        lb_rename(&w->b, now, with_tail(w, name, "real"));
    const lb_value whole = lb_quantize(&w->b, now, w->scale[group], w->zero[group], 0,
                                       with_tail(w, name, "q"));
    w->to[v.id] = lb_dequantize(&w->b, whole, w->scale[group], w->zero[group], 0,
                                with_tail(w, name, "dq"));
    if (leaves)
        lb_rename(&w->b, w->to[v.id], name);
}

/* int8 with a scale for all, for a constant that is added or multiplied. */
static lb_value whole_constant(writer *w, const lb_value_info *info)
{
    const lb_tensor *const t = info->tensor;
    double low = 0, high = 0;

    for (size_t i = 0; i < t->n; i++) {
        low = fmin(low, lb_tensor_get(t, i));
        high = fmax(high, lb_tensor_get(t, i));
    }
    const lb_qparams s = lb_quant_scale_of(low, high);
    lb_tensor *const whole = lb_build_tensor(&w->b, LB_I8, &t->shape);
    if (!whole)
        return (lb_value){0};
    for (size_t i = 0; i < t->n; i++)
        lb_tensor_put(
            whole, i,
            fmax(-128, fmin(127, rint(lb_tensor_get(t, i) / (double)s.scale) + s.zero)));
    const lb_value stored = lb_constant(&w->b, info->name, whole);
    const lb_value scale =
        scalar(w, with_tail(w, info->name, "scale"), LB_F32, (double)s.scale);
    const lb_value zero = scalar(w, with_tail(w, info->name, "zero"), LB_I8, s.zero);
    return lb_dequantize(&w->b, stored, scale, zero, 0, with_tail(w, info->name, "dq"));
}

/* Operators whose constants are numbers like those of their other input. */
static bool mixes(const lb_op *op)
{
    return op == &lb_op_Add || op == &lb_op_Sub || op == &lb_op_Mul || op == &lb_op_Div ||
           op == &lb_op_Max || op == &lb_op_Min || op == &lb_op_MatMul ||
           op == &lb_op_Concat;
}

static lb_value copy_constant(writer *w, const lb_value_info *info)
{
    lb_tensor *const copy =
        lb_build_tensor(&w->b, info->tensor->dtype, &info->tensor->shape);

    if (!copy)
        return (lb_value){0};
    if (copy->n)
        memcpy(copy->data, info->tensor->data, lb_tensor_bytes(copy));
    return lb_constant(&w->b, info->name, copy);
}

static lb_value input_of(writer *w, const lb_node *node, int k)
{
    const lb_value_info *const info = lb_info(w->from, node->in[k]);

    if (node->in[k].id == 0 || !info->tensor)
        return w->to[node->in[k].id];
    if (mixes(node->op) && lb_dtype_is_float(info->type.dtype))
        return whole_constant(w, info);
    if (w->to[node->in[k].id].id == 0)
        w->to[node->in[k].id] = copy_constant(w, info);
    return w->to[node->in[k].id];
}

static lb_value list(writer *w, const char *name, const float *x, int n)
{
    const lb_shape shape = lb_shape_of(1, n);
    lb_tensor *const t = lb_build_tensor(&w->b, LB_F32, &shape);

    if (!t)
        return (lb_value){0};
    memcpy(t->data, x, (size_t)n * sizeof *x);
    return lb_constant(&w->b, name, t);
}

/* All 0, and written out: ONNX Runtime's precise mode on AVX2 wants as many as scales. */
static lb_value zero_points(writer *w, const char *weight, int channels)
{
    const lb_shape shape = lb_shape_of(1, channels);
    lb_tensor *const t = lb_build_tensor(&w->b, LB_I8, &shape);

    return t ? lb_constant(&w->b, with_tail(w, weight, "zero"), t) : (lb_value){0};
}

/* The weights of one output stand together, whatever they did before. */
static lb_value whole_weights(writer *w, const lb_quant_layer *l, const char *name,
                              const float *scale, int bits)
{
    const size_t channels = (size_t)l->channels, n = l->weight->n / channels;
    lb_shape shape = l->weight->shape;

    if (l->columns)
        shape = lb_shape_of(2, l->channels, (int)n);
    lb_tensor *const t = lb_build_tensor(&w->b, LB_I8, &shape);
    if (!t)
        return (lb_value){0};
    for (size_t c = 0; c < channels; c++)
        for (size_t i = 0; i < n; i++)
            lb_tensor_put(
                t, c * n + i,
                lb_quant_weight(lb_tensor_get(l->weight, lb_quant_at(l, n, c, i)),
                                (double)scale[c], bits));
    const lb_value stored = lb_constant(&w->b, name, t);
    const lb_value scales = list(w, with_tail(w, name, "scale"), scale, l->channels);
    const lb_value zeros = zero_points(w, name, l->channels);
    return lb_dequantize(&w->b, stored, scales, zeros, 0, with_tail(w, name, "dq"));
}

/* Of scale s_in * s_w; there even where the layer has none, for kernels that want one. */
static lb_value whole_bias(writer *w, const lb_quant_layer *l, const double *shift,
                           const char *name, double input, const float *scale)
{
    const lb_shape shape = lb_shape_of(1, l->channels);
    lb_tensor *const t = lb_build_tensor(&w->b, LB_I32, &shape);
    float *const scales = LB_TAKE_ARRAY(w->q->arena, l->channels, float);

    if (!t || !scales)
        return lb_build_fail(&w->b, LB_ERR_MEMORY, "no memory for a quantised network");
    for (size_t c = 0; c < t->n; c++) {
        const double real =
            (l->bias ? lb_tensor_get(l->bias, c) : 0) + (shift ? shift[c] : 0);
        scales[c] = (float)(input * (double)scale[c]);
        lb_tensor_put(t, c, rint(real / (double)scales[c]));
    }
    const lb_value stored = lb_constant(&w->b, name, t);
    const lb_value of = list(w, with_tail(w, name, "scale"), scales, l->channels);
    return lb_dequantize(&w->b, stored, of, (lb_value){0}, 0, with_tail(w, name, "dq"));
}

static lb_value add_layer(writer *w, int index, const lb_quant_layer *l)
{
    const lb_node *const node = &w->from->nodes[index];
    const lb_attr dense[] = {lb_ai("transB", 1)};
    const bool is_dense = node->op == &lb_op_Gemm;
    const bool has_bias = node->n_in > 2 && node->in[2].id;
    const char *const weight = lb_info(w->from, node->in[1])->name;
    const char *const bias =
        has_bias ? lb_info(w->from, node->in[2])->name : with_tail(w, node->name, "bias");
    const double input = (double)w->q->scale[lb_quant_group(w->q, node->in[0])].scale;
    const double *const shift = w->q->shift ? w->q->shift[index] : NULL;
    float *const scale = LB_TAKE_ARRAY(w->q->arena, l->channels, float);

    if (!scale)
        return lb_build_fail(&w->b, LB_ERR_MEMORY, "no memory for a quantised network");
    lb_quant_weight_scales(l, input, w->q->bits[index], scale);
    const lb_value whole = whole_weights(w, l, weight, scale, w->q->bits[index]);
    const lb_value sums = whole_bias(w, l, shift, bias, input, scale);
    const lb_value in[] = {w->to[node->in[0].id], whole, sums};
    return lb_add_node(&w->b, node->op, node->name, in, 3, is_dense ? dense : node->attrs,
                       is_dense ? 1 : node->n_attrs);
}

static lb_value add_other(writer *w, const lb_node *node)
{
    lb_value in[LB_MAX_INPUTS] = {{0}};

    for (int k = 0; k < node->n_in; k++)
        in[k] = input_of(w, node, k);
    return lb_add_node(&w->b, node->op, node->name, in, node->n_in, node->attrs,
                       node->n_attrs);
}

/* Builders number names that are taken; a node may be called like a value. */
static void name_as(writer *w, const lb_node *node)
{
    lb_graph *const g = w->b.graph;

    if (w->b.error.code != LB_OK)
        return;
    const char *const name = lb_arena_copy_text(g->arena, node->name);
    if (name)
        g->nodes[g->n_nodes - 1].name = name;
}

static void add_node(writer *w, int index)
{
    const lb_node *const node = &w->from->nodes[index];
    lb_quant_layer layer;

    const lb_value first = lb_quant_is_layer(w->q, node, &layer)
                               ? add_layer(w, index, &layer)
                               : add_other(w, node);
    name_as(w, node);
    for (int k = 0; k < node->n_out; k++) {
        const lb_value v = lb_nth(&w->b, first, k);
        const lb_value old = node->out[k];
        lb_rename(&w->b, v, lb_info(w->from, old)->name);
        w->to[old.id] = v;
    }
    for (int k = 0; k < node->n_out; k++)
        if (w->q->held[node->out[k].id])
            hold(w, node->out[k], w->to[node->out[k].id]);
}

/* The node that the layer is named after: what stands before a fused activation. */
static const lb_node *head_of(const writer *w, lb_value v)
{
    const lb_graph *const g = w->from;
    const lb_node *const node = &g->nodes[lb_info(g, v)->node];
    const lb_value_info *const x = lb_info(g, node->in[0]);

    return x->kind == LB_VALUE_NODE && !w->q->held[node->in[0].id] &&
                   lb_quant_activation(g, node->in[0]) == node
               ? &g->nodes[x->node]
               : node;
}

static void list_layers(writer *w)
{
    lb_quantised *const out = w->out;
    lb_quant_layer layer;

    out->layer = LB_TAKE_ARRAY(w->q->arena, w->q->n_sources + 1, lb_quantised_layer);
    for (int k = 0; out->layer && k < w->q->n_sources; k++) {
        const lb_value v = w->q->source[k];
        if (lb_info(w->from, v)->kind != LB_VALUE_NODE)
            continue;
        const lb_node *const head = head_of(w, v);
        const int group = lb_quant_group(w->q, v);
        const ptrdiff_t index = head - w->from->nodes;
        out->layer[out->n_layers++] = (lb_quantised_layer){
            .name = head->name,
            .op = head->op->name,
            .real = v,
            .whole = w->to[v.id],
            .q = w->q->scale[group],
            .bits = lb_quant_is_layer(w->q, head, &layer) ? w->q->bits[index] : 0,
            .sensitivity = w->q->sensitivity[index]};
    }
    if (!out->layer)
        lb_build_fail(&w->b, LB_ERR_MEMORY, "no memory for a quantised network");
}

static void write_graph(writer *w)
{
    const lb_graph *const g = w->from;

    for (int i = 0; i < g->n_inputs; i++) {
        const lb_value v = g->inputs[i];
        const lb_type *const type = &lb_info(g, v)->type;
        w->to[v.id] = lb_input(&w->b, lb_info(g, v)->name, type->dtype, &type->shape);
    }
    for (int i = 0; i < g->n_inputs; i++)
        if (w->q->held[g->inputs[i].id])
            hold(w, g->inputs[i], w->to[g->inputs[i].id]);
    for (int i = 0; i < g->n_nodes; i++)
        add_node(w, i);
    for (int i = 0; i < g->n_outputs; i++)
        lb_output(&w->b, w->to[g->outputs[i].id]);
    list_layers(w);
}

lb_code lb_quant_build(lb_quant *q, lb_quantised *out, lb_error *err)
{
    if (q->setup->options.correct_bias)
        LB_TRY(lb_quant_find_shifts(q, err));
    writer w = {.q = q, .from = q->real, .out = out};

    w.to = LB_TAKE_ARRAY(q->arena, q->real->n_values, lb_value);
    w.scale = LB_TAKE_ARRAY(q->arena, q->real->n_values, lb_value);
    w.zero = LB_TAKE_ARRAY(q->arena, q->real->n_values, lb_value);
    if (!w.to || !w.scale || !w.zero)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for a quantised network");
    LB_TRY(lb_graph_new(&out->graph, err));
    lb_builder_init(&w.b, out->graph);
    write_graph(&w);
    LB_TRY(lb_builder_finish(&w.b, err));
    return lb_graph_check(out->graph, err);
}
