/* tflite_import.c: from the operators of a file to a graph.
 *
 * Operators stand in an order in which they can run. Each becomes a node over real
 * numbers, and its result is put on the grid of its tensor. What cannot be taken is a
 * finding; operators behind it are passed over in silence, and all findings are reported
 * together. */
#include "tflite/tflite.h"

#include "base/file.h"
#include "graph/passes.h"
#include "ops/build.h"
#include "tflite/tflite_int.h"

#include <string.h>

static lb_code no_room(const lb_tfl_reader *r, lb_error *err)
{
    return lb_raise(err, LB_ERR_MEMORY, "%s: no memory to read the network", r->name);
}

static void count_uses(lb_tfl_reader *r)
{
    const lb_tfl_file *const f = &r->file;

    for (int i = 0; i < f->n_ops; i++) {
        const lb_tfl_op *const op = &f->op[i];
        for (int k = 0; k < op->n_in; k++) {
            if (op->in[k] < 0)
                continue;
            r->spot[op->in[k]].uses++;
            r->spot[op->in[k]].dense_uses += op->code == LB_TFL_FULLY_CONNECTED && k == 0;
        }
    }
    for (int i = 0; i < f->n_outputs; i++) {
        r->spot[f->output[i]].uses++;
        r->spot[f->output[i]].is_output = true;
    }
}

/* Why an activation cannot be this tensor, or NULL. */
static const char *trouble_with(const lb_tfl_tensor *t, bool may_be_uint8)
{
    if (t->strange)
        return t->strange;
    if (t->type == LB_TFL_INT8 && t->scale.n != 1)
        return "it is int8 without one scale for all its elements";
    if (t->type == LB_TFL_INT8 && !lb_tfl_grid_is_sound(t))
        return "its scale or zero point is none that int8 can have";
    if (t->type == LB_TFL_UINT8 && !may_be_uint8)
        return "it is uint8; convert the network with int8 activations";
    if (t->type != LB_TFL_FLOAT32 && t->type != LB_TFL_INT8 && t->type != LB_TFL_UINT8)
        return "its element type is neither float32 nor int8";
    if (t->shape.rank < 2)
        return "it has no axis beside the batch";
    if (t->shape.dim[0] != 1)
        return "its batch is fixed at more than 1; export the network with a batch of 1";
    return NULL;
}

/* Hands on what no finding can mend, and turns the rest into a finding. */
static lb_code settle_builder(lb_tfl_reader *r, lb_tfl_node *node, lb_error *err)
{
    const lb_error error = r->b.error;

    if (error.code == LB_OK)
        return LB_OK;
    if (error.code == LB_ERR_MEMORY || error.code == LB_ERR_BUG) {
        *err = error;
        return error.code;
    }
    r->b.error.code = LB_OK;
    /* "node 'x' (Conv): why": the node is named by the finding already */
    const char *const inner = strstr(error.text, "): ");
    if (error.code == LB_ERR_INPUT)
        lb_tfl_blame(r, node, "%s", inner ? inner + 3 : error.text);
    else
        lb_tfl_refuse(r, node, "%s", inner ? inner + 3 : error.text);
    return LB_OK;
}

static lb_code add_input(lb_tfl_reader *r, int tensor, lb_error *err)
{
    const lb_tfl_tensor *const t = &r->file.tensor[tensor];
    lb_tfl_spot *const spot = &r->spot[tensor];
    const char *const trouble = trouble_with(t, true);

    if (trouble || lb_tfl_is_constant(t) || spot->state != LB_TFL_UNKNOWN) {
        lb_tfl_complain(r, !trouble, "input '%.100s': %s", t->name,
                        trouble ? trouble : "it is a constant, or is named twice");
        spot->state = LB_TFL_REFUSED;
        return LB_OK;
    }
    const lb_shape shape = lb_tfl_shape_in(&t->shape);
    spot->v = lb_input(&r->b, *t->name ? t->name : "input", LB_F32, &shape);
    if (t->type == LB_TFL_INT8)
        spot->v = lb_tfl_on_grid(r, spot->v, t, false);
    spot->state = LB_TFL_READY;
    return lb_builder_finish(&r->b, err);
}

