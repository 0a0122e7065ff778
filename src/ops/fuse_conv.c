/* fuse_conv.c: Conv -> [Add of an equal shape] -> [Relu or Clip] becomes one FusedConv.
 *
 * The fused node stands where the last of its parts stood, so that the residual is known
 * by then. Convolutions are asked from the last to the first: where two meet in one Add,
 * the later one takes it and the other's result is the residual. */
#include "ops/rewrite_int.h"

#include "ops/op_util.h"

#include <math.h>

enum { MOST_ATTRS = 16 };

typedef struct chain {
    int conv, add, activation; /* nodes; -1: none */
    lb_value residual;
} chain;

typedef struct fusion {
    lb_graph *g;
    const lb_use *use;
    bool *taken; /* nodes that are part of a chain */
    int n_nodes;
} fusion;

/* The only user of what `node` computes; -1 if there are several or it is an output. */
static int only_user(const fusion *f, int node)
{
    const lb_use use = f->use[f->g->nodes[node].out[0].id];

    return use.n == 1 ? use.node : -1;
}

static bool try_add(const fusion *f, int conv, int user, chain *c)
{
    const lb_node *const add = &f->g->nodes[user];
    const lb_value y = f->g->nodes[conv].out[0];

    if (add->op != &lb_op_Add || f->taken[user] || add->in[0].id == add->in[1].id)
        return false;
    const lb_value other = add->in[add->in[0].id == y.id ? 1 : 0];
    const lb_type *const a = &lb_info(f->g, y)->type;
    const lb_type *const z = &lb_info(f->g, other)->type;
    if (!lb_shape_equal(&a->shape, &z->shape) || a->dtype != z->dtype)
        return false;
    c->add = user;
    c->residual = other;
    return true;
}

static bool is_activation(const fusion *f, int user)
{
    const lb_op *const op = f->g->nodes[user].op;

    return (op == &lb_op_Relu || op == &lb_op_Clip) && !f->taken[user];
}

/* False if nothing behind the convolution can be fused. */
static bool find_chain(const fusion *f, int conv, chain *c)
{
    int user = only_user(f, conv);

    *c = (chain){.conv = conv, .add = -1, .activation = -1};
    if (f->g->nodes[conv].op != &lb_op_Conv || user < 0)
        return false;
    if (try_add(f, conv, user, c))
        user = only_user(f, user);
    if (user >= 0 && is_activation(f, user))
        c->activation = user;
    return c->add >= 0 || c->activation >= 0;
}

static double limit(const lb_graph *g, const lb_node *clip, int input, double usual)
{
    const lb_tensor *const t =
        clip->n_in > input ? lb_info(g, clip->in[input])->tensor : NULL;

    return t ? lb_tensor_get(t, 0) : usual;
}

/* Adds the fused node at the end; it computes the value of the chain's last node. */
static lb_code add_fused(lb_graph *g, const chain *c, lb_error *err)
{
    const lb_node conv = g->nodes[c->conv];
    const int last = c->activation >= 0 ? c->activation : c->add;
    const lb_value y = g->nodes[last].out[0];
    const lb_value in[] = {conv.in[0], conv.in[1],
                           conv.n_in > 2 ? conv.in[2] : (lb_value){0}, c->residual};
    const int n_in = c->residual.id ? 4 : in[2].id ? 3 : 2;
    lb_attr attrs[MOST_ATTRS + 2];
    int n = 0;
    double limits[2];
    lb_builder b;

    for (; n < conv.n_attrs && n < MOST_ATTRS; n++)
        attrs[n] = conv.attrs[n];
    if (c->activation >= 0) {
        const lb_node *const node = &g->nodes[c->activation];
        attrs[n++] = lb_at("activation", node->op->name);
        limits[0] = limit(g, node, 1, -INFINITY);
        limits[1] = limit(g, node, 2, INFINITY);
        if (node->op == &lb_op_Clip)
            attrs[n++] = (lb_attr){.name = "activation_params",
                                   .kind = LB_ATTR_FLOATS,
                                   .floats = limits,
                                   .n = 2};
    }
    lb_builder_init(&b, g);
    lb_add_node(&b, &lb_op_FusedConv, conv.name, in, n_in, attrs, n);
    LB_TRY(lb_builder_finish(&b, err));
    lb_take_over(g, y);
    return LB_OK;
}

/* Marks the chain's nodes as taken; place[last] is the fused node's number. */
static lb_code fuse(fusion *f, const chain *c, int *place, lb_error *err)
{
    const int last = c->activation >= 0 ? c->activation : c->add;

    f->taken[c->conv] = true;
    if (c->add >= 0)
        f->taken[c->add] = true;
    if (c->activation >= 0)
        f->taken[c->activation] = true;
    LB_TRY(add_fused(f->g, c, err));
    place[last] = f->g->n_nodes - 1;
    return LB_OK;
}

lb_code lb_fuse_convolutions(lb_graph *g, lb_error *err)
{
    const int n = g->n_nodes;
    fusion f = {.g = g, .use = lb_uses_of(g), .n_nodes = n};
    int *const place = LB_TAKE_ARRAY(g->arena, n ? n : 1, int);
    lb_order order = {0};
    bool enough;
    chain c;

    f.taken = LB_TAKE_ARRAY(g->arena, n ? n : 1, bool);
    enough = f.use && place && f.taken;
    for (int i = n - 1; enough && i >= 0; i--)
        if (g->nodes[i].n_attrs <= MOST_ATTRS && find_chain(&f, i, &c))
            LB_TRY(fuse(&f, &c, place, err));
    /* node 0 is never a fused one, so that 0 means none */
    for (int i = 0; enough && i < n; i++)
        if (!f.taken[i] || place[i])
            enough = lb_order_add(&order, g->arena, place[i] ? place[i] : i);
    if (!enough)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to fuse convolutions");
    LB_TRY(lb_order_apply(g, &order, err));
    return lb_remove_dead(g, err);
}
