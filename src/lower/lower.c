/* lower.c: walks a folded and fused graph and writes its steps. */
#include "lower/lower_int.h"

#include "base/text.h"

#include <float.h>
#include <string.h>

static const struct {
    const char *op;
    lb_lower_node lower;
} handlers[] = {
    {"Conv", lb_lower_conv},
    {"FusedConv", lb_lower_conv},
    {"Gemm", lb_lower_gemm},
    {"MatMul", lb_lower_matmul},
    {"MaxPool", lb_lower_pool},
    {"AveragePool", lb_lower_pool},
    {"GlobalAveragePool", lb_lower_global_pool},
    {"ReduceMean", lb_lower_reduce_mean},
    {"Add", lb_lower_binary},
    {"Sub", lb_lower_binary},
    {"Mul", lb_lower_binary},
    {"Div", lb_lower_binary},
    {"BatchNormalization", lb_lower_norm},
    {"Relu", lb_lower_clamp},
    {"Clip", lb_lower_clamp},
    {"Softmax", lb_lower_softmax},
    {"Flatten", lb_lower_reshape},
    {"Reshape", lb_lower_reshape},
    {"Squeeze", lb_lower_reshape},
    {"Unsqueeze", lb_lower_reshape},
    {"Identity", lb_lower_reshape},
    {"Transpose", lb_lower_transpose},
    {"Concat", lb_lower_concat},
    {"Pad", lb_lower_pad},
};

lb_lower_node lb_lower_find(const char *op_name)
{
    for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++)
        if (strcmp(handlers[i].op, op_name) == 0)
            return handlers[i].lower;
    return NULL;
}

lb_code lb_low_dims_of(const lb_type *type, lb_low_dims *out, lb_error *err)
{
    const lb_shape *const s = &type->shape;
    char text[LB_SHAPE_TEXT];
    int64_t n = 1;

    if (s->rank < 2 || s->rank > 4 || (s->dim[0] != LB_BATCH && s->dim[0] != 1))
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "a device holds [N,C,H,W], [N,C,L] and [N,D], not %s",
                        lb_shape_text(s, text));
    for (int i = 1; i < s->rank; i++) {
        n *= s->dim[i];
        if (s->dim[i] < 1 || n > 1 << 28)
            return lb_raise(err, LB_ERR_UNSUPPORTED, "%s is beyond a device",
                            lb_shape_text(s, text));
    }
    if (!lb_dtype_is_float(type->dtype))
        return lb_raise(err, LB_ERR_UNSUPPORTED, "a device step takes floats, not %s",
                        lb_dtype_name(type->dtype));
    out->c = s->dim[1];
    out->h = s->rank == 4 ? s->dim[2] : 1;
    out->w = s->rank > 2 ? s->dim[s->rank - 1] : 1;
    return LB_OK;
}

const lb_tensor *lb_low_constant(const lb_lowering *l, const lb_node *node, int i)
{
    return i < node->n_in && node->in[i].id ? lb_info(l->graph, node->in[i])->tensor
                                            : NULL;
}

lb_code lb_low_source(const lb_lowering *l, const lb_node *node, int i, int *buffer,
                      lb_error *err)
{
    const lb_spot *const spot = &l->spot[node->in[i].id];

    if (lb_low_constant(l, node, i))
        return lb_raise(err, LB_ERR_UNSUPPORTED, "its input is a constant");
    if (spot->mixed)
        return lb_raise(err, LB_ERR_UNSUPPORTED, "only a dense layer can read '%s'",
                        lb_info(l->graph, node->in[i])->name);
    *buffer = spot->buffer;
    return LB_OK;
}

/* There is room for every buffer: two for each node at most, one for its scratch memory,
 * and the inputs. */
static int new_buffer(lb_lowering *l, const char *name, const lb_low_dims *dims)
{
    lb_low *const low = l->low;
    const int i = low->n_buffers++;

    low->buffer[i] = (lb_low_buffer){.name = lb_arena_copy_text(l->arena, name),
                                     .dims = *dims,
                                     .bytes = lb_low_count(dims) * sizeof(float),
                                     .alias = -1};
    l->maker[i] = -1;
    return i;
}

