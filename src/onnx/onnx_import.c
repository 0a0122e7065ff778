/* onnx_import.c: from a model in memory to a graph.
 *
 * Initialisers begin as constants, so that everything computed from them is folded; those
 * that end up as weights become params at the end. Each node is converted, added and,
 * where all its inputs are known, folded at once: later nodes need the values of shapes
 * to infer their own. What cannot be taken is a finding; nodes behind it are passed over
 * in silence, and all findings are reported together. */
#include "onnx/onnx.h"

#include "graph/passes.h"
#include "onnx/onnx_int.h"
#include "ops/ops.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* Hands on what no finding can mend, and turns the rest into a finding. */
static lb_code settle_builder(lb_onnx_reader *r, lb_onnx_node *node, lb_error *err)
{
    const lb_error error = r->b.error;
    char prefix[160];

    if (error.code == LB_OK)
        return LB_OK;
    if (error.code == LB_ERR_MEMORY || error.code == LB_ERR_BUG) {
        *err = error;
        return error.code;
    }
    r->b.error.code = LB_OK;
    /* "node 'x' (Conv): why": the node is named by the finding already */
    snprintf(prefix, sizeof prefix, " (%s): ", node->op);
    const char *const inner = strstr(error.text, prefix);
    lb_onnx_refuse(r, node, "%s", inner ? inner + strlen(prefix) : error.text);
    return LB_OK;
}

static lb_code no_room(const lb_onnx_reader *r, lb_error *err)
{
    return lb_raise(err, LB_ERR_MEMORY, "%s: no memory to read the network", r->file);
}

static lb_code put_name(lb_onnx_reader *r, const char *name, lb_value value,
                        lb_error *err)
{
    if (!name || !*name)
        return LB_OK;
    if (lb_onnx_names_find(&r->names, name))
        lb_onnx_complain(r, true, "'%.100s' is defined twice", name);
    else if (!lb_onnx_names_put(&r->names, name, value))
        return no_room(r, err);
    return LB_OK;
}

static lb_code add_initialiser(lb_onnx_reader *r, const Onnx__TensorProto *proto,
                               lb_error *err)
{
    lb_tensor *tensor = NULL;
    lb_error why = {0};
    char what[140];

    if (!proto->name || !*proto->name) {
        lb_onnx_complain(r, true, "an initialiser has no name");
        return LB_OK;
    }
    snprintf(what, sizeof what, "initialiser '%.100s'", proto->name);
    const lb_code code = lb_onnx_tensor_in(proto, what, r->b.graph->arena, &tensor, &why);
    if (code == LB_ERR_MEMORY) {
        *err = why;
        return code;
    }
    lb_value v = {0};
    if (code == LB_OK)
        v = lb_constant(&r->b, proto->name, tensor);
    else
        lb_onnx_complain(r, code == LB_ERR_INPUT, "%s", why.text);
    LB_TRY(lb_builder_finish(&r->b, err));
    return put_name(r, proto->name, v, err);
}

/* Dimension i of an input, or -2 with a finding. The first is the batch. */
static int read_dim(lb_onnx_reader *r, const char *name,
                    const Onnx__TensorShapeProto__Dimension *dim, int i)
{
    const bool is_fixed =
        dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
    const bool is_named =
        dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;

    if (i == 0 && is_fixed && dim->dim_value == 1)
        r->batch_was_fixed = true;
    if (i == 0 && (!is_fixed || (dim->dim_value >= -1 && dim->dim_value <= 1)))
        return LB_BATCH;
    if (i == 0) {
        lb_onnx_complain(
            r, false,
            "input '%.100s' has a fixed batch of %lld; export the network with "
            "a batch of 1 or a symbolic one",
            name, (long long)dim->dim_value);
        return -2;
    }
    if (is_fixed && dim->dim_value > 0 && dim->dim_value <= INT_MAX)
        return (int)dim->dim_value;
    if (is_fixed)
        lb_onnx_complain(r, true,
                         "input '%.100s': dimension %d must be above 0, not %lld", name,
                         i, (long long)dim->dim_value);
    else
        lb_onnx_complain(
            r, false,
            "input '%.100s': dimension %d ('%.60s') is open; only the batch may "
            "be, export the network with a fixed size",
            name, i, is_named && dim->dim_param ? dim->dim_param : "?");
    return -2;
}

