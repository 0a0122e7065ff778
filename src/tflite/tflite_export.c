/* tflite_export.c: a quantised graph as an int8 .tflite file.
 *
 * The graph is read as it is meant: a QuantizeLinear gives the value that it reads a
 * grid, and with it a tensor of the file; a DequantizeLinear of such a value is the same
 * tensor again; one of constants keeps weights. Every other node becomes an operator, a
 * Relu or Clip behind a sum a part of it. What only moves elements takes over the grid of
 * its input where it has none of its own. All that cannot be written is told together. */
#include "tflite/tflite.h"

#include "tflite/tflite_write.h"

#include <string.h>

enum { REFUSED = -2 }; /* of a value's tensor: its node was refused */

static bool is_quantize(const lb_node *node)
{
    return strcmp(node->op->name, "QuantizeLinear") == 0;
}

static bool is_dequantize(const lb_node *node)
{
    return strcmp(node->op->name, "DequantizeLinear") == 0;
}

/* A second grid for what is on one already is a rescaling. */
static bool put_rescaling(lb_tfl_writer *w, const lb_node *node, int from, float scale,
                          int zero)
{
    lb_tfl_sketch t = lb_tfl_sketch_of(w, node->out[0]);

    if (!lb_tfl_set_grid(w, &t, scale, zero))
        return false;
    t.map = w->draft.tensor[from].map;
    const int to = lb_tfl_add_tensor(w, &t);
    const lb_tfl_step step = {.code = LB_TFL_QUANTIZE,
                              .version = 2,
                              .in = {from},
                              .n_in = 1,
                              .out = to,
                              .options_type = LB_TFL_QUANTIZE_OPTIONS};
    lb_tfl_add_step(w, &step);
    w->tensor[node->out[0].id] = to;
    return to >= 0;
}

static bool put_quantize(lb_tfl_writer *w, const lb_node *node)
{
    const lb_value x = node->in[0];
    const lb_value_info *const info = lb_info(w->g, x);
    float scale = 0;
    int zero = 0;

    const int from = lb_tfl_input(w, node, 0);
    if (from < 0 || !lb_tfl_read_grid(w, node, &scale, &zero))
        return false;
    w->tensor[node->out[0].id] = from;
    if (lb_tfl_has_grid(&w->draft.tensor[from], scale, zero))
        return true;
    if (info->kind != LB_VALUE_NODE || !is_dequantize(&w->g->nodes[info->node]))
        return lb_tfl_cannot(w, node, "'%.100s' is quantised in two ways", info->name);
    return put_rescaling(w, node, from, scale, zero);
}

static bool put_dequantize(lb_tfl_writer *w, const lb_node *node)
{
    const lb_tensor *const whole = lb_info(w->g, node->in[0])->tensor;
    const lb_tensor *const scale = lb_info(w->g, node->in[1])->tensor;
    const lb_tensor *const zero =
        node->n_in > 2 ? lb_info(w->g, node->in[2])->tensor : NULL;

    if (!whole) {
        w->tensor[node->out[0].id] = lb_tfl_input(w, node, 0);
        return w->tensor[node->out[0].id] >= 0;
    }
    for (size_t i = 0; zero && i < zero->n; i++)
        if (lb_tensor_get(zero, i) != 0)
            return lb_tfl_cannot(w, node, "the zero point of weights must be 0");
    int axis = (int)lb_attr_int(node, "axis", 1);
    axis += axis < 0 ? whole->shape.rank : 0;
    w->kept[node->out[0].id] = (lb_tfl_kept){whole, scale, axis};
    return true;
}

/* What depends on a refused node is passed over in silence. */
static void mark_refused(lb_tfl_writer *w, const lb_node *node)
{
    const int v = node->out[0].id, user = w->last_user[v];

    w->tensor[v] = REFUSED;
    if (user >= 0 && w->done[user])
        w->tensor[w->g->nodes[user].out[0].id] = REFUSED;
}

static void put_node(lb_tfl_writer *w, int i)
{
    const lb_node *const node = &w->g->nodes[i];
    const lb_tfl_put put = lb_tfl_find_put(node->op->name);
    bool fine = true;

    if (w->done[i])
        return;
    if (is_quantize(node))
        fine = put_quantize(w, node);
    else if (is_dequantize(node))
        fine = put_dequantize(w, node);
    else if (put)
        fine = put(w, node);
    else
        fine = lb_tfl_cannot(w, node, "the file has no operator for it");
    if (!fine)
        mark_refused(w, node);
}

static bool take_tables(lb_tfl_writer *w)
{
    const lb_graph *const g = w->g;
    const int n = g->n_values;

    w->kept = LB_TAKE_ARRAY(w->arena, n, lb_tfl_kept);
    w->tensor = LB_TAKE_ARRAY(w->arena, n, int);
    w->quantized_by = LB_TAKE_ARRAY(w->arena, n, int);
    w->uses = LB_TAKE_ARRAY(w->arena, n, int);
    w->last_user = LB_TAKE_ARRAY(w->arena, n, int);
    w->name = LB_TAKE_ARRAY(w->arena, n, const char *);
    w->done = LB_TAKE_ARRAY(w->arena, g->n_nodes + 1, bool);
    w->draft.input = LB_TAKE_ARRAY(w->arena, g->n_inputs + 1, int32_t);
    w->draft.output = LB_TAKE_ARRAY(w->arena, g->n_outputs + 1, int32_t);
    return w->kept && w->tensor && w->quantized_by && w->uses && w->last_user &&
           w->name && w->done && w->draft.input && w->draft.output;
}