/* Gathers the activations; false if one is not there. */
static bool find_inputs(lb_tfl_reader *r, lb_tfl_node *node, const lb_tfl_row *row)
{
    const lb_tfl_op *const op = node->op;
    const int n = row->n_x < 0 ? op->n_in : row->n_x;

    for (int k = 0; k < n && !node->refused; k++) {
        const lb_tfl_tensor *const t = lb_tfl_in(r, node, k);
        const lb_tfl_spot *const spot = t ? &r->spot[op->in[k]] : NULL;
        if (!t)
            lb_tfl_blame(r, node, "input %d is missing", k);
        else if (spot->state == LB_TFL_REFUSED)
            node->refused = true;
        else if (spot->state == LB_TFL_READY)
            node->x[k] = spot->v;
        else if (lb_tfl_is_constant(t) && op->code != LB_TFL_DEQUANTIZE)
            lb_tfl_refuse(r, node, "its input '%.100s' is a constant", t->name);
        else if (spot->state == LB_TFL_SHAPES)
            lb_tfl_refuse(r, node, "it reads '%.100s', a shape", t->name);
        else if (!lb_tfl_is_constant(t))
            lb_tfl_blame(r, node, "its input '%.100s' is not computed before it",
                         t->name);
    }
    return !node->refused;
}

static bool is_well_formed(lb_tfl_reader *r, lb_tfl_node *node, const lb_tfl_row *row)
{
    const lb_tfl_op *const op = node->op;

    if (!row)
        lb_tfl_refuse(r, node, "this operator is not supported");
    else if (op->n_out != 1 || op->n_in < row->min_in || op->n_in > row->max_in)
        lb_tfl_refuse(r, node, "%d inputs and %d outputs are not supported", op->n_in,
                      op->n_out);
    else if (row->options && op->options.at && op->options_type != row->options)
        lb_tfl_blame(r, node, "its options are those of another operator");
    else if (r->spot[op->out[0]].state != LB_TFL_UNKNOWN ||
             lb_tfl_is_constant(lb_tfl_out(r, node)))
        lb_tfl_blame(r, node, "its output is there before it");
    return !node->refused;
}

/* What came out must be what the file says. */
static void check_result(lb_tfl_reader *r, lb_tfl_node *node, lb_value v)
{
    const lb_tfl_tensor *const t = lb_tfl_out(r, node);
    const lb_shape should = lb_tfl_shape_in(&t->shape);
    const lb_shape is = lb_type_of(&r->b, v).shape;
    char a[LB_SHAPE_TEXT], b[LB_SHAPE_TEXT];

    if (!node->refused && r->b.error.code == LB_OK && !lb_shape_equal(&is, &should))
        lb_tfl_blame(r, node, "its output should be %s, but the file says %s",
                     lb_shape_text(&is, a), lb_shape_text(&should, b));
}

static lb_code take_node(lb_tfl_reader *r, lb_tfl_node *node, lb_error *err)
{
    const lb_tfl_row *const row = lb_tfl_find_row(node->op->code);

    if (!is_well_formed(r, node, row) || !find_inputs(r, node, row))
        return LB_OK;
    const lb_tfl_tensor *const t = lb_tfl_out(r, node);
    const char *const trouble =
        row->n_x == 0 ? NULL : trouble_with(t, node->op->code == LB_TFL_QUANTIZE);
    if (trouble && !(node->op->code == LB_TFL_DEQUANTIZE && !node->x[0].id))
        lb_tfl_refuse(r, node, "its output cannot be taken: %s", trouble);
    lb_value v = node->refused ? (lb_value){0} : row->take(r, node);
    LB_TRY(settle_builder(r, node, err));
    lb_tfl_spot *const spot = &r->spot[node->op->out[0]];
    if (node->refused || !v.id) {
        spot->state = node->result;
        return LB_OK;
    }
    check_result(r, node, v);
    const bool on_grid = t->type == LB_TFL_INT8;
    if (!node->passes)
        lb_tfl_name(r, v, t, on_grid && spot->is_output ? "_real" : "");
    if (on_grid)
        v = lb_tfl_on_grid(r, v, t, spot->is_output);
    LB_TRY(settle_builder(r, node, err));
    spot->v = v;
    spot->map = node->map;
    spot->bare = node->bare;
    memcpy(spot->pads, node->pads, sizeof spot->pads);
    spot->state = node->result;
    return LB_OK;
}

