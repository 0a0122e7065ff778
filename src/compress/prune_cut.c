/* prune_cut.c: takes parts out of a graph. Tensors become smaller ones, sizes that stand
 * in attributes and constants are mended, and every type is inferred anew. */
#include "compress/prune_int.h"

#include "graph/builder.h"
#include "graph/passes.h"

#include <string.h>

/* How many of the indices from..to-1 stay. unit: NULL: all. */
static int kept(const int *unit, int from, int to, const bool *gone)
{
    int n = 0;

    for (int i = from; i < to; i++)
        n += !unit || unit[i] < 0 || !gone[unit[i]];
    return n;
}

static lb_code slice_axis(lb_arena *arena, const lb_tensor *from, int axis,
                          const int *unit, const bool *gone, lb_tensor **out,
                          lb_error *err)
{
    lb_shape shape = from->shape;
    size_t outer = 1, inner = lb_dtype_size(from->dtype);

    for (int i = 0; i < axis; i++)
        outer *= (size_t)shape.dim[i];
    for (int i = axis + 1; i < shape.rank; i++)
        inner *= (size_t)shape.dim[i];
    const int n = shape.dim[axis];
    shape.dim[axis] = kept(unit, 0, n, gone);
    LB_TRY(lb_tensor_new(arena, from->dtype, &shape, out, err));
    const char *src = from->data;
    char *dst = (*out)->data;
    for (size_t o = 0; o < outer; o++)
        for (int i = 0; i < n; i++, src += inner)
            if (kept(unit, i, i + 1, gone)) {
                memcpy(dst, src, inner);
                dst += inner;
            }
    return LB_OK;
}

static lb_code slice_value(lb_graph *g, int v, const lb_prune_map *map, const bool *gone,
                           lb_error *err)
{
    lb_value_info *const info = &g->values[v];

    for (int k = 0; k < info->type.shape.rank; k++) {
        const int *const unit = lb_prune_units(map, v, k);
        const int n = info->type.shape.dim[k];
        if (!unit || kept(unit, 0, n, gone) == n)
            continue;
        LB_TRY(slice_axis(g->arena, info->tensor, k, unit, gone, &info->tensor, err));
        info->type.shape = info->tensor->shape;
    }
    return LB_OK;
}

/* A constant of whole numbers in the place of that input of the node. */
static lb_code put_ints(lb_graph *g, lb_node *node, int input, const int64_t *ints, int n,
                        lb_error *err)
{
    const lb_shape shape = lb_shape_of(1, n);
    lb_tensor *tensor;
    lb_builder b;

    LB_TRY(lb_tensor_new(g->arena, LB_I64, &shape, &tensor, err));
    memcpy(tensor->data, ints, (size_t)n * sizeof *ints);
    lb_builder_init(&b, g);
    node->in[input] =
        lb_constant(&b, lb_info(g, node->in[input])->name, tensor); /* made unique */
    return lb_builder_finish(&b, err);
}

/* Groups of one channel each are as many as the channels. */
static lb_code mend_groups(lb_graph *g, lb_node *node, int channels, int left,
                           lb_error *err)
{
    lb_attr *attrs;

    if (lb_attr_int(node, "group", 1) != channels || channels == left)
        return LB_OK;
    attrs = LB_TAKE_ARRAY(g->arena, node->n_attrs + 1, lb_attr);
    if (!attrs)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to cut node '%s'", node->name);
    for (int i = 0; i < node->n_attrs; i++) {
        attrs[i] = node->attrs[i];
        if (strcmp(attrs[i].name, "group") == 0)
            attrs[i].i = left;
    }
    node->attrs = attrs;
    return LB_OK;
}

/* The new shape in numbers; the batch is found by itself. shape: what it was. */
static lb_code mend_reshape(lb_graph *g, lb_node *node, const lb_shape *shape,
                            const lb_prune_map *map, const bool *gone, lb_error *err)
{
    int64_t dims[LB_MAX_RANK];
    bool cut = false;

    for (int k = 0; k < shape->rank; k++) {
        const int *const unit = lb_prune_units(map, node->out[0].id, k);
        dims[k] = unit ? kept(unit, 0, shape->dim[k], gone) : shape->dim[k];
        cut = cut || dims[k] != shape->dim[k];
    }
    return cut ? put_ints(g, node, 1, dims, shape->rank, err) : LB_OK;
}

/* An index of an axis, counted from either end, among those that stay. */
static int64_t mend_index(int64_t i, const int *unit, int n, const bool *gone)
{
    const int64_t at = i < 0 ? i + n : i;

    if (at < 0 || at > n)
        return i; /* "from the first", "to the last" */
    return kept(unit, 0, (int)at, gone);
}