static bool read_input_shape(lb_onnx_reader *r, const char *name,
                             const Onnx__TensorShapeProto *proto, lb_shape *shape)
{
    size_t n;

    if (!proto || proto->n_dim > LB_MAX_RANK) {
        lb_onnx_complain(r, false,
                         "input '%.100s' has no shape, or more than %d dimensions", name,
                         (int)LB_MAX_RANK);
        return false;
    }
    *shape = (lb_shape){.rank = (int)proto->n_dim};
    for (int i = 0; i < shape->rank; i++) {
        shape->dim[i] = read_dim(r, name, proto->dim[i], i);
        if (shape->dim[i] == -2)
            return false;
    }
    const lb_shape one = lb_shape_bind(shape, 1);
    if (!lb_shape_count(&one, &n)) {
        lb_onnx_complain(r, true, "input '%.100s' has too many elements", name);
        return false;
    }
    return true;
}

static lb_code add_input(lb_onnx_reader *r, const Onnx__ValueInfoProto *info,
                         lb_error *err)
{
    const Onnx__TypeProto *const type = info->type;
    lb_value v = {0};
    lb_shape shape;
    lb_dtype dtype;

    if (!info->name || !*info->name) {
        lb_onnx_complain(r, true, "an input has no name");
        return LB_OK;
    }
    if (lb_onnx_names_find(&r->names, info->name))
        return LB_OK; /* IR 3 lists initialisers as inputs too */
    if (!type || type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE ||
        !type->tensor_type)
        lb_onnx_complain(r, false, "input '%.100s' is no tensor", info->name);
    else if (!lb_onnx_dtype_in(type->tensor_type->elem_type, &dtype))
        lb_onnx_complain(r, false,
                         "input '%.100s' has element type %s (%d), which is not "
                         "supported",
                         info->name, lb_onnx_dtype_name(type->tensor_type->elem_type),
                         type->tensor_type->elem_type);
    else if (read_input_shape(r, info->name, type->tensor_type->shape, &shape))
        v = lb_input(&r->b, info->name, dtype, &shape);
    LB_TRY(lb_builder_finish(&r->b, err));
    return put_name(r, info->name, v, err);
}

/* True if the inputs are all known; a node behind a refused one is passed over. */
static bool find_inputs(lb_onnx_reader *r, lb_onnx_node *node)
{
    const Onnx__NodeProto *const proto = node->proto;
    bool all = true;

    for (size_t i = 0; i < proto->n_input; i++) {
        const char *const name = proto->input[i];
        if (!name || !*name)
            continue;
        const lb_onnx_name *const found = lb_onnx_names_find(&r->names, name);
        if (!found) {
            r->findings.malformed = true;
            lb_onnx_refuse(r, node, "input '%.100s' is not defined before it is used",
                           name);
            return false;
        }
        all = all && found->value.id != 0;
        node->in[i] = found->value;
        node->n_in = (int)i + 1;
    }
    return all;
}

static bool is_onnx_domain(const char *domain)
{
    return !domain || !*domain || strcmp(domain, "ai.onnx") == 0;
}

static bool operator_is_known(lb_onnx_reader *r, lb_onnx_node *node)
{
    const Onnx__NodeProto *const proto = node->proto;
    const lb_op *const op = lb_op_find(node->op);

    if (!is_onnx_domain(proto->domain))
        lb_onnx_refuse(r, node, "operators of domain '%.60s' are not supported",
                       proto->domain);
    else if (!lb_onnx_is_known(node->op))
        lb_onnx_refuse(r, node, "this operator is not supported");
    else if (op && op->opset_min && r->opset < op->opset_min)
        lb_onnx_refuse(r, node, "this operator is supported from opset %d on",
                       op->opset_min);
    else if (op && op->opset_max && r->opset > op->opset_max)
        lb_onnx_refuse(r, node, "this operator is supported up to opset %d",
                       op->opset_max);
    return !node->refused;
}

/* Takes what folding leaves of the budget; 0 if it is used up. */
static size_t room_left(const lb_onnx_reader *r)
{
    const size_t used = lb_arena_used(r->b.graph->arena);

    return used < r->budget ? r->budget - used : 0;
}