/* The value that a dequantised one stands for, if it is quantised for it alone. */
static lb_value origin_of(const lb_graph *g, lb_value v)
{
    const lb_value_info *info = lb_info(g, v);

    for (int i = 0; i < 2; i++) {
        if (info->kind != LB_VALUE_NODE)
            return (lb_value){0};
        const lb_node *const node = &g->nodes[info->node];
        if (!(i == 0 ? is_dequantize(node) : is_quantize(node)))
            return (lb_value){0};
        v = node->in[0];
        info = lb_info(g, v);
    }
    return info->kind == LB_VALUE_NODE ? v : (lb_value){0};
}

static void look_around(lb_tfl_writer *w)
{
    const lb_graph *const g = w->g;

    for (int v = 0; v < g->n_values; v++)
        w->tensor[v] = w->quantized_by[v] = w->last_user[v] = -1;
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i].n_in; k++) {
            const int v = g->nodes[i].in[k].id;
            w->uses[v]++;
            w->last_user[v] = i;
            if (k == 0 && is_quantize(&g->nodes[i]) && w->quantized_by[v] < 0)
                w->quantized_by[v] = i;
        }
    for (int i = 0; i < g->n_outputs; i++) {
        const lb_value origin = origin_of(g, g->outputs[i]);
        w->uses[g->outputs[i].id]++;
        if (origin.id) /* the file calls it as the graph's users do */
            w->name[origin.id] = lb_info(g, g->outputs[i])->name;
    }
}

static void put_inputs(lb_tfl_writer *w)
{
    const lb_graph *const g = w->g;

    for (int i = 0; i < g->n_inputs; i++) {
        const lb_value v = g->inputs[i];
        const int q = w->quantized_by[v.id];
        lb_tfl_sketch t = lb_tfl_sketch_of(w, v);
        float scale = 0;
        int zero = 0;
        if (q < 0)
            lb_findings_add(&w->findings, 0, 0, "input '%.100s' is not quantised",
                            lb_info(g, v)->name);
        else if (t.shape.rank < 2 || t.shape.rank > 4)
            lb_findings_add(&w->findings, 0, 0, "input '%.100s' has %d dimensions",
                            lb_info(g, v)->name, t.shape.rank);
        else if (lb_tfl_read_grid(w, &g->nodes[q], &scale, &zero) &&
                 lb_tfl_set_grid(w, &t, scale, zero))
            w->tensor[v.id] = lb_tfl_add_tensor(w, &t);
        if (w->tensor[v.id] < 0)
            w->tensor[v.id] = REFUSED;
        w->draft.input[w->draft.n_inputs++] = w->tensor[v.id];
    }
}

static void put_outputs(lb_tfl_writer *w)
{
    for (int i = 0; i < w->g->n_outputs; i++) {
        const lb_value v = w->g->outputs[i];
        const int t = w->tensor[v.id];
        if (t == -1 && !w->failed)
            lb_findings_add(&w->findings, 0, 0, "output '%.100s' is not quantised",
                            lb_info(w->g, v)->name);
        else if (t >= 0 && w->draft.tensor[t].map.rank)
            lb_findings_add(&w->findings, 0, 0,
                            "output '%.100s' is a flattened map: its elements would come "
                            "in another order",
                            lb_info(w->g, v)->name);
        w->draft.output[w->draft.n_outputs++] = t;
    }
}

static lb_code make_draft(lb_tfl_writer *w, const char *path, lb_error *err)
{
    if (!take_tables(w))
        return lb_raise(err, LB_ERR_MEMORY, "%s: no memory to write the network", path);
    look_around(w);
    put_inputs(w);
    for (int i = 0; i < w->g->n_nodes; i++)
        put_node(w, i);
    put_outputs(w);
    if (w->failed || w->findings.failed)
        return lb_raise(err, LB_ERR_MEMORY, "%s: no memory to write the network", path);
    return lb_findings_raise(&w->findings, LB_ERR_UNSUPPORTED, path,
                             "a .tflite file cannot hold this network; nothing was "
                             "written",
                             err);
}

lb_code lb_tflite_save(const lb_graph *graph, const char *path, lb_error *err)
{
    lb_tfl_writer w = {.g = graph, .arena = lb_arena_new(0)};
    lb_bytes bytes = {0};

    if (!w.arena)
        return lb_raise(err, LB_ERR_MEMORY, "%s: no memory to write the network", path);
    lb_findings_init(&w.findings, w.arena);
    lb_code code = make_draft(&w, path, err);
    if (code == LB_OK)
        code = lb_tfl_pack(&w.draft, w.arena, &bytes, err);
    if (code == LB_OK)
        code = lb_write_file(path, bytes.data, bytes.size, err);
    lb_arena_free(w.arena);
    return code;
}
