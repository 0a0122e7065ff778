/* fuse_chain.c: what passes share that put one node in the place of several.
 *
 * The fused node stands where the last of its parts stood, so that the residual is known
 * by then. */
#include "ops/rewrite_int.h"

#include "ops/op_util.h"

#include <math.h>

bool lb_fusion_begin(lb_fusion *f, lb_graph *g)
{
    const int n = g->n_nodes ? g->n_nodes : 1;

    *f = (lb_fusion){.g = g, .use = lb_uses_of(g), .n_nodes = g->n_nodes};
    f->taken = LB_TAKE_ARRAY(g->arena, n, bool);
    f->place = LB_TAKE_ARRAY(g->arena, n, int);
    return f->use && f->taken && f->place;
}

lb_code lb_fusion_end(lb_fusion *f, lb_error *err)
{
    lb_order order = {0};
    bool enough = true;

    /* node 0 is never a fused one, so that 0 means none */
    for (int i = 0; enough && i < f->n_nodes; i++)
        if (!f->taken[i] || f->place[i])
            enough = lb_order_add(&order, f->g->arena, f->place[i] ? f->place[i] : i);
    if (!enough)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to fuse nodes");
    LB_TRY(lb_order_apply(f->g, &order, err));
    return lb_remove_dead(f->g, err);
}

/* The only user of what `node` computes; -1 if there are several or it is an output. */
static int only_user(const lb_fusion *f, int node)
{
    const lb_use use = f->use[f->g->nodes[node].out[0].id];

    return use.n == 1 ? use.node : -1;
}

static bool try_add(const lb_fusion *f, int head, int user, lb_chain *c)
{
    const lb_node *const add = &f->g->nodes[user];
    const lb_value y = f->g->nodes[head].out[0];

    if (add->op != &lb_op_Add || f->taken[user] || add->in[0].id == add->in[1].id)
        return false;
    const lb_value other = add->in[add->in[0].id == y.id ? 1 : 0];
    const lb_type *const a = &lb_info(f->g, y)->type;
    const lb_type *const z = &lb_info(f->g, other)->type;
    if (!lb_shape_equal(&a->shape, &z->shape) || a->dtype != z->dtype)
        return false;
    c->add = c->last = user;
    c->residual = other;
    return true;
}

static bool is_activation(const lb_fusion *f, int user)
{
    const lb_op *const op = f->g->nodes[user].op;

    return (op == &lb_op_Relu || op == &lb_op_Clip) && !f->taken[user];
}

bool lb_chain_find(const lb_fusion *f, int head, lb_chain *out)
{
    int user = only_user(f, head);

    *out = (lb_chain){.head = head, .add = -1, .activation = -1};
    if (user < 0)
        return false;
    if (try_add(f, head, user, out))
        user = only_user(f, user);
    if (user >= 0 && is_activation(f, user))
        out->activation = out->last = user;
    return out->add >= 0 || out->activation >= 0;
}

void lb_chain_replace(lb_fusion *f, const lb_chain *c)
{
    f->taken[c->head] = true;
    if (c->add >= 0)
        f->taken[c->add] = true;
    if (c->activation >= 0)
        f->taken[c->activation] = true;
    f->place[c->last] = f->g->n_nodes - 1;
    lb_take_over(f->g, f->g->nodes[c->last].out[0]);
}

static double limit(const lb_graph *g, const lb_node *clip, int input, double usual)
{
    const lb_tensor *const t =
        clip->n_in > input ? lb_info(g, clip->in[input])->tensor : NULL;

    return t ? lb_tensor_get(t, 0) : usual;
}

int lb_activation_attrs(const lb_graph *g, const lb_node *node, lb_attr *attrs,
                        double limits[2])
{
    const bool grad = node->op == &lb_op_ReluGrad || node->op == &lb_op_ClipGrad;
    const bool clip = node->op == &lb_op_Clip || node->op == &lb_op_ClipGrad;

    if (!grad && !clip && node->op != &lb_op_Relu)
        return 0;
    attrs[0] = lb_at("activation", clip ? "Clip" : "Relu");
    if (!clip)
        return 1;
    limits[0] = limit(g, node, grad ? 2 : 1, -INFINITY);
    limits[1] = limit(g, node, grad ? 3 : 2, INFINITY);
    attrs[1] = (lb_attr){
        .name = "activation_params", .kind = LB_ATTR_FLOATS, .floats = limits, .n = 2};
    return 2;
}