/* Adds the node under its own name and gives its value the name from the file. */
static lb_code add_to_graph(lb_onnx_reader *r, lb_onnx_node *node, lb_value *out,
                            lb_error *err)
{
    const lb_op *const op = lb_op_find(node->op);
    lb_graph *const graph = r->b.graph;

    if (!op)
        return lb_bug(err, "operator '%s' is in no table", node->op);
    if (node->n_in > LB_MAX_INPUTS) {
        lb_onnx_refuse(r, node, "%d inputs are too many; at most %d are supported",
                       node->n_in, (int)LB_MAX_INPUTS);
        return LB_OK;
    }
    const lb_value v = lb_add_node(&r->b, op, node->shown, node->in, node->n_in,
                                   node->attr, node->n_attrs);
    LB_TRY(settle_builder(r, node, err));
    if (node->refused)
        return LB_OK;
    lb_node *const added = &graph->nodes[graph->n_nodes - 1];
    const char *const name = lb_arena_copy_text(graph->arena, node->shown);
    if (!name)
        return no_room(r, err);
    added->name = name;
    for (int i = 0; i < added->n_out && (size_t)i < node->proto->n_output; i++) {
        out[i] = lb_nth(&r->b, v, i);
        if (*node->proto->output[i])
            lb_rename(&r->b, out[i], node->proto->output[i]);
    }
    LB_TRY(lb_builder_finish(&r->b, err));
    return lb_fold_last(graph, room_left(r), err);
}

/* Fills out[]; values stay {0} if the node is refused. */
static lb_code take_node(lb_onnx_reader *r, lb_onnx_node *node, lb_value *out,
                         lb_error *err)
{
    if (!operator_is_known(r, node) || !find_inputs(r, node))
        return LB_OK;
    lb_onnx_attrs_in(r, node);
    if (!node->refused)
        lb_onnx_convert(r, node);
    LB_TRY(settle_builder(r, node, err));
    if (node->refused)
        return LB_OK;
    if (node->constant) {
        out[0] = lb_constant(&r->b, node->proto->output[0], node->constant);
        return lb_builder_finish(&r->b, err);
    }
    if (!node->alias)
        return add_to_graph(r, node, out, err);
    if (node->n_in == 0 || node->in[0].id == 0)
        lb_onnx_refuse(r, node, "input 0 is missing");
    else
        out[0] = node->in[0];
    return LB_OK;
}

static lb_code add_node(lb_onnx_reader *r, const Onnx__NodeProto *proto, lb_error *err)
{
    lb_onnx_node node = {.proto = proto, .op = proto->op_type};
    lb_value out[LB_MAX_OUTPUTS] = {{0}};

    if (!proto->op_type || proto->n_output == 0 || !proto->output[0]) {
        lb_onnx_complain(r, true, "node '%.100s' has no operator or no output",
                         proto->name ? proto->name : "");
        return LB_OK;
    }
    node.shown = proto->name && *proto->name ? proto->name : proto->output[0];
    if (proto->n_input > 100000) {
        lb_onnx_refuse(r, &node, "%zu inputs are too many", proto->n_input);
        return LB_OK;
    }
    node.in = LB_TAKE_ARRAY(r->scratch, proto->n_input + LB_MAX_INPUTS, lb_value);
    if (!node.in)
        return no_room(r, err);
    LB_TRY(take_node(r, &node, out, err));
    /* outputs that limbeck does not give stay unknown: using them is a finding */
    const size_t n = proto->n_output < LB_MAX_OUTPUTS ? proto->n_output : LB_MAX_OUTPUTS;
    for (size_t i = 0; i < n; i++)
        if (i == 0 || node.refused || out[i].id)
            LB_TRY(put_name(r, proto->output[i], out[i], err));
    return LB_OK;
}

/* An output that is an alias or a constant would lose its name. */
static lb_code add_output(lb_onnx_reader *r, const Onnx__ValueInfoProto *info,
                          lb_error *err)
{
    const char *const name = info->name ? info->name : "";
    const lb_onnx_name *const found = lb_onnx_names_find(&r->names, name);

    if (!found) {
        lb_onnx_complain(r, true, "output '%.100s' is never computed", name);
        return LB_OK;
    }
    const lb_value v = found->value;
    if (!v.id)
        return LB_OK;
    if (lb_info(r->b.graph, v)->kind == LB_VALUE_NODE)
        lb_rename(&r->b, v, name);
    lb_output(&r->b, v);
    return lb_builder_finish(&r->b, err);
}

