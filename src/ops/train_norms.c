/* train_norms.c: the training form of batch norms: statistics of the batch, and running
 * ones that follow them. A norm whose mean and variance are constants is frozen and
 * stays, and so is one whose scale and bias are parameters that are not trained. */
#include "ops/rewrite_int.h"

#include "ops/op_util.h"

#include <string.h>

static bool is_held(const lb_graph *g, lb_value v)
{
    return lb_info(g, v)->kind == LB_VALUE_PARAM && !lb_info(g, v)->trained;
}

static bool is_trained(const lb_graph *g, const lb_node *node)
{
    return node->op == &lb_op_BatchNormalization &&
           !(is_held(g, node->in[1]) && is_held(g, node->in[2])) &&
           lb_info(g, node->in[3])->kind == LB_VALUE_PARAM &&
           lb_info(g, node->in[4])->kind == LB_VALUE_PARAM;
}

/* Appends the three nodes that stand for a norm; the second computes its value. */
static lb_code replace(lb_graph *g, int index, lb_error *err)
{
    const lb_node norm = g->nodes[index];
    const lb_shape x = lb_info(g, norm.in[0])->type.shape;
    const lb_attr epsilon = lb_af("epsilon", lb_attr_float(&norm, "epsilon", 1e-5));
    int64_t spatial = 1;
    lb_builder b;

    for (int i = 2; i < x.rank; i++)
        spatial *= x.dim[i];
    lb_builder_init(&b, g);
    const lb_value sum = lb_unary(&b, &lb_op_BatchNormStats, norm.in[0]);
    const lb_value sumsq = lb_nth(&b, sum, 1);
    const lb_value track[] = {norm.in[3], norm.in[4], sum, sumsq};
    const lb_attr attrs[] = {lb_af("momentum", lb_attr_float(&norm, "momentum", 0.9)),
                             lb_ai("spatial", spatial)};
    lb_add_node(&b, &lb_op_BatchNormTrack, NULL, track, 4, attrs, 2);
    const lb_value apply[] = {norm.in[0], sum, sumsq, norm.in[1], norm.in[2]};
    lb_add_node(&b, &lb_op_BatchNormApply, norm.name, apply, 5, &epsilon, 1);
    LB_TRY(lb_builder_finish(&b, err));
    lb_take_over(g, norm.out[0]);
    return LB_OK;
}

lb_code lb_train_norms(lb_graph *g, lb_error *err)
{
    const int n = g->n_nodes;
    lb_order order = {0};
    bool enough = true;

    for (int i = 0; enough && i < n; i++) {
        if (!is_trained(g, &g->nodes[i])) {
            enough = lb_order_add(&order, g->arena, i);
            continue;
        }
        LB_TRY(replace(g, i, err));
        for (int k = 3; enough && k >= 1; k--)
            enough = lb_order_add(&order, g->arena, g->n_nodes - k);
    }
    if (!enough)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the training form of norms");
    return lb_order_apply(g, &order, err);
}

static bool is_output(const lb_graph *g, lb_value v)
{
    for (int i = 0; i < g->n_outputs; i++)
        if (g->outputs[i].id == v.id)
            return true;
    return false;
}

/* Read by batch norms in training form and by nothing else. */
static bool is_centred(const lb_graph *g, lb_value v)
{
    int n = 0;

    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i].n_in; k++) {
            const char *const op = g->nodes[i].op->name;
            if (g->nodes[i].in[k].id != v.id)
                continue;
            if (k != 0 ||
                (strcmp(op, "BatchNormStats") != 0 && strcmp(op, "BatchNormApply") != 0))
                return false;
            n++;
        }
    return n > 0 && !is_output(g, v);
}

bool lb_bias_cancels(const lb_graph *g, lb_value param)
{
    static const char *const ops[] = {"Conv", "ConvTranspose", "Gemm"};
    int n = 0;

    for (int i = 0; i < g->n_nodes; i++) {
        const lb_node *const node = &g->nodes[i];
        bool adds = false;
        for (int k = 0; k < LB_COUNT(ops); k++)
            adds = adds || strcmp(node->op->name, ops[k]) == 0;
        for (int k = 0; k < node->n_in; k++) {
            if (node->in[k].id != param.id)
                continue;
            if (!adds || k != 2 || lb_info(g, param)->type.shape.rank != 1 ||
                !is_centred(g, node->out[0]))
                return false;
            n++;
        }
    }
    return n > 0;
}
