/* quant_groups.c: which values are held in int8, and which of them share a scale.
 *
 * Every float value of the batch is held but for what stands between a layer and the
 * activation that is fused into it. What only moves numbers, or picks some, shares the
 * scale of its input: its whole numbers are then moved as they are. Groups are joined as
 * sets with a representative (union and find). */
#include "compress/quant_int.h"

#include "graph/passes.h"
#include "ops/ops.h"

int lb_quant_group(const lb_quant *q, lb_value v)
{
    int id = v.id;

    while (q->parent[id] != id)
        id = q->parent[id];
    return id;
}

static void join(lb_quant *q, lb_value a, lb_value b)
{
    const int first = lb_quant_group(q, a), second = lb_quant_group(q, b);

    if (first < second)
        q->parent[second] = first;
    else
        q->parent[first] = second;
}

static bool is_one_of(const lb_op *op, const lb_op *const *list)
{
    while (*list && *list != op)
        list++;
    return *list != NULL;
}

static bool is_activation(const lb_node *node)
{
    return node->op == &lb_op_Relu || node->op == &lb_op_Clip;
}

const lb_node *lb_quant_activation(const lb_graph *g, lb_value v)
{
    if (lb_count_uses(g, v) != 1)
        return NULL;
    for (int i = 0; i < g->n_nodes; i++)
        if (is_activation(&g->nodes[i]) && g->nodes[i].in[0].id == v.id)
            return &g->nodes[i];
    return NULL;
}

/* Operators that an activation becomes a part of. */
static const lb_op *const heads[] = {&lb_op_Conv, &lb_op_Gemm, &lb_op_Add, NULL};

static const lb_op *const movers[] = {
    &lb_op_MaxPool,  &lb_op_GlobalMaxPool, &lb_op_Reshape,
    &lb_op_Flatten,  &lb_op_Transpose,     &lb_op_Squeeze,
    &lb_op_Concat,   &lb_op_Unsqueeze,     &lb_op_Slice,
    &lb_op_Resize,   &lb_op_Relu,          &lb_op_Clip,
    &lb_op_Identity, &lb_op_ReduceMax,     NULL};

bool lb_quant_moves(const lb_op *op)
{
    return is_one_of(op, movers);
}

/* 0 is in every grid; another number that is put around may not be in the input's. */
static bool pads_zeros(const lb_graph *g, const lb_node *node)
{
    const lb_tensor *const value =
        node->n_in > 2 && node->in[2].id ? lb_info(g, node->in[2])->tensor : NULL;

    return node->op == &lb_op_Pad && (node->n_in < 3 || node->in[2].id == 0 ||
                                      (value && lb_tensor_get(value, 0) == 0));
}

static bool is_mover(const lb_quant *q, const lb_node *node)
{
    const bool tflite = q->setup->options.rounding == LB_ROUND_TFLITE;

    return lb_quant_moves(node->op) || pads_zeros(q->real, node) ||
           (tflite && node->op == &lb_op_AveragePool) ||
           (tflite && node->op == &lb_op_GlobalAveragePool);
}

static bool is_activity(const lb_graph *g, lb_value v)
{
    const lb_type *const type = &lb_info(g, v)->type;

    return v.id && lb_dtype_is_float(type->dtype) && lb_type_batched(type);
}

static bool is_between(const lb_graph *g, const lb_node *node)
{
    return is_one_of(node->op, heads) && lb_quant_activation(g, node->out[0]) != NULL;
}

/* A Relu behind a layer makes the numbers that are held; another only picks some. */
static bool follows_a_head(const lb_graph *g, const lb_node *node)
{
    const lb_value_info *const x = lb_info(g, node->in[0]);

    return is_activation(node) && x->kind == LB_VALUE_NODE &&
           is_between(g, &g->nodes[x->node]);
}

static void visit(lb_quant *q, const lb_node *node)
{
    const lb_graph *const g = q->real;
    bool joined = false;

    for (int k = 0; k < node->n_out; k++)
        q->held[node->out[k].id] = is_activity(g, node->out[k]) && !is_between(g, node);
    if (!q->held[node->out[0].id])
        return;
    if (is_mover(q, node) && !follows_a_head(g, node))
        for (int k = 0; k < node->n_in; k++)
            if (q->held[node->in[k].id]) {
                join(q, node->in[k], node->out[0]);
                joined = true;
            }
    for (int k = joined ? 1 : 0; k < node->n_out; k++)
        if (q->held[node->out[k].id])
            q->source[q->n_sources++] = node->out[k];
}

lb_code lb_quant_find_groups(lb_quant *q, lb_error *err)
{
    const lb_graph *const g = q->real;

    q->held = LB_TAKE_ARRAY(q->arena, g->n_values, bool);
    q->parent = LB_TAKE_ARRAY(q->arena, g->n_values, int);
    q->source = LB_TAKE_ARRAY(q->arena, g->n_values, lb_value);
    if (!q->held || !q->parent || !q->source)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to quantise a network");
    for (int i = 0; i < g->n_values; i++)
        q->parent[i] = i;
    for (int i = 0; i < g->n_inputs; i++)
        if (is_activity(g, g->inputs[i])) {
            q->held[g->inputs[i].id] = true;
            q->source[q->n_sources++] = g->inputs[i];
        }
    for (int i = 0; i < g->n_nodes; i++)
        visit(q, &g->nodes[i]);
    return LB_OK;
}
