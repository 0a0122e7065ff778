/* tflite_steps.c: what every operator that is written is made of: tensors of the file
 * with their grids, the steps between them, and the activation behind a node. */
#include "tflite/tflite_write.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

bool lb_tfl_cannot(lb_tfl_writer *w, const lb_node *node, const char *format, ...)
{
    char text[400];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    lb_findings_add(&w->findings, 0, 0, "node '%.100s' (%s): %s", node->name,
                    node->op->name, text);
    return false;
}

int lb_tfl_add_tensor(lb_tfl_writer *w, const lb_tfl_sketch *sketch)
{
    lb_tfl_draft *const d = &w->draft;

    if (w->failed || !sketch->name ||
        !lb_arena_grow(w->arena, (void **)&d->tensor, &d->tensor_capacity, d->n_tensors,
                       sizeof *sketch)) {
        w->failed = true;
        return -1;
    }
    d->tensor[d->n_tensors] = *sketch;
    return d->n_tensors++;
}

int lb_tfl_add_ints(lb_tfl_writer *w, const char *base, const char *suffix,
                    const int32_t *values, int n, int columns)
{
    int32_t *const data = LB_TAKE_ARRAY(w->arena, n, int32_t);
    lb_tfl_sketch t = {.name = lb_arena_text(w->arena, "%s%s", base, suffix),
                       .type = LB_TFL_INT32,
                       .shape = {.rank = 1, .dim = {n}},
                       .data = data,
                       .bytes = (size_t)n * sizeof *data};

    if (columns > 1)
        t.shape = (lb_shape){.rank = 2, .dim = {n / columns, columns}};
    for (int i = 0; data && i < n; i++)
        data[i] = values[i];
    w->failed = w->failed || !data;
    return lb_tfl_add_tensor(w, &t);
}

void lb_tfl_add_step(lb_tfl_writer *w, const lb_tfl_step *step)
{
    lb_tfl_draft *const d = &w->draft;

    if (w->failed || !lb_arena_grow(w->arena, (void **)&d->step, &d->step_capacity,
                                    d->n_steps, sizeof *step)) {
        w->failed = true;
        return;
    }
    d->step[d->n_steps++] = *step;
}

lb_shape lb_tfl_shape_out(const lb_shape *from)
{
    lb_shape to = {.rank = from->rank == 3 ? 4 : from->rank, .dim = {1, 1, 1, 1, 1, 1}};
    const int spatial = from->rank - 2;

    if (from->rank < 3) {
        for (int i = 1; i < from->rank; i++)
            to.dim[i] = from->dim[i];
        return to;
    }
    to.dim[to.rank - 1] = from->dim[1];
    for (int i = 0; i < spatial; i++)
        to.dim[to.rank - 1 - spatial + i] = from->dim[2 + i];
    return to;
}

bool lb_tfl_read_grid(lb_tfl_writer *w, const lb_node *node, float *scale, int *zero)
{
    const lb_tensor *const s = lb_info(w->g, node->in[1])->tensor;
    const lb_tensor *const z = node->n_in > 2 ? lb_info(w->g, node->in[2])->tensor : NULL;

    if (!s || s->n != 1 || (node->n_in > 2 && (!z || z->n != 1)))
        return lb_tfl_cannot(w, node, "a tensor of the file has one constant scale");
    if (!z || z->dtype != LB_I8)
        return lb_tfl_cannot(w, node, "its zero point must be int8");
    *scale = (float)lb_tensor_get(s, 0);
    *zero = (int)lb_tensor_get(z, 0);
    return true;
}

bool lb_tfl_set_grid(lb_tfl_writer *w, lb_tfl_sketch *t, float scale, int zero)
{
    float *const s = LB_TAKE(w->arena, float);
    int64_t *const z = LB_TAKE(w->arena, int64_t);

    if (!s || !z) {
        w->failed = true;
        return false;
    }
    *s = scale;
    *z = zero;
    t->scale = s;
    t->zero = z;
    t->n_scales = 1;
    return true;
}

bool lb_tfl_has_grid(const lb_tfl_sketch *t, float scale, int zero)
{
    return t->n_scales == 1 && t->scale[0] == scale && t->zero[0] == zero;
}

lb_tfl_sketch lb_tfl_sketch_of(const lb_tfl_writer *w, lb_value v)
{
    const lb_value_info *const info = lb_info(w->g, v);

    return (lb_tfl_sketch){.name = w->name[v.id] ? w->name[v.id] : info->name,
                           .type = LB_TFL_INT8,
                           .shape = lb_tfl_shape_out(&info->type.shape)};
}

/* Can the node read a flattened map, whose elements have another order in the file? */
static bool reads_any_order(const lb_node *node)
{
    static const char *const ops[] = {"QuantizeLinear", "DequantizeLinear", "Gemm",
                                      "MatMul",         "Flatten",          "Reshape",
                                      "Squeeze",        "Unsqueeze",        "Identity"};

    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (strcmp(ops[i], node->op->name) == 0)
            return true;
    return false;
}

int lb_tfl_input(lb_tfl_writer *w, const lb_node *node, int k)
{
    const lb_value v = node->in[k];
    const int t = v.id ? w->tensor[v.id] : -1;

    if (t == -1 && !w->failed)
        lb_tfl_cannot(w, node, "its input '%.100s' is not quantised",
                      lb_info(w->g, v)->name);
    if (t >= 0 && w->draft.tensor[t].map.rank && !reads_any_order(node)) {
        lb_tfl_cannot(w, node,
                      "'%.100s' is a flattened map, whose elements have another "
                      "order in the file; only dense layers can read it",
                      lb_info(w->g, v)->name);
        return -1;
    }
    return t;
}