static lb_code read_graph(lb_onnx_reader *r, const Onnx__GraphProto *proto, lb_error *err)
{
    if (proto->n_sparse_initializer)
        lb_onnx_complain(r, false, "sparse initialisers are not supported");
    for (size_t i = 0; i < proto->n_initializer; i++)
        LB_TRY(add_initialiser(r, proto->initializer[i], err));
    for (size_t i = 0; i < proto->n_input; i++)
        LB_TRY(add_input(r, proto->input[i], err));
    for (size_t i = 0; i < proto->n_node; i++)
        LB_TRY(add_node(r, proto->node[i], err));
    for (size_t i = 0; i < proto->n_output; i++)
        LB_TRY(add_output(r, proto->output[i], err));
    if (r->b.graph->n_outputs == 0 && r->findings.n == 0)
        lb_onnx_complain(r, true, "the network has no output");
    return LB_OK;
}

/* Operators that exist to be folded must be gone. */
static lb_code finish_graph(lb_onnx_reader *r, lb_error *err)
{
    lb_graph *const graph = r->b.graph;

    if (r->findings.n == 0)
        LB_TRY(lb_remove_dead(graph, err));
    for (int i = 0; i < graph->n_nodes; i++) {
        const lb_node *const node = &graph->nodes[i];
        if (node->op->flags & LB_OP_FOLD_ONLY)
            lb_onnx_complain(
                r, false,
                "node '%.100s' (%s, opset %d): supported only where its inputs "
                "are known before the network runs",
                node->name, node->op->name, r->opset);
    }
    if (r->findings.failed)
        return no_room(r, err);
    LB_TRY(lb_findings_refuse(&r->findings, r->file, err));
    lb_onnx_mark_weights(graph);
    if (lb_graph_check(graph, err) != LB_OK)
        return lb_within(err, "%s", r->file);
    return LB_OK;
}

static lb_code check_version(lb_onnx_reader *r, const Onnx__ModelProto *model,
                             lb_error *err)
{
    int64_t opset = 0;

    if (!model->graph || !model->has_ir_version)
        return lb_raise(err, LB_ERR_INPUT, "%s: not an ONNX file, or cut short", r->file);
    if (model->ir_version < 3)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "%s: IR version %lld is not supported; 3 and later are", r->file,
                        (long long)model->ir_version);
    for (size_t i = 0; i < model->n_opset_import; i++)
        if (is_onnx_domain(model->opset_import[i]->domain))
            opset = model->opset_import[i]->version;
    if (opset == 0)
        return lb_raise(err, LB_ERR_INPUT,
                        "%s: names no opset: not an ONNX file, or cut short", r->file);
    if (opset < LB_ONNX_OPSET_MIN || opset > LB_ONNX_OPSET_MAX)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "%s: opset %lld is not supported; export the network with one "
                        "from %d to %d",
                        r->file, (long long)opset, (int)LB_ONNX_OPSET_MIN,
                        (int)LB_ONNX_OPSET_MAX);
    r->opset = (int)opset;
    return LB_OK;
}

static size_t count_names(const Onnx__GraphProto *graph)
{
    size_t n = graph->n_initializer + graph->n_input;

    for (size_t i = 0; i < graph->n_node; i++)
        n += graph->node[i]->n_output;
    return n;
}

lb_code lb_onnx_read_model(const char *file, size_t size, const Onnx__ModelProto *model,
                           lb_arena *scratch, lb_graph **out, lb_error *err)
{
    enum { BUDGET_PER_BYTE = 16, BUDGET_FLOOR = 64 << 20 };
    lb_onnx_reader r = {.file = file, .scratch = scratch};
    lb_graph *graph = NULL;

    LB_TRY(check_version(&r, model, err));
    if (!lb_onnx_names_init(&r.names, scratch, count_names(model->graph)))
        return no_room(&r, err);
    LB_TRY(lb_graph_new(&graph, err));
    lb_builder_init(&r.b, graph);
    lb_findings_init(&r.findings, scratch);
    r.budget = size * BUDGET_PER_BYTE + BUDGET_FLOOR;
    lb_code code = read_graph(&r, model->graph, err);
    if (code == LB_OK)
        code = finish_graph(&r, err);
    if (code != LB_OK) {
        lb_graph_free(graph);
        return code;
    }
    *out = graph;
    return LB_OK;
}
