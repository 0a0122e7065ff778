/* tflite_export_ops.c: the operators of the file that have no weights, and the table of
 * all that are written. */
#include "tflite/tflite_write.h"

#include "ops/cut.h"

#include <string.h>

static bool put_add(lb_tfl_writer *w, const lb_node *node)
{
    lb_value v = node->out[0];

    const int a = lb_tfl_input(w, node, 0);
    const int b = lb_tfl_input(w, node, 1);
    if (a < 0 || b < 0)
        return false;
    if (!lb_shape_equal(&w->draft.tensor[a].shape, &w->draft.tensor[b].shape))
        return lb_tfl_cannot(w, node, "it adds values of different shapes");
    const int activation = lb_tfl_activation(w, &v);
    const int y = activation < 0 ? -1 : lb_tfl_result(w, node, v, -1);
    const lb_tfl_step step = {.code = LB_TFL_ADD,
                              .version = 2,
                              .in = {a, b},
                              .n_in = 2,
                              .out = y,
                              .options_type = LB_TFL_ADD_OPTIONS,
                              .option = {lb_flat_byte(LB_TFL_ADD_ACTIVATION, activation)},
                              .n_options = 1};
    if (y >= 0)
        lb_tfl_add_step(w, &step);
    return y >= 0;
}

static bool put_softmax(lb_tfl_writer *w, const lb_node *node)
{
    const int64_t axis = lb_attr_int(node, "axis", -1);
    const float one = 1;
    uint32_t bits;

    const int x = lb_tfl_input(w, node, 0);
    if (x < 0)
        return false;
    if (w->draft.tensor[x].shape.rank != 2 || (axis != 1 && axis != -1))
        return lb_tfl_cannot(w, node, "the file takes the softmax of a vector");
    const int y = lb_tfl_result(w, node, node->out[0], -1);
    if (y < 0)
        return false;
    if (w->draft.tensor[y].scale[0] != 1.0F / 256 || w->draft.tensor[y].zero[0] != -128)
        return lb_tfl_cannot(w, node,
                             "an int8 softmax has scale 1/256 and zero point "
                             "-128");
    memcpy(&bits, &one, sizeof bits);
    const lb_tfl_step step = {.code = LB_TFL_SOFTMAX,
                              .version = 2,
                              .in = {x},
                              .n_in = 1,
                              .out = y,
                              .options_type = LB_TFL_SOFTMAX_OPTIONS,
                              .option = {lb_flat_int(LB_TFL_SOFTMAX_BETA, (int32_t)bits)},
                              .n_options = 1};
    lb_tfl_add_step(w, &step);
    return true;
}

/* The tensor on the grid of another, rescaled if need be: some of the file's operators
 * know one grid alone. */
static int on_grid_of(lb_tfl_writer *w, int from, int like)
{
    const lb_tfl_sketch *const to = &w->draft.tensor[like];
    lb_tfl_sketch t = w->draft.tensor[from];

    if (t.scale[0] == to->scale[0] && t.zero[0] == to->zero[0])
        return from;
    t.name = lb_arena_text(w->arena, "%s_rescaled", t.name);
    t.scale = to->scale;
    t.zero = to->zero;
    const int y = lb_tfl_add_tensor(w, &t);
    const lb_tfl_step step = {.code = LB_TFL_QUANTIZE,
                              .version = 2,
                              .in = {from},
                              .n_in = 1,
                              .out = y,
                              .options_type = LB_TFL_QUANTIZE_OPTIONS};
    lb_tfl_add_step(w, &step);
    return y;
}