int lb_tfl_result(lb_tfl_writer *w, const lb_node *node, lb_value v, int like)
{
    const int q = w->quantized_by[v.id];
    lb_tfl_sketch t = lb_tfl_sketch_of(w, v);
    float scale = 0;
    int zero = 0;

    if (t.shape.rank < 2 || t.shape.rank > 4) {
        lb_tfl_cannot(w, node, "its output has %d dimensions", t.shape.rank);
        return -1;
    }
    if (q < 0 && like < 0) {
        lb_tfl_cannot(w, node, "its output '%.100s' is not quantised",
                      lb_info(w->g, v)->name);
        return -1;
    }
    if (q >= 0 && !lb_tfl_read_grid(w, &w->g->nodes[q], &scale, &zero))
        return -1;
    if (q < 0) {
        scale = w->draft.tensor[like].scale[0];
        zero = (int)w->draft.tensor[like].zero[0];
    } else if (like >= 0 && !lb_tfl_has_grid(&w->draft.tensor[like], scale, zero)) {
        lb_tfl_cannot(w, node,
                      "its output must have the scale and the zero point of its "
                      "input");
        return -1;
    }
    if (!lb_tfl_set_grid(w, &t, scale, zero))
        return -1;
    w->tensor[v.id] = lb_tfl_add_tensor(w, &t);
    return w->tensor[v.id];
}

/* Limits that the grid behind the node has anyway. */
static bool limits_nothing(lb_tfl_writer *w, const lb_node *node, double from, double to)
{
    const int q = w->quantized_by[node->out[0].id];
    float scale = 0;
    int zero = 0;

    if (q < 0 || !lb_tfl_read_grid(w, &w->g->nodes[q], &scale, &zero))
        return false;
    return from < (double)scale * (-127.5 - zero) && to > (double)scale * (126.5 - zero);
}

int lb_tfl_activation_of(lb_tfl_writer *w, const lb_node *node)
{
    const bool has_high = node->n_in > 2 && node->in[2].id;
    const lb_tensor *const low =
        node->n_in > 1 ? lb_info(w->g, node->in[1])->tensor : NULL;
    const lb_tensor *const high = has_high ? lb_info(w->g, node->in[2])->tensor : NULL;

    if (strcmp(node->op->name, "Relu") == 0)
        return LB_TFL_ACT_RELU;
    if (strcmp(node->op->name, "Clip") != 0 || !low || (has_high && !high))
        return -1;
    const double from = lb_tensor_get(low, 0);
    const double to = high ? lb_tensor_get(high, 0) : HUGE_VAL;
    if (from == 0 && to == 6)
        return LB_TFL_ACT_RELU6;
    if (from == -1 && to == 1)
        return LB_TFL_ACT_RELU_N1_TO_1;
    if (limits_nothing(w, node, from, to))
        return LB_TFL_NONE;
    return from == 0 && (to == HUGE_VAL || limits_nothing(w, node, -HUGE_VAL, to))
               ? LB_TFL_ACT_RELU
               : -1;
}

int lb_tfl_activation(lb_tfl_writer *w, lb_value *out)
{
    const int user = w->last_user[out->id];

    if (w->uses[out->id] != 1 || user < 0 || w->quantized_by[out->id] >= 0)
        return LB_TFL_NONE;
    const lb_node *const node = &w->g->nodes[user];
    if (strcmp(node->op->name, "Relu") != 0 && strcmp(node->op->name, "Clip") != 0)
        return LB_TFL_NONE;
    const int activation = lb_tfl_activation_of(w, node);
    if (activation < 0)
        lb_tfl_cannot(w, node, "limits other than those of RELU, RELU6 and RELU_N1_TO_1");
    *out = node->out[0];
    w->done[user] = true;
    return activation;
}

void lb_tfl_put_pads(lb_tfl_writer *w, int from, int to,
                     const int32_t pads[2 * LB_MAX_RANK])
{
    const int rank = w->draft.tensor[to].shape.rank;
    const int list =
        lb_tfl_add_ints(w, w->draft.tensor[to].name, "_pads", pads, 2 * rank, 2);
    const lb_tfl_step step = {.code = LB_TFL_PAD,
                              .version = 2,
                              .in = {from, list},
                              .n_in = 2,
                              .out = to,
                              .options_type = LB_TFL_PAD_OPTIONS};

    lb_tfl_add_step(w, &step);
}

void lb_tfl_put_shape(lb_tfl_writer *w, int from, int to)
{
    const lb_tfl_sketch *const t = &w->draft.tensor[to];
    int32_t dim[LB_MAX_RANK] = {0};

    for (int i = 0; i < t->shape.rank; i++)
        dim[i] = t->shape.dim[i];
    const int list = lb_tfl_add_ints(w, t->name, "_shape", dim, t->shape.rank, 1);
    const lb_tfl_step step = {.code = LB_TFL_RESHAPE,
                              .version = 1,
                              .in = {from, list},
                              .n_in = 2,
                              .out = to,
                              .options_type = LB_TFL_RESHAPE_OPTIONS};
    lb_tfl_add_step(w, &step);
}
