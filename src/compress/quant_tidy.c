/* quant_tidy.c: other ways to write a layer become the usual one.
 *
 * Exporters write a dense layer as MatMul and Add, a convolution's bias as an Add behind
 * it; and a norm may stand where no convolution can take it in. In int8 each of these
 * would cost a rounding, and many devices have no step for it. So MatMul by weights
 * becomes Gemm, an added constant a bias, a norm a depthwise convolution of one tap. */
#include "compress/quant_int.h"

#include "graph/builder.h"
#include "graph/passes.h"
#include "ops/ops.h"

#include <math.h>

static bool is_weights(const lb_graph *g, lb_value v)
{
    return lb_info(g, v)->tensor && lb_info(g, v)->type.shape.rank == 2;
}

static void matmul_to_gemm(const lb_graph *g, lb_node *node)
{
    if (node->op == &lb_op_MatMul && is_weights(g, node->in[1]) &&
        lb_info(g, node->in[0])->type.shape.rank == 2)
        node->op = &lb_op_Gemm;
}

/* True if t adds one number to each channel of a value of that rank. */
static bool is_per_channel(const lb_tensor *t, int rank, int channels)
{
    const int offset = rank - t->shape.rank;

    if (t->n != (size_t)channels || offset < 0)
        return false;
    for (int i = 0; i < t->shape.rank; i++)
        if (t->shape.dim[i] != 1 && i + offset != 1)
            return false;
    return true;
}

static lb_value new_bias(lb_builder *b, const lb_quant_layer *l, const lb_tensor *added,
                         const char *name)
{
    const lb_shape shape = lb_shape_of(1, l->channels);
    lb_tensor *const t = lb_build_tensor(b, LB_F32, &shape);

    if (!t)
        return (lb_value){0};
    for (size_t c = 0; c < t->n; c++)
        lb_tensor_put(
            t, c, lb_tensor_get(added, c) + (l->bias ? lb_tensor_get(l->bias, c) : 0));
    return lb_constant(b, name, t);
}

/* Whether node is an Add of a layer, which only it reads, and of a number a channel. */
static bool is_added_bias(const lb_graph *g, const lb_node *node, int *layer,
                          lb_quant_layer *l, lb_value *bias)
{
    for (int k = 0; node->op == &lb_op_Add && k < 2; k++) {
        const lb_value_info *const x = lb_info(g, node->in[k]);
        const lb_tensor *const t = lb_info(g, node->in[1 - k])->tensor;
        if (!t || x->kind != LB_VALUE_NODE || lb_count_uses(g, node->in[k]) != 1 ||
            !lb_quant_layer_of(g, &g->nodes[x->node], l) ||
            !is_per_channel(t, x->type.shape.rank, l->channels))
            continue;
        *layer = x->node;
        *bias = node->in[1 - k];
        return true;
    }
    return false;
}

/* The layer computes what the Add did; *gone: the Add is to be removed. */
static lb_code add_to_bias(lb_graph *g, int index, bool *gone, lb_error *err)
{
    const lb_node *const node = &g->nodes[index];
    lb_value added = {0};
    lb_quant_layer l;
    lb_builder b;
    int at = 0;

    *gone = is_added_bias(g, node, &at, &l, &added);
    if (!*gone)
        return LB_OK;
    const lb_value y = node->out[0];
    lb_builder_init(&b, g);
    const lb_value bias =
        new_bias(&b, &l, lb_info(g, added)->tensor, lb_info(g, added)->name);
    LB_TRY(lb_builder_finish(&b, err));
    lb_node *const layer = &g->nodes[at];
    layer->in[2] = bias;
    layer->n_in = 3;
    g->values[layer->out[0].id].kind = LB_VALUE_NONE;
    layer->out[0] = y;
    g->values[y.id].node = at;
    return LB_OK;
}

static const lb_tensor *numbers(const lb_graph *g, lb_value v)
{
    return lb_info(g, v)->tensor;
}

/* w = scale / sqrt(var + epsilon), b = bias - mean * w. */
static void norm_to_taps(const lb_graph *g, const lb_node *norm, lb_tensor *w,
                         lb_tensor *b)
{
    const double epsilon = lb_attr_float(norm, "epsilon", 1e-5);

    for (size_t c = 0; c < b->n; c++) {
        const double factor = lb_tensor_get(numbers(g, norm->in[1]), c) /
                              sqrt(lb_tensor_get(numbers(g, norm->in[4]), c) + epsilon);
        lb_tensor_put(w, c, factor);
        lb_tensor_put(b, c,
                      lb_tensor_get(numbers(g, norm->in[2]), c) -
                          lb_tensor_get(numbers(g, norm->in[3]), c) * factor);
    }
}

static lb_code norm_to_depthwise(lb_graph *g, int index, lb_error *err)
{
    const lb_node norm = g->nodes[index];
    const lb_shape *const x = &lb_info(g, norm.in[0])->type.shape;
    lb_shape taps = {.rank = x->rank};
    lb_tensor *w = NULL, *b = NULL;
    lb_builder builder;
    bool known = norm.op == &lb_op_BatchNormalization && x->rank > 2;

    for (int k = 1; known && k < 5; k++)
        known = numbers(g, norm.in[k]) != NULL;
    if (!known)
        return LB_OK;
    for (int i = 0; i < taps.rank; i++)
        taps.dim[i] = i == 0 ? x->dim[1] : 1;
    const lb_shape channels = lb_shape_of(1, x->dim[1]);
    lb_attr *const group = LB_TAKE(g->arena, lb_attr);
    if (!group)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to quantise a network");
    *group = lb_ai("group", x->dim[1]);
    LB_TRY(lb_tensor_new(g->arena, LB_F32, &taps, &w, err));
    LB_TRY(lb_tensor_new(g->arena, LB_F32, &channels, &b, err));
    norm_to_taps(g, &norm, w, b);
    lb_builder_init(&builder, g);
    const lb_value weight = lb_constant(&builder, lb_info(g, norm.in[1])->name, w);
    const lb_value bias = lb_constant(&builder, lb_info(g, norm.in[2])->name, b);
    LB_TRY(lb_builder_finish(&builder, err));
    lb_node *const node = &g->nodes[index];
    node->op = &lb_op_Conv;
    node->n_in = 3;
    node->in[1] = weight;
    node->in[2] = bias;
    node->attrs = group;
    node->n_attrs = 1;
    return LB_OK;
}

static void remove_nodes(lb_graph *g, const bool *gone)
{
    int kept = 0;

    for (int i = 0; i < g->n_nodes; i++) {
        const lb_node node = g->nodes[i];
        for (int k = 0; !gone[i] && k < node.n_out; k++)
            g->values[node.out[k].id].node = kept;
        if (!gone[i])
            g->nodes[kept++] = node;
    }
    g->n_nodes = kept;
}

lb_code lb_quant_tidy(lb_graph *g, lb_error *err)
{
    bool *const gone = LB_TAKE_ARRAY(g->arena, g->n_nodes + 1, bool);

    if (!gone)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to quantise a network");
    for (int i = 0; i < g->n_nodes; i++) {
        matmul_to_gemm(g, &g->nodes[i]);
        LB_TRY(norm_to_depthwise(g, i, err));
        LB_TRY(add_to_bias(g, i, &gone[i], err));
    }
    remove_nodes(g, gone);
    return lb_remove_dead(g, err);
}
