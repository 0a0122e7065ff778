/* autodiff.c: reverse-mode differentiation.
 *
 * Nodes are visited backwards; each asks its operator for the gradients of its inputs. A
 * value's contributions are added in the order in which they arise, so that the sum, and
 * its bits, depend on nothing but the graph. */
#include "graph/autodiff.h"

#include <string.h>

typedef struct diff {
    lb_builder *b;
    const lb_diff_verbs *verbs;
    lb_value *grad; /* of each value that existed at the start */
    bool *wanted;   /* values on a path from some wrt */
    int n_values, n_nodes;
} diff;

static void mark_wanted(diff *d, const lb_value *wrt, int n)
{
    const lb_graph *const g = d->b->graph;

    for (int i = 0; i < n; i++)
        d->wanted[wrt[i].id] = true;
    for (int i = 0; i < d->n_nodes; i++) {
        const lb_node *const node = &g->nodes[i];
        bool any = false;
        for (int k = 0; k < node->n_in; k++)
            any = any || d->wanted[node->in[k].id];
        const bool through = (node->op->flags & LB_OP_QUANTISES) != 0;
        for (int k = 0; any && k < node->n_out; k++)
            if (through || lb_dtype_is_float(lb_info(g, node->out[k])->type.dtype))
                d->wanted[node->out[k].id] = true;
    }
    d->wanted[0] = false;
}

static void add_share(diff *d, lb_value v, lb_value share)
{
    lb_value *const sum = &d->grad[v.id];

    *sum = sum->id ? d->verbs->add(d->b, *sum, share) : share;
}

static void visit(diff *d, int index)
{
    /* the array of nodes may move while gradients are added: work on a copy */
    const lb_node node = d->b->graph->nodes[index];
    lb_value dy[LB_MAX_OUTPUTS] = {{0}}, dx[LB_MAX_INPUTS] = {{0}};
    bool reached = false, wanted = false;

    for (int k = 0; k < node.n_out; k++) {
        dy[k] = d->grad[node.out[k].id];
        reached = reached || dy[k].id;
    }
    for (int k = 0; k < node.n_in; k++)
        wanted = wanted || d->wanted[node.in[k].id];
    if (!reached || !wanted)
        return;
    if (!node.op->grad) {
        if (!(node.op->flags & LB_OP_FORWARD_ONLY))
            lb_build_fail(d->b, LB_ERR_UNSUPPORTED, "node '%s' (%s) has no gradient",
                          node.name, node.op->name);
        return;
    }
    node.op->grad(d->b, &node, dy, dx);
    for (int k = 0; k < node.n_in; k++)
        if (dx[k].id && d->wanted[node.in[k].id])
            add_share(d, node.in[k], dx[k]);
}

void lb_autodiff(lb_builder *b, const lb_diff_verbs *verbs, lb_value of,
                 const lb_value *wrt, int n, lb_value *out)
{
    diff d = {.b = b,
              .verbs = verbs,
              .n_values = b->graph->n_values,
              .n_nodes = b->graph->n_nodes};

    memset(out, 0, (size_t)n * sizeof *out);
    if (b->error.code != LB_OK)
        return;
    d.grad = LB_TAKE_ARRAY(b->graph->arena, d.n_values, lb_value);
    d.wanted = LB_TAKE_ARRAY(b->graph->arena, d.n_values, bool);
    if (!d.grad || !d.wanted) {
        lb_build_fail(b, LB_ERR_MEMORY, "no memory for gradients");
        return;
    }
    mark_wanted(&d, wrt, n);
    d.grad[of.id] = verbs->one(b, of);
    for (int i = d.n_nodes - 1; i >= 0 && b->error.code == LB_OK; i--)
        visit(&d, i);
    for (int i = 0; i < n && b->error.code == LB_OK; i++)
        out[i] = d.grad[wrt[i].id];
}