/* An activation that was not taken into the operator before it. */
static bool put_activation(lb_tfl_writer *w, const lb_node *node)
{
    const int activation = lb_tfl_activation_of(w, node);
    const bool is_quantised = w->quantized_by[node->out[0].id] >= 0;
    lb_tfl_step step = {.version = 2, .n_in = 1};

    const int x = lb_tfl_input(w, node, 0);
    if (x < 0)
        return false;
    if (activation != LB_TFL_ACT_RELU && activation != LB_TFL_ACT_RELU6 &&
        activation != LB_TFL_NONE)
        return lb_tfl_cannot(w, node, "limits other than those of RELU and RELU6");
    const int y = lb_tfl_result(w, node, node->out[0], is_quantised ? -1 : x);
    if (y < 0)
        return false;
    step.code = activation == LB_TFL_ACT_RELU    ? LB_TFL_RELU
                : activation == LB_TFL_ACT_RELU6 ? LB_TFL_RELU6
                                                 : LB_TFL_QUANTIZE;
    step.options_type =
        activation == LB_TFL_NONE ? LB_TFL_QUANTIZE_OPTIONS : LB_TFL_NO_OPTIONS;
    /* TensorFlow Lite Micro's RELU6 does not rescale, though its RELU does */
    step.in[0] = activation == LB_TFL_ACT_RELU6 ? on_grid_of(w, x, y) : x;
    step.out = y;
    lb_tfl_add_step(w, &step);
    return true;
}

/* ------------------------------------------------------------------ what moves elements
 */

static bool is_flat(const lb_shape *s)
{
    int area = 1;

    for (int i = 1; i < s->rank - 1; i++)
        area *= s->dim[i];
    return s->rank < 3 || s->dim[s->rank - 1] == 1 || area == 1;
}

/* The graph keeps the order of its elements; the file keeps that of its own. They agree
 * where neither shape has a second order, or where the channels stay what they are; a map
 * that is flattened is remembered by its vector. */
static bool put_reshape(lb_tfl_writer *w, const lb_node *node)
{
    const int x = lb_tfl_input(w, node, 0);
    size_t n_from = 0, n_to = 0;

    if (x < 0)
        return false;
    const int y = lb_tfl_result(w, node, node->out[0], x);
    if (y < 0)
        return false;
    const lb_tfl_sketch *const in = &w->draft.tensor[x];
    lb_tfl_sketch *const out = &w->draft.tensor[y];
    const lb_shape *const from = &in->shape, *const to = &out->shape;
    if (!lb_shape_count(from, &n_from) || !lb_shape_count(to, &n_to) || n_from != n_to)
        return lb_tfl_cannot(w, node, "it reaches across the samples");
    const bool same_channels = from->rank > 2 && to->rank > 2 &&
                               from->dim[from->rank - 1] == to->dim[to->rank - 1];
    if (in->map.rank || !(same_channels || (is_flat(from) && is_flat(to)))) {
        const lb_shape map = in->map.rank ? in->map : *from;
        if (to->rank != 2)
            return lb_tfl_cannot(w, node, "its elements would come in another order");
        out->map = map;
    }
    lb_tfl_put_shape(w, x, y);
    return true;
}

/* Axes longer than 1 stay in their order: a reshape. */
static bool put_transpose(lb_tfl_writer *w, const lb_node *node)
{
    const lb_shape *const s = &lb_info(w->g, node->in[0])->type.shape;
    int64_t perm[LB_MAX_RANK], last = -1;

    if (lb_attr_ints(node, "perm", perm, LB_MAX_RANK) != s->rank)
        return lb_tfl_cannot(w, node, "it moves elements");
    for (int i = 0; i < s->rank; i++) {
        if (s->dim[perm[i]] == 1)
            continue;
        if (perm[i] < last)
            return lb_tfl_cannot(w, node, "it moves elements");
        last = perm[i];
    }
    return put_reshape(w, node);
}

/* The same number under another name. */
static bool put_identity(lb_tfl_writer *w, const lb_node *node)
{
    w->tensor[node->out[0].id] = lb_tfl_input(w, node, 0);
    return w->tensor[node->out[0].id] >= 0;
}

