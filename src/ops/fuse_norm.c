/* fuse_norm.c: batch norms of a training graph take in what stands around them.
 *
 * Forwards, BatchNormApply -> [Add of an equal shape] -> [Relu or Clip] becomes one
 * FusedBatchNorm. Backwards there are two forms. Where the norm alone asks for the
 * gradient behind its activation, the norm's two gradients mask it themselves, and work
 * out from x what the activation gave: nothing is written in between. Where others want
 * it too (the other branch of a residual), or where two gradients meet, a
 * BatchNormGradJoin adds, masks, writes and sums up in one pass. */
#include "ops/rewrite_int.h"

#include "ops/op_util.h"

static lb_code fuse_forwards(lb_graph *g, lb_error *err)
{
    lb_fusion f;
    lb_chain c;

    if (!lb_fusion_begin(&f, g))
        return lb_raise(err, LB_ERR_MEMORY, "no memory to fuse batch norms");
    for (int i = f.n_nodes - 1; i >= 0; i--) {
        if (g->nodes[i].op != &lb_op_BatchNormApply || !lb_chain_find(&f, i, &c))
            continue;
        const lb_node norm = g->nodes[i];
        const lb_value in[] = {norm.in[0], norm.in[1], norm.in[2],
                               norm.in[3], norm.in[4], c.residual};
        lb_attr attrs[3] = {lb_af("epsilon", lb_attr_float(&norm, "epsilon", 1e-5))};
        double limits[2];
        lb_builder b;
        const int n =
            1 + (c.activation < 0 ? 0
                                  : lb_activation_attrs(g, &g->nodes[c.activation],
                                                        attrs + 1, limits));
        lb_builder_init(&b, g);
        lb_add_node(&b, &lb_op_FusedBatchNorm, norm.name, in, c.residual.id ? 6 : 5,
                    attrs, n);
        LB_TRY(lb_builder_finish(&b, err));
        lb_chain_replace(&f, &c);
    }
    return lb_fusion_end(&f, err);
}

/* A gradient g that a BatchNormGradStats reads, and what it is made from. */
typedef struct gradient {
    int mask, add;    /* the nodes that make it; -1: none */
    int stats, input; /* of the norms that read it: one of each; -1: none */
    int n_users;      /* of g */
    lb_value g, dy, more, y;
} gradient;

static bool is_mask(const lb_node *node)
{
    return node->op == &lb_op_ReluGrad || node->op == &lb_op_ClipGrad;
}

/* The node that adds two gradients into v, for one user alone; -1 if there is none. */
static int adder_of(const lb_fusion *f, lb_value v)
{
    const lb_value_info *const info = lb_info(f->g, v);
    const int n = info->node;

    if (info->kind != LB_VALUE_NODE || n >= f->n_nodes || f->taken[n] ||
        f->g->nodes[n].op != &lb_op_Add)
        return -1;
    for (int k = 0; k < 2; k++)
        if (!lb_shape_equal(&lb_info(f->g, f->g->nodes[n].in[k])->type.shape,
                            &info->type.shape))
            return -1;
    return n;
}

/* Fills in who reads g; of several norms the last whose sums are taken. */
static void find_users(const lb_fusion *f, gradient *d)
{
    for (int i = 0; i < f->n_nodes; i++) {
        const lb_node *const node = &f->g->nodes[i];
        if (node->n_in < 2 || node->in[1].id != d->g.id)
            continue;
        if (node->op == &lb_op_BatchNormGradStats && !f->taken[i])
            d->stats = i;
    }
    for (int i = 0; d->stats >= 0 && i < f->n_nodes; i++) {
        const lb_node *const node = &f->g->nodes[i];
        if (node->op == &lb_op_BatchNormGradInput && node->in[1].id == d->g.id &&
            node->in[0].id == f->g->nodes[d->stats].in[0].id)
            d->input = i;
    }
}

/* What node i makes, if it is a mask or an addition that a norm's gradient reads. */
static bool find_gradient(const lb_fusion *f, int i, gradient *d)
{
    const lb_node *const node = &f->g->nodes[i];

    *d = (gradient){.mask = -1, .add = -1, .stats = -1, .input = -1};
    if (f->taken[i] || (!is_mask(node) && node->op != &lb_op_Add))
        return false;
    d->g = node->out[0];
    d->n_users = f->use[d->g.id].n;
    find_users(f, d);
    if (d->stats < 0)
        return false;
    if (is_mask(node)) {
        d->mask = i;
        d->y = node->in[0];
        d->dy = node->in[1];
        if (f->use[d->dy.id].n == 1)
            d->add = adder_of(f, d->dy);
    } else {
        d->add = adder_of(f, d->g);
        if (d->add < 0)
            return false;
    }
    if (d->add >= 0) {
        d->dy = f->g->nodes[d->add].in[0];
        d->more = f->g->nodes[d->add].in[1];
    }
    return true;
}