lb_code lb_low_result(lb_lowering *l, const lb_node *node, int *buffer, lb_error *err)
{
    const lb_value_info *const info = lb_info(l->graph, node->out[0]);
    lb_low_dims dims;

    LB_TRY(lb_low_dims_of(&info->type, &dims, err));
    *buffer = new_buffer(l, info->name, &dims);
    if (!l->low->buffer[*buffer].name)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the buffer's name");
    l->spot[node->out[0].id] = (lb_spot){.known = true, .buffer = *buffer};
    return LB_OK;
}

lb_low_step *lb_low_append(lb_lowering *l, lb_low_kind kind, const lb_node *node, int in,
                           int out)
{
    lb_low *const low = l->low;
    lb_low_step *const s = &low->step[low->n_steps];

    *s = (lb_low_step){.kind = kind,
                       .name = lb_arena_copy_text(l->arena, node->name),
                       .in = {in, -1},
                       .scratch = -1,
                       .out = out,
                       .kernel_h = 1,
                       .kernel_w = 1,
                       .stride_h = 1,
                       .stride_w = 1,
                       .dilation_h = 1,
                       .dilation_w = 1,
                       .low = -FLT_MAX,
                       .high = FLT_MAX,
                       .other = (double)lb_low_count(&low->buffer[out].dims)};
    l->maker[out] = low->n_steps++;
    return s;
}

lb_code lb_low_take_weights(lb_lowering *l, size_t n_weight, size_t n_bias, lb_error *err)
{
    lb_draft *const d = &l->draft[l->low->n_steps - 1];
    lb_low_step *const s = &l->low->step[l->low->n_steps - 1];

    s->weight = d->weight = LB_TAKE_ARRAY(l->arena, n_weight, float);
    s->bias = d->bias = LB_TAKE_ARRAY(l->arena, n_bias, float);
    if (!d->weight || !d->bias || !s->name)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for %zu weights", n_weight);
    return LB_OK;
}

lb_low_step *lb_low_producer(lb_lowering *l, const lb_node *node, int i)
{
    const lb_spot *const spot = &l->spot[node->in[i].id];

    if (!spot->known || l->maker[spot->buffer] < 0)
        return NULL;
    /* reshapes and folded steps share a buffer: each of them must have this one user */
    for (int v = 1; v < l->graph->n_values; v++)
        if (l->spot[v].known && l->spot[v].buffer == spot->buffer &&
            lb_count_uses(l->graph, (lb_value){v}) != 1)
            return NULL;
    return &l->low->step[l->maker[spot->buffer]];
}

/* Only nodes whose inputs have been lowered can be judged. */
static bool is_ready(const lb_lowering *l, const lb_node *node)
{
    for (int i = 0; i < node->n_in; i++)
        if (node->in[i].id && !lb_info(l->graph, node->in[i])->tensor &&
            !l->spot[node->in[i].id].known)
            return false;
    return true;
}

/* Lowers every node, and raises all refusals together. */
static lb_code lower_nodes(lb_lowering *l, lb_error *err)
{
    int n = 0;
    lb_text refused;

    lb_text_init(&refused, l->arena);
    for (int i = 0; i < l->graph->n_nodes; i++) {
        const lb_node *const node = &l->graph->nodes[i];
        const lb_lower_node lower = lb_lower_find(node->op->name);
        lb_error why = {0};
        if (lower && !is_ready(l, node))
            continue;
        const lb_code code =
            lower ? lower(l, node, &why)
                  : lb_raise(&why, LB_ERR_UNSUPPORTED, "no device step does this");
        if (code == LB_OK)
            continue;
        if (code != LB_ERR_UNSUPPORTED) {
            *err = why;
            return lb_within(err, "node '%s' (%s)", node->name, node->op->name);
        }
        lb_text_add(&refused, "%snode '%s' (%s): %s", n++ > 0 ? "; " : "", node->name,
                    node->op->name, why.text);
    }
    if (refused.failed)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to lower the network");
    if (n > 0)
        return lb_raise(err, LB_ERR_UNSUPPORTED, "%s", refused.chars);
    return LB_OK;
}

static lb_code add_input(lb_lowering *l, lb_value value, lb_error *err)
{
    const lb_value_info *const info = lb_info(l->graph, value);
    lb_low_input *const in = &l->low->input[l->low->n_inputs++];

    if (lb_low_dims_of(&info->type, &in->dims, err) != LB_OK)
        return lb_within(err, "input '%s'", info->name);
    in->name = lb_arena_copy_text(l->arena, info->name);
    in->buffer = new_buffer(l, info->name, &in->dims);
    if (!in->name || !l->low->buffer[in->buffer].name)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to lower the network");
    l->spot[value.id] = (lb_spot){.known = true, .buffer = in->buffer};
    return LB_OK;
}