static bool put_concat(lb_tfl_writer *w, const lb_node *node)
{
    const int rank = lb_info(w->g, node->out[0])->type.shape.rank;
    const int64_t given = lb_attr_int(node, "axis", 1);
    const int axis = (int)(given < 0 ? given + rank : given);
    int32_t x[LB_MAX_INPUTS] = {0};

    for (int i = 0; i < node->n_in; i++) {
        x[i] = lb_tfl_input(w, node, i);
        if (x[i] < 0)
            return false;
    }
    const bool is_quantised = w->quantized_by[node->out[0].id] >= 0;
    const int y = lb_tfl_result(w, node, node->out[0], is_quantised ? -1 : x[0]);
    if (y < 0 || axis < 1)
        return y >= 0 && lb_tfl_cannot(w, node, "it joins samples");
    const int file_rank = w->draft.tensor[y].shape.rank;
    const int file_axis =
        rank == 2 || axis == 1 ? file_rank - 1 : file_rank - 1 - rank + axis;
    lb_tfl_step step = {.code = LB_TFL_CONCATENATION,
                        .version = 2,
                        .n_in = node->n_in,
                        .out = y,
                        .options_type = LB_TFL_CONCAT_OPTIONS,
                        .option = {lb_flat_int(LB_TFL_CONCAT_AXIS, file_axis),
                                   lb_flat_byte(LB_TFL_CONCAT_ACTIVATION, LB_TFL_NONE)},
                        .n_options = 2};
    for (int i = 0; i < node->n_in; i++)
        step.in[i] = on_grid_of(w, x[i], y);
    lb_tfl_add_step(w, &step);
    return true;
}

static bool put_pad(lb_tfl_writer *w, const lb_node *node)
{
    const lb_tensor *const value =
        node->n_in > 2 ? lb_info(w->g, node->in[2])->tensor : NULL;
    const int rank = lb_info(w->g, node->in[0])->type.shape.rank;
    int64_t given[2 * LB_MAX_RANK];
    int32_t pads[2 * LB_MAX_RANK] = {0};
    lb_error why = {0};
    lb_view view;

    const int x = lb_tfl_input(w, node, 0);
    if (x < 0)
        return false;
    lb_graph_view(w->g, node, &view);
    if (lb_pads_of(&view, given, &why) != LB_OK)
        return lb_tfl_cannot(w, node, "%s", why.text);
    if (value && lb_tensor_get(value, 0) != 0)
        return lb_tfl_cannot(w, node, "the file pads with 0");
    const int file_rank = w->draft.tensor[x].shape.rank;
    for (int i = 0; i < rank; i++) {
        const int axis = i == 0                ? 0
                         : rank == 2 || i == 1 ? file_rank - 1
                                               : file_rank - 1 - rank + i;
        if (given[i] < 0 || given[i + rank] < 0)
            return lb_tfl_cannot(w, node, "it cuts");
        pads[2 * axis] = (int32_t)given[i];
        pads[2 * axis + 1] = (int32_t)given[i + rank];
    }
    const int y = lb_tfl_result(w, node, node->out[0], x);
    if (y >= 0)
        lb_tfl_put_pads(w, x, y, pads);
    return y >= 0;
}

static const struct {
    const char *op;
    lb_tfl_put put;
} rows[] = {
    {"Conv", lb_tfl_put_conv},
    {"Gemm", lb_tfl_put_dense},
    {"MatMul", lb_tfl_put_dense},
    {"MaxPool", lb_tfl_put_pool},
    {"AveragePool", lb_tfl_put_pool},
    {"GlobalAveragePool", lb_tfl_put_mean},
    {"ReduceMean", lb_tfl_put_mean},
    {"Add", put_add},
    {"Softmax", put_softmax},
    {"Relu", put_activation},
    {"Clip", put_activation},
    {"Flatten", put_reshape},
    {"Reshape", put_reshape},
    {"Squeeze", put_reshape},
    {"Unsqueeze", put_reshape},
    {"Transpose", put_transpose},
    {"Identity", put_identity},
    {"Concat", put_concat},
    {"Pad", put_pad},
};

lb_tfl_put lb_tfl_find_put(const char *op)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].op, op) == 0)
            return rows[i].put;
    return NULL;
}