/* The norm whose activation gave y, if it is the one that reads the gradient and y is
 * made of nothing else; or -1. */
static int norm_behind(const lb_fusion *f, const gradient *d)
{
    const lb_value_info *const y = lb_info(f->g, d->y);
    const lb_node *const norm = y->kind == LB_VALUE_NODE ? &f->g->nodes[y->node] : NULL;

    if (!norm || norm->op != &lb_op_FusedBatchNorm || norm->n_in > 5 ||
        norm->in[0].id != f->g->nodes[d->stats].in[0].id)
        return -1;
    return y->node;
}

/* The node again with one more attribute or two, and other inputs. */
static lb_code add_masked(lb_fusion *f, int i, const lb_value *in, int n_in,
                          const gradient *d, lb_error *err)
{
    lb_graph *const g = f->g;
    const lb_node old = g->nodes[i];
    lb_attr attrs[3] = {lb_af("epsilon", lb_attr_float(&old, "epsilon", 1e-5))};
    double limits[2];
    const int n = 1 + lb_activation_attrs(g, &g->nodes[d->mask], attrs + 1, limits);
    lb_builder b;

    lb_builder_init(&b, g);
    lb_add_node(&b, old.op, NULL, in, n_in, attrs, n);
    LB_TRY(lb_builder_finish(&b, err));
    for (int k = 0; k < old.n_out; k++)
        lb_take_over_output(g, k, old.out[k]);
    f->taken[i] = true;
    f->place[i] = g->n_nodes - 1;
    return LB_OK;
}

/* The norm's gradients read dy, and mask it themselves. */
static lb_code mask_inside(lb_fusion *f, const gradient *d, int norm, lb_error *err)
{
    const lb_value scale = f->g->nodes[norm].in[3], bias = f->g->nodes[norm].in[4];
    const lb_node s = f->g->nodes[d->stats], x = f->g->nodes[d->input];
    const lb_value stats[] = {s.in[0], d->dy, s.in[2], s.in[3], scale, bias};
    const lb_value input[] = {x.in[0], d->dy,   x.in[2], x.in[3],
                              x.in[4], x.in[5], x.in[6], bias};

    LB_TRY(add_masked(f, d->stats, stats, 6, d, err));
    LB_TRY(add_masked(f, d->input, input, 8, d, err));
    f->taken[d->mask] = true;
    return LB_OK;
}

static lb_code join(lb_fusion *f, const gradient *d, lb_error *err)
{
    lb_graph *const g = f->g;
    const lb_node s = g->nodes[d->stats];
    const lb_value in[] = {d->dy, s.in[0], s.in[2], s.in[3], d->y, d->more};
    lb_attr attrs[3] = {lb_af("epsilon", lb_attr_float(&s, "epsilon", 1e-5))};
    double limits[2];
    int n = 1;
    lb_builder b;

    if (d->mask >= 0)
        n += lb_activation_attrs(g, &g->nodes[d->mask], attrs + 1, limits);
    lb_builder_init(&b, g);
    lb_add_node(&b, &lb_op_BatchNormGradJoin, NULL, in, 6, attrs, n);
    LB_TRY(lb_builder_finish(&b, err));
    lb_take_over_output(g, 0, d->g);
    lb_take_over_output(g, 1, s.out[0]);
    lb_take_over_output(g, 2, s.out[1]);
    const int last = d->mask >= 0 ? d->mask : d->add;
    if (d->add >= 0)
        f->taken[d->add] = true;
    f->taken[last] = f->taken[d->stats] = true;
    f->place[last] = g->n_nodes - 1;
    return LB_OK;
}

static lb_code fuse_backwards(lb_graph *g, lb_error *err)
{
    lb_fusion f;
    gradient d;

    if (!lb_fusion_begin(&f, g))
        return lb_raise(err, LB_ERR_MEMORY, "no memory to fuse batch norms");
    for (int i = f.n_nodes - 1; i >= 0; i--) {
        if (!find_gradient(&f, i, &d))
            continue;
        const int norm = d.mask >= 0 ? norm_behind(&f, &d) : -1;
        if (norm >= 0 && d.add < 0 && d.input >= 0 && d.n_users == 2)
            LB_TRY(mask_inside(&f, &d, norm, err));
        else
            LB_TRY(join(&f, &d, err));
    }
    return lb_fusion_end(&f, err);
}

lb_code lb_fuse_norms(lb_graph *g, lb_error *err)
{
    LB_TRY(fuse_forwards(g, err));
    return fuse_backwards(g, err);
}
