/* tflite_export_weights.c: weights and biases as constants of the file, channels last. */
#include "tflite/tflite_write.h"

/* Scales of weights as the file has them; false after a refusal. */
static bool set_scales(lb_tfl_writer *w, const lb_node *node, const lb_tfl_kept *kept,
                       int m, int kept_axis, lb_tfl_sketch *t)
{
    const size_t n = kept->scale ? kept->scale->n : 0;
    float *const scale = LB_TAKE_ARRAY(w->arena, n + 1, float);
    int64_t *const zero = LB_TAKE_ARRAY(w->arena, n + 1, int64_t);

    if (n == 0 || (n > 1 && (n != (size_t)m || kept->axis != kept_axis)))
        return lb_tfl_cannot(w, node,
                             "weights have one scale, or one for each of the %d "
                             "output channels",
                             m);
    if (!scale || !zero) {
        w->failed = true;
        return false;
    }
    for (size_t i = 0; i < n; i++)
        scale[i] = (float)lb_tensor_get(kept->scale, i);
    t->scale = scale;
    t->zero = zero;
    t->n_scales = (int)n;
    return true;
}

const lb_tfl_kept *lb_tfl_kept_of(const lb_tfl_writer *w, const lb_node *node, int k)
{
    return &w->kept[k < node->n_in ? node->in[k].id : 0];
}

bool lb_tfl_has_int8_weights(lb_tfl_writer *w, const lb_node *node)
{
    const lb_tfl_kept *const kept = lb_tfl_kept_of(w, node, 1);

    if (kept->whole && kept->whole->dtype == LB_I8)
        return true;
    return lb_tfl_cannot(w, node, "its weights are not int8 behind a DequantizeLinear");
}

/* Name of stored weights: that of the integers. */
static const char *name_of_kept(const lb_tfl_writer *w, const lb_node *node, int k)
{
    const lb_value_info *const info = lb_info(w->g, node->in[k]);

    return info->kind == LB_VALUE_NODE
               ? lb_info(w->g, w->g->nodes[info->node].in[0])->name
               : info->name;
}

int lb_tfl_add_bias(lb_tfl_writer *w, const lb_node *node, const lb_tfl_sketch *in,
                    const lb_tfl_sketch *weights, int m)
{
    const lb_tfl_kept *const kept = lb_tfl_kept_of(w, node, 2);
    const bool is_given = node->n_in > 2 && node->in[2].id;
    lb_tfl_sketch t = *weights;
    int32_t *const data = LB_TAKE_ARRAY(w->arena, m, int32_t);
    float *const scale = LB_TAKE_ARRAY(w->arena, weights->n_scales, float);

    if (is_given &&
        (!kept->whole || kept->whole->dtype != LB_I32 || kept->whole->n != (size_t)m)) {
        lb_tfl_cannot(w, node, "its bias is not [%d] of int32 behind a DequantizeLinear",
                      m);
        return -1;
    }
    t.name = is_given ? name_of_kept(w, node, 2)
                      : lb_arena_text(w->arena, "%s_bias", weights->name);
    if (!data || !scale) {
        w->failed = true;
        return -1;
    }
    for (int i = 0; is_given && i < m; i++)
        data[i] = (int32_t)lb_tensor_get(kept->whole, (size_t)i);
    for (int i = 0; i < t.n_scales; i++)
        scale[i] = in->scale[0] * weights->scale[i];
    t.type = LB_TFL_INT32;
    t.shape = (lb_shape){.rank = 1, .dim = {m}};
    t.data = data;
    t.bytes = (size_t)m * sizeof *data;
    t.scale = scale;
    t.axis = 0;
    return lb_tfl_add_tensor(w, &t);
}

/* ONNX's [M,C/g,H,W] to the file's [M,H,W,C]; depthwise to [1,H,W,M]. */
static void order_filters(const lb_tensor *from, bool depthwise, int area, int8_t *to)
{
    const int m_n = from->shape.dim[0], c_n = from->shape.dim[1];
    const int8_t *const data = from->data;

    for (int m = 0; m < m_n; m++)
        for (int c = 0; c < c_n; c++)
            for (int p = 0; p < area; p++) {
                const size_t at = ((size_t)m * (size_t)c_n + (size_t)c) * (size_t)area;
                const size_t deep = (size_t)p * (size_t)m_n + (size_t)m;
                const size_t dense =
                    ((size_t)m * (size_t)area + (size_t)p) * (size_t)c_n + (size_t)c;
                to[depthwise ? deep : dense] = data[at + (size_t)p];
            }
}

int lb_tfl_add_filters(lb_tfl_writer *w, const lb_node *node, const lb_window *window,
                       bool depthwise)
{
    const lb_tfl_kept *const kept = lb_tfl_kept_of(w, node, 1);
    const lb_tensor *const from = kept->whole;
    const int m = from->shape.dim[0], area = window->kernel[0] * window->kernel[1];
    int8_t *const data = LB_TAKE_ARRAY(w->arena, from->n, int8_t);
    lb_tfl_sketch t = {.name = name_of_kept(w, node, 1),
                       .type = LB_TFL_INT8,
                       .shape = lb_shape_of(4, depthwise ? 1 : m, window->kernel[0],
                                            window->kernel[1],
                                            depthwise ? m : from->shape.dim[1]),
                       .data = data,
                       .bytes = from->n,
                       .axis = depthwise ? 3 : 0};

    if (!data) {
        w->failed = true;
        return -1;
    }
    order_filters(from, depthwise, area, data);
    if (!set_scales(w, node, kept, m, 0, &t))
        return -1;
    return lb_tfl_add_tensor(w, &t);
}

/* Where column d of the graph's weights stands in the file's: a flattened map is channels
 * last there. */
static size_t column(const lb_shape *map, size_t d)
{
    if (map->rank == 0)
        return d;
    const size_t c_n = (size_t)map->dim[map->rank - 1];
    size_t area = 1;
    for (int i = 1; i < map->rank - 1; i++)
        area *= (size_t)map->dim[i];
    return d % area * c_n + d / area;
}

int lb_tfl_add_matrix(lb_tfl_writer *w, const lb_node *node, bool transposed,
                      const lb_shape *map)
{
    const lb_tfl_kept *const kept = lb_tfl_kept_of(w, node, 1);
    const lb_tensor *const from = kept->whole;
    const int m = from->shape.dim[transposed ? 0 : 1];
    const size_t n_rows = (size_t)m, n_columns = from->n / n_rows;
    int8_t *const data = LB_TAKE_ARRAY(w->arena, from->n, int8_t);
    lb_tfl_sketch t = {.name = name_of_kept(w, node, 1),
                       .type = LB_TFL_INT8,
                       .shape = lb_shape_of(2, m, (int)n_columns),
                       .data = data,
                       .bytes = from->n};

    if (!data) {
        w->failed = true;
        return -1;
    }
    for (size_t i = 0; i < n_rows; i++)
        for (size_t d = 0; d < n_columns; d++) {
            const size_t at = transposed ? i * n_columns + d : d * n_rows + i;
            data[i * n_columns + column(map, d)] = ((const int8_t *)from->data)[at];
        }
    if (!set_scales(w, node, kept, m, transposed ? 0 : 1, &t))
        return -1;
    return lb_tfl_add_tensor(w, &t);
}