static lb_code begin(lb_lowering *l, lb_error *err)
{
    const lb_graph *const g = l->graph;
    lb_low *const low = LB_TAKE(l->arena, lb_low);

    if (g->n_inputs < 1 || g->n_inputs > LB_LOW_INPUTS || g->n_outputs != 1)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "the network has %d inputs and %d outputs; a device takes up to "
                        "%d inputs and one output",
                        g->n_inputs, g->n_outputs, LB_LOW_INPUTS);
    l->low = low;
    l->spot = LB_TAKE_ARRAY(l->arena, g->n_values, lb_spot);
    l->draft = LB_TAKE_ARRAY(l->arena, g->n_nodes + 1, lb_draft);
    l->maker = LB_TAKE_ARRAY(l->arena, 3 * g->n_nodes + LB_LOW_INPUTS, int);
    if (!low || !l->spot || !l->draft || !l->maker)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to lower the network");
    low->step = LB_TAKE_ARRAY(l->arena, g->n_nodes + 1, lb_low_step);
    low->buffer = LB_TAKE_ARRAY(l->arena, 3 * g->n_nodes + LB_LOW_INPUTS, lb_low_buffer);
    const lb_value_info *const out = lb_info(g, g->outputs[0]);
    low->output_name = lb_arena_copy_text(l->arena, out->name);
    if (!low->step || !low->buffer || !low->output_name)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to lower the network");
    for (int k = 0; k < g->n_inputs; k++)
        LB_TRY(add_input(l, g->inputs[k], err));
    return LB_OK;
}

static lb_code lower_graph(lb_lowering *l, lb_error *err)
{
    const lb_graph *const g = l->graph;

    LB_TRY(begin(l, err));
    LB_TRY(lower_nodes(l, err)); /* first: a strange output follows from a refused node */
    if (lb_low_dims_of(&lb_info(g, g->outputs[0])->type, &l->low->output, err) != LB_OK)
        return lb_within(err, "output '%s'", l->low->output_name);
    const lb_spot *const out = &l->spot[g->outputs[0].id];
    if (l->low->n_steps == 0 || !out->known || out->mixed)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "output '%s' is not computed from the input by any device step",
                        l->low->output_name);
    for (int i = 0; i < l->low->n_steps; i++)
        if (!l->low->step[i].name)
            return lb_raise(err, LB_ERR_MEMORY, "no memory to lower the network");
    l->low->output_buffer = out->buffer;
    if (l->stored)
        LB_TRY(lb_low_quantise(l, err));
    for (int i = 0; i < l->low->n_steps; i++) {
        lb_low_step *const s = &l->low->step[i];
        s->other += lb_low_unpacked(l->low, s) / 8; /* two words at a time */
        l->low->weight_bytes += lb_low_constant_bytes(l->low, s);
    }
    return lb_low_place(l, err);
}

/* The graph in the form that nodes are lowered from. */
static lb_code prepare(lb_graph *g, lb_lowering *l, lb_error *err)
{
    if (lb_is_quantised(g)) {
        LB_TRY(lb_low_read_grids(g, l->arena, &l->stored, err));
    } else {
        LB_TRY(lb_fold_batch_norm(g, err));
        LB_TRY(lb_fuse_convolutions(g, err));
    }
    return lb_remove_dead(g, err);
}

lb_code lb_lower_rounded(const lb_graph *graph, lb_rounding rounding, lb_arena *arena,
                         lb_low **out, lb_error *err)
{
    lb_graph *copy = NULL;
    lb_code code = lb_graph_clone(graph, &copy, err);
    lb_lowering l = {.graph = copy, .arena = arena, .rounding = rounding};

    if (code == LB_OK)
        code = prepare(copy, &l, err);
    if (code == LB_OK)
        code = lower_graph(&l, err);
    if (code == LB_OK)
        *out = l.low;
    lb_graph_free(copy);
    return code;
}

lb_code lb_lower(const lb_graph *graph, lb_arena *arena, lb_low **out, lb_error *err)
{
    return lb_lower_rounded(graph, LB_ROUND_SINGLE, arena, out, err);
}
