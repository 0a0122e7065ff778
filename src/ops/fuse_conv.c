/* fuse_conv.c: Conv -> [Add of an equal shape] -> [Relu or Clip] becomes one FusedConv.
 */
#include "ops/rewrite_int.h"

#include "ops/op_util.h"

enum { MOST_ATTRS = 16 };

/* Adds the fused node at the end. */
static lb_code add_fused(lb_graph *g, const lb_chain *c, lb_error *err)
{
    const lb_node conv = g->nodes[c->head];
    const lb_value in[] = {conv.in[0], conv.in[1],
                           conv.n_in > 2 ? conv.in[2] : (lb_value){0}, c->residual};
    const int n_in = c->residual.id ? 4 : in[2].id ? 3 : 2;
    lb_attr attrs[MOST_ATTRS + 2];
    double limits[2];
    lb_builder b;
    int n = 0;

    for (; n < conv.n_attrs && n < MOST_ATTRS; n++)
        attrs[n] = conv.attrs[n];
    if (c->activation >= 0)
        n += lb_activation_attrs(g, &g->nodes[c->activation], attrs + n, limits);
    lb_builder_init(&b, g);
    lb_add_node(&b, &lb_op_FusedConv, conv.name, in, n_in, attrs, n);
    return lb_builder_finish(&b, err);
}

lb_code lb_fuse_convolutions(lb_graph *g, lb_error *err)
{
    lb_fusion f;
    lb_chain c;

    if (!lb_fusion_begin(&f, g))
        return lb_raise(err, LB_ERR_MEMORY, "no memory to fuse convolutions");
    for (int i = f.n_nodes - 1; i >= 0; i--) {
        if (g->nodes[i].op != &lb_op_Conv || g->nodes[i].n_attrs > MOST_ATTRS ||
            !lb_chain_find(&f, i, &c))
            continue;
        LB_TRY(add_fused(g, &c, err));
        lb_chain_replace(&f, &c);
    }
    return lb_fusion_end(&f, err);
}