static lb_code add_node(lb_tfl_reader *r, int index, lb_error *err)
{
    lb_tfl_node node = {.op = &r->file.op[index], .index = index, .result = LB_TFL_READY};

    LB_TRY(take_node(r, &node, err));
    for (int k = 0; node.refused && k < node.op->n_out; k++)
        r->spot[node.op->out[k]].state = LB_TFL_REFUSED;
    if (lb_arena_used(r->b.graph->arena) > r->budget)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "%s: the network takes more memory than a file of this size may "
                        "ask for",
                        r->name);
    return LB_OK;
}

static lb_code add_output(lb_tfl_reader *r, int tensor, lb_error *err)
{
    const lb_tfl_tensor *const t = &r->file.tensor[tensor];
    const lb_tfl_spot *const spot = &r->spot[tensor];

    if (spot->state == LB_TFL_REFUSED)
        return LB_OK;
    if (spot->state != LB_TFL_READY || !spot->v.id) {
        lb_tfl_complain(r, true, "output '%.100s' is never computed", t->name);
        return LB_OK;
    }
    if (*t->name && lb_info(r->b.graph, spot->v)->kind == LB_VALUE_NODE)
        lb_rename(&r->b, spot->v, t->name);
    lb_output(&r->b, spot->v);
    return lb_builder_finish(&r->b, err);
}

static lb_code finish_graph(lb_tfl_reader *r, lb_error *err)
{
    lb_graph *const graph = r->b.graph;

    if (graph->n_outputs == 0 && r->findings.n == 0)
        lb_tfl_complain(r, true, "the network has no output");
    if (r->findings.failed)
        return no_room(r, err);
    LB_TRY(lb_findings_refuse(&r->findings, r->name, err));
    LB_TRY(lb_remove_dead(graph, err));
    if (lb_graph_check(graph, err) != LB_OK)
        return lb_within(err, "%s", r->name);
    return LB_OK;
}

static lb_code read_graph(lb_tfl_reader *r, lb_error *err)
{
    const lb_tfl_file *const f = &r->file;

    count_uses(r);
    for (int i = 0; i < f->n_inputs; i++)
        LB_TRY(add_input(r, f->input[i], err));
    for (int i = 0; i < f->n_ops; i++)
        LB_TRY(add_node(r, i, err));
    for (int i = 0; i < f->n_outputs; i++)
        LB_TRY(add_output(r, f->output[i], err));
    if (r->file.flat.broken) /* the options of an operator */
        return lb_raise(err, LB_ERR_INPUT, "%s: not a TensorFlow Lite file, or cut short",
                        r->name);
    return finish_graph(r, err);
}

lb_code lb_tfl_import(lb_tfl_reader *r, lb_graph **out, lb_error *err)
{
    lb_graph *graph = NULL;

    r->spot = LB_TAKE_ARRAY(r->scratch, r->file.n_tensors + 1, lb_tfl_spot);
    if (!r->spot)
        return no_room(r, err);
    LB_TRY(lb_graph_new(&graph, err));
    lb_builder_init(&r->b, graph);
    lb_findings_init(&r->findings, r->scratch);
    const lb_code code = read_graph(r, err);
    if (code != LB_OK) {
        lb_graph_free(graph);
        return code;
    }
    *out = graph;
    return LB_OK;
}