static lb_code mend_slice(lb_graph *g, lb_node *node, const lb_shape *shape,
                          const lb_prune_map *map, const bool *gone, lb_error *err)
{
    int64_t bound[2][LB_MAX_RANK], axes[LB_MAX_RANK];
    const int n = lb_prune_ints(g, node, 1, bound[0], LB_MAX_RANK);
    bool cut = false;

    lb_prune_ints(g, node, 2, bound[1], LB_MAX_RANK);
    for (int i = 0; i < n; i++)
        axes[i] = i;
    lb_prune_ints(g, node, 3, axes, LB_MAX_RANK);
    for (int i = 0; i < n; i++) {
        const int axis = (int)(axes[i] < 0 ? axes[i] + shape->rank : axes[i]);
        const int *const unit = lb_prune_units(map, node->in[0].id, axis);
        for (int side = 0; unit && side < 2; side++)
            bound[side][i] = mend_index(bound[side][i], unit, shape->dim[axis], gone);
        cut = cut || unit;
    }
    if (!cut)
        return LB_OK;
    LB_TRY(put_ints(g, node, 1, bound[0], n, err));
    return put_ints(g, node, 2, bound[1], n, err);
}

static lb_code mend_node(lb_graph *g, lb_node *node, const lb_shape *was,
                         const lb_prune_map *map, const bool *gone, lb_error *err)
{
    const char *const name = node->op->name;
    const lb_shape *const x = &was[node->in[0].id]; /* value 0 where there is none */

    if (strcmp(name, "Conv") == 0 || strcmp(name, "FusedConv") == 0 ||
        strcmp(name, "ConvTranspose") == 0)
        return mend_groups(g, node, x->dim[1], lb_info(g, node->in[0])->type.shape.dim[1],
                           err);
    if (strcmp(name, "Reshape") == 0)
        return mend_reshape(g, node, &was[node->out[0].id], map, gone, err);
    return strcmp(name, "Slice") == 0 ? mend_slice(g, node, x, map, gone, err) : LB_OK;
}

static lb_code infer_node(lb_graph *g, const lb_node *node, const lb_shape *was,
                          const lb_prune_map *map, const bool *gone, lb_error *err)
{
    lb_type types[LB_MAX_OUTPUTS] = {0};
    lb_view view;

    lb_graph_view(g, node, &view);
    if (node->op->infer(&view, types, err) != LB_OK)
        return lb_within(err, "node '%s' (%s)", node->name, node->op->name);
    for (int i = 0; i < node->n_out; i++) {
        const int v = node->out[i].id;
        for (int k = 0; k < types[i].shape.rank; k++) {
            const int *const unit = lb_prune_units(map, v, k);
            const int n = was[v].dim[k];
            if (types[i].shape.dim[k] != (unit ? kept(unit, 0, n, gone) : n))
                return lb_bug(err, "node '%s' has lost other channels than it should",
                              node->name);
        }
        g->values[v].type = types[i];
    }
    return LB_OK;
}

/* Layers of a block that goes may lose them all. */
static lb_code check_layers(const lb_graph *g, const lb_prune_map *map, const bool *gone,
                            lb_error *err)
{
    for (int i = 0; i < map->n_layers; i++)
        if (lb_info(g, map->layer[i].out)->kind == LB_VALUE_NODE &&
            kept(map->layer[i].unit, 0, map->layer[i].n, gone) == 0)
            return lb_raise(err, LB_ERR_INPUT, "layer '%s' would lose all its channels",
                            map->layer[i].name);
    return LB_OK;
}

lb_code lb_prune_apply(lb_graph *g, const lb_prune_map *map, const bool *gone,
                       lb_error *err)
{
    lb_shape *const was = lb_heap_take((size_t)map->n_values * sizeof *was);

    if (!was)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to cut a graph");
    lb_code code = lb_prune_drop(g, map, gone, err);
    if (code == LB_OK)
        code = check_layers(g, map, gone, err);
    for (int i = 0; i < map->n_values; i++)
        was[i] = g->values[i].type.shape;
    for (int i = 1; i < map->n_values && code == LB_OK; i++)
        if (g->values[i].tensor)
            code = slice_value(g, i, map, gone, err);
    for (int i = 0; i < g->n_nodes && code == LB_OK; i++) {
        code = mend_node(g, &g->nodes[i], was, map, gone, err);
        if (code == LB_OK)
            code = infer_node(g, &g->nodes[i], was, map, gone, err);
    }
    lb_heap_give(was);
    return code;
}

lb_code lb_prune_cut(const lb_graph *from, const lb_prune_map *map, const bool *gone,
                     lb_graph **out, lb_error *err)
{
    lb_graph *to = NULL;

    LB_TRY(lb_graph_clone(from, &to, err));
    lb_code code = lb_prune_apply(to, map, gone, err);
    if (code == LB_OK)
        code = lb_remove_dead(to, err); /* sizes that nobody reads any more */
    if (code != LB_OK)
        lb_graph_free(to);
    else
        *out = to;
    return code;
}
