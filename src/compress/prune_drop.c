/* prune_drop.c: takes residual blocks out of a graph: who read the sum reads the
 * shortcut.
 *
 * The sum keeps its place as a copy of the shortcut only where somebody outside the nodes
 * looks at it. A Relu over what has passed one changes nothing, so it goes as well. */
#include "compress/prune_int.h"

#include "graph/passes.h"
#include "ops/ops.h"

#include <string.h>

static bool is_output(const lb_graph *g, lb_value v)
{
    for (int i = 0; i < g->n_outputs; i++)
        if (g->outputs[i].id == v.id)
            return true;
    return false;
}

static void read_instead(lb_graph *g, lb_value old, lb_value new)
{
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i].n_in; k++)
            if (g->nodes[i].in[k].id == old.id)
                g->nodes[i].in[k] = new;
}

/* The node's only result becomes what `from` is; whoever read it goes on to do so where
 * it has to stay. */
static void bypass(lb_graph *g, const lb_prune_map *map, int node, lb_value from)
{
    lb_node *const n = &g->nodes[node];
    const lb_value out = n->out[0];

    if (!is_output(g, out) && !(map->held && map->held[out.id])) {
        read_instead(g, out, from); /* and it is dead */
        return;
    }
    n->op = &lb_op_Identity;
    n->in[0] = from;
    n->n_in = 1;
    n->attrs = NULL;
    n->n_attrs = 0;
}

static bool is_made_by(const lb_graph *g, lb_value v, const char *op)
{
    const lb_value_info *const info = lb_info(g, v);

    return info->kind == LB_VALUE_NODE && strcmp(g->nodes[info->node].op->name, op) == 0;
}

static void drop_block(lb_graph *g, const lb_prune_map *map, const lb_prune_block *block)
{
    const int sum = lb_info(g, block->sum)->node;
    const lb_value shortcut = g->nodes[sum].in[1 - block->branch];

    bypass(g, map, sum, shortcut);
    for (int i = sum + 1; is_made_by(g, shortcut, "Relu") && i < g->n_nodes; i++) {
        const lb_value in = g->nodes[i].in[0];
        if (strcmp(g->nodes[i].op->name, "Relu") == 0 &&
            (in.id == shortcut.id || in.id == block->sum.id))
            bypass(g, map, i, in);
    }
}

lb_code lb_prune_drop(lb_graph *g, const lb_prune_map *map, const bool *gone,
                      lb_error *err)
{
    bool any = false;

    for (int k = 0; k < map->n_blocks; k++) {
        if (!gone[map->n_units + k])
            continue;
        drop_block(g, map, &map->block[k]);
        any = true;
    }
    return any ? lb_remove_dead(g, err) : LB_OK;
}
