/* lower_grids.c: reads how the values of a quantised graph are stored, and turns it into
 * the graph of floats that it stands for. */
#include "lower/lower_int.h"

#include <math.h>
#include <string.h>

static bool is_quantize(const lb_node *node)
{
    return strcmp(node->op->name, "QuantizeLinear") == 0;
}

static bool is_dequantize(const lb_node *node)
{
    return strcmp(node->op->name, "DequantizeLinear") == 0;
}

bool lb_is_quantised(const lb_graph *graph)
{
    for (int i = 0; i < graph->n_nodes; i++)
        if (is_quantize(&graph->nodes[i]) || is_dequantize(&graph->nodes[i]))
            return true;
    return false;
}

typedef struct reading {
    lb_graph *g;
    lb_arena *arena;
    lb_stored *stored;
} reading;

static const lb_tensor *tensor_of(const lb_graph *g, const lb_node *node, int i)
{
    return i < node->n_in && node->in[i].id ? lb_info(g, node->in[i])->tensor : NULL;
}

static lb_code check_scales(const lb_tensor *t, lb_error *err)
{
    if (!t || t->n == 0)
        return lb_raise(err, LB_ERR_UNSUPPORTED, "its scale must be constant");
    for (size_t i = 0; i < t->n; i++) {
        const double scale = lb_tensor_get(t, i);
        if (!isfinite(scale) || scale <= 0)
            return lb_raise(err, LB_ERR_UNSUPPORTED,
                            "its scale must be a positive number, not %g", scale);
    }
    return LB_OK;
}

static bool all_zero(const lb_tensor *t)
{
    for (size_t i = 0; t && i < t->n; i++)
        if (lb_tensor_get(t, i) != 0)
            return false;
    return true;
}

/* Weights or a bias: the output becomes a constant that holds the integers. */
static lb_code read_constant(reading *r, const lb_node *node, const lb_tensor *from,
                             lb_error *err)
{
    lb_value_info *const info = &r->g->values[node->out[0].id];
    const lb_tensor *const scales = tensor_of(r->g, node, 1);
    lb_tensor *as_float;

    LB_TRY(check_scales(scales, err));
    if (from->dtype != LB_I8 && from->dtype != LB_I32)
        return lb_raise(err, LB_ERR_UNSUPPORTED, "weights are int8 here, not %s",
                        lb_dtype_name(from->dtype));
    if (!all_zero(tensor_of(r->g, node, 2)))
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "the zero point of weights must be 0: symmetric int8");
    LB_TRY(lb_tensor_cast(r->arena, from, LB_F32, &as_float, err));
    r->stored[node->out[0].id] = (lb_stored){.known = true,
                                             .integer = from,
                                             .scales = scales,
                                             .axis = (int)lb_attr_int(node, "axis", 1)};
    info->kind = LB_VALUE_CONSTANT;
    info->tensor = as_float;
    info->node = -1;
    return LB_OK;
}

/* The grid of a QuantizeLinear or DequantizeLinear of what a step computes. */
static lb_code read_grid(const reading *r, const lb_node *node, lb_qparams *out,
                         lb_error *err)
{
    const lb_tensor *const scale = tensor_of(r->g, node, 1);
    const lb_tensor *const zero = tensor_of(r->g, node, 2);

    LB_TRY(check_scales(scale, err));
    if (scale->n != 1 || (zero && zero->n != 1))
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "activations have one scale on a device, not %zu", scale->n);
    const bool is_int8 = zero ? zero->dtype == LB_I8
                              : r->stored[node->in[0].id].known ||
                                    lb_info(r->g, node->in[0])->type.dtype == LB_I8;
    if (!is_int8)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "activations are int8 on a device: its zero point must be int8, "
                        "not %s",
                        zero ? lb_dtype_name(zero->dtype) : "left out (uint8)");
    out->scale = (float)lb_tensor_get(scale, 0);
    out->zero = zero ? (int)lb_tensor_get(zero, 0) : 0;
    return LB_OK;
}

static void use_instead(lb_graph *g, lb_value old, lb_value new)
{
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i].n_in; k++)
            if (g->nodes[i].in[k].id == old.id)
                g->nodes[i].in[k] = new;
    for (int i = 0; i < g->n_outputs; i++)
        if (g->outputs[i].id == old.id)
            g->outputs[i] = new;
}

/* Notes the grid of the node's input and lets its users read that instead. */
static lb_code read_activation(reading *r, const lb_node *node, lb_error *err)
{
    const lb_value x = node->in[0];
    lb_stored *const s = &r->stored[x.id];
    lb_qparams q;

    LB_TRY(read_grid(r, node, &q, err));
    if (s->known && (s->q.scale != q.scale || s->q.zero != q.zero))
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "'%s' is quantised in two ways, which a device does not do",
                        lb_info(r->g, x)->name);
    *s = (lb_stored){.known = true, .q = q};
    r->g->values[x.id].type.dtype = LB_F32; /* an int8 input of the graph */
    use_instead(r->g, node->out[0], x);
    r->g->values[node->out[0].id].kind = LB_VALUE_NONE;
    return LB_OK;
}

static lb_code read_node(reading *r, const lb_node *node, lb_error *err)
{
    const lb_tensor *const constant = tensor_of(r->g, node, 0);

    if (!constant)
        return read_activation(r, node, err);
    if (is_dequantize(node))
        return read_constant(r, node, constant, err);
    return lb_raise(err, LB_ERR_UNSUPPORTED,
                    "it quantises a constant: store the integers instead");
}

lb_code lb_low_read_grids(lb_graph *g, lb_arena *arena, const lb_stored **out,
                          lb_error *err)
{
    reading r = {.g = g, .arena = arena};
    int kept = 0;

    r.stored = LB_TAKE_ARRAY(arena, g->n_values, lb_stored);
    if (!r.stored)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to lower the network");
    for (int i = 0; i < g->n_nodes; i++) {
        /* reads through g->nodes: an earlier node's users have been changed by now */
        const lb_node node = g->nodes[i];
        if (!is_quantize(&node) && !is_dequantize(&node)) {
            for (int k = 0; k < node.n_out; k++)
                g->values[node.out[k].id].node = kept;
            g->nodes[kept++] = node;
            continue;
        }
        if (read_node(&r, &node, err) != LB_OK)
            return lb_within(err, "node '%s' (%s)", node.name, node.op->name);
    }
    g->n_nodes = kept;
    *out = r.stored;
    return LB_OK;
}

bool lb_low_same_grid(const lb_lowering *l, lb_value a, lb_value b)
{
    if (!l->stored || !l->stored[a.id].known || !l->stored[b.id].known)
        return true;
    const lb_qparams *const p = &l->stored[a.id].q, *const q = &l->stored[b.id].q;
    return p->scale == q->scale && p->zero == q->zero;
}
