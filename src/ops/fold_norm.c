/* fold_norm.c: Conv or Gemm followed by BatchNormalization becomes one node:
 *
 *   factor = scale / sqrt(var + epsilon)
 *   w' = w * factor,  b' = (b - mean) * factor + bias,   per output channel. */
#include "ops/rewrite_int.h"

#include "ops/op_util.h"

#include <math.h>

typedef struct pair {
    int layer, norm; /* nodes */
    int channels;
    const lb_tensor *weight, *bias; /* bias may be NULL */
    const lb_tensor *scale, *shift, *mean, *var;
    bool columns; /* the weights of one output stand in a column */
} pair;

/* A dense layer that is nothing but a product and a sum. */
static bool is_plain_gemm(const lb_node *node)
{
    return node->op == &lb_op_Gemm && lb_attr_float(node, "alpha", 1) == 1 &&
           lb_attr_float(node, "beta", 1) == 1 && lb_attr_int(node, "transA", 0) == 0;
}

static bool find_layer(const lb_graph *g, const lb_use *use, pair *p)
{
    const lb_node *const norm = &g->nodes[p->norm];
    const lb_value_info *const x = lb_info(g, norm->in[0]);

    if (x->kind != LB_VALUE_NODE || x->type.shape.dim[1] < 1 ||
        use[norm->in[0].id].n != 1)
        return false;
    const lb_node *const layer = &g->nodes[x->node];
    if (layer->op != &lb_op_Conv && !is_plain_gemm(layer))
        return false;
    p->layer = x->node;
    p->columns = layer->op == &lb_op_Gemm && lb_attr_int(layer, "transB", 0) == 0;
    p->channels = x->type.shape.dim[1];
    p->weight = lb_info(g, layer->in[1])->tensor;
    if (layer->n_in > 2 && layer->in[2].id) {
        p->bias = lb_channel_tensor(g, layer->in[2], p->channels);
        if (!p->bias)
            return false;
    }
    return p->weight != NULL;
}

static bool find_pair(const lb_graph *g, const lb_use *use, int index, pair *p)
{
    const lb_node *const norm = &g->nodes[index];

    *p = (pair){.norm = index};
    if (norm->op != &lb_op_BatchNormalization || !find_layer(g, use, p))
        return false;
    p->scale = lb_channel_tensor(g, norm->in[1], p->channels);
    p->shift = lb_channel_tensor(g, norm->in[2], p->channels);
    p->mean = lb_channel_tensor(g, norm->in[3], p->channels);
    p->var = lb_channel_tensor(g, norm->in[4], p->channels);
    return p->scale && p->shift && p->mean && p->var;
}

static lb_code new_weights(lb_graph *g, const pair *p, lb_tensor **weight,
                           lb_tensor **bias, lb_error *err)
{
    const double epsilon = lb_attr_float(&g->nodes[p->norm], "epsilon", 1e-5);
    const lb_shape channels = lb_shape_of(1, p->channels);
    const size_t n = (size_t)p->channels, each = p->weight->n / n;

    LB_TRY(lb_tensor_copy(g->arena, p->weight, weight, err));
    LB_TRY(lb_tensor_new(g->arena, p->weight->dtype, &channels, bias, err));
    for (size_t c = 0; c < n; c++) {
        const double factor =
            lb_tensor_get(p->scale, c) / sqrt(lb_tensor_get(p->var, c) + epsilon);
        const double old = p->bias ? lb_tensor_get(p->bias, c) : 0;
        for (size_t i = 0; i < each; i++) {
            const size_t at = p->columns ? i * n + c : c * each + i;
            lb_tensor_put(*weight, at, lb_tensor_get(p->weight, at) * factor);
        }
        lb_tensor_put(*bias, c,
                      (old - lb_tensor_get(p->mean, c)) * factor +
                          lb_tensor_get(p->shift, c));
    }
    return LB_OK;
}

/* The layer computes the norm's value from now on. */
static lb_code fold(lb_graph *g, const pair *p, lb_error *err)
{
    lb_tensor *weight = NULL, *bias = NULL;
    lb_builder b;

    LB_TRY(new_weights(g, p, &weight, &bias, err));
    lb_builder_init(&b, g);
    const lb_value w = lb_constant(&b, lb_name(&b, g->nodes[p->layer].in[1]), weight);
    const lb_value c = lb_constant(&b, lb_name(&b, g->nodes[p->norm].in[2]), bias);
    LB_TRY(lb_builder_finish(&b, err));
    lb_node *const layer = &g->nodes[p->layer];
    const lb_value y = g->nodes[p->norm].out[0];
    layer->in[1] = w;
    layer->in[2] = c;
    layer->n_in = 3;
    g->values[layer->out[0].id].kind = LB_VALUE_NONE;
    layer->out[0] = y;
    g->values[y.id].node = p->layer;
    return LB_OK;
}

lb_code lb_fold_batch_norm(lb_graph *g, lb_error *err)
{
    const lb_use *const use = lb_uses_of(g);
    lb_order order = {0};
    bool enough = use != NULL;
    pair p;

    for (int i = 0; enough && i < g->n_nodes; i++) {
        if (find_pair(g, use, i, &p))
            LB_TRY(fold(g, &p, err));
        else
            enough = lb_order_add(&order, g->arena, i);
    }
    if (!enough)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to fold batch norms");
    LB_TRY(lb_order_apply(g, &order, err));
    return lb_remove_dead(g, err);
}
