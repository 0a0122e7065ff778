/* prune_blocks.c: residual blocks: what of a graph is there only to be added to a
 * shortcut.
 *
 * At each addition of two values the branch is sought: nodes that nothing but one input
 * of the addition depends on, so that they go with it. The other input is the shortcut if
 * it goes round the branch: it is what the branch reads, or is made of that by nodes of
 * its own (a projection; the lighter of the two). Without the branch the shortcut goes on
 * alone, which is how networks of stochastic depth run (Huang et al., 2016). */
#include "compress/prune_int.h"

#include <string.h>

typedef struct finder {
    const lb_graph *g;
    lb_arena *arena;
    const bool *held;
    int *uses;   /* [n_values] by nodes and as outputs */
    int *within; /* [n_values] of them, by nodes of the set under way; else zeros */
} finder;

/* Nodes that only one value depends on. */
typedef struct owned {
    int *node; /* in the order in which they run */
    int n;
    int weighted; /* convolutions and dense layers among them */
} owned;

static void count_uses(finder *f)
{
    const lb_graph *const g = f->g;

    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i].n_in; k++)
            f->uses[g->nodes[i].in[k].id]++;
    for (int i = 0; i < g->n_outputs; i++)
        f->uses[g->outputs[i].id]++;
}

static bool is_weighted(const lb_node *node)
{
    static const char *const ops[] = {"Conv", "ConvTranspose", "Gemm", "MatMul"};

    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (strcmp(node->op->name, ops[i]) == 0)
            return true;
    return false;
}

/* Whether all that a node computes is used by the set alone. */
static bool is_within(const finder *f, const lb_node *node)
{
    bool any = false;

    for (int k = 0; k < node->n_out; k++) {
        const int v = node->out[k].id;
        if (f->within[v] != f->uses[v] || (f->held && f->held[v]))
            return false;
        any = any || f->uses[v] > 0;
    }
    return any;
}

/* The nodes behind v, whose one use is the addition. False: a layer among them has to
 * stay, or there is no memory. */
static bool find_owned(finder *f, lb_value v, owned *out)
{
    const lb_graph *const g = f->g;
    const lb_value_info *const info = lb_info(g, v);

    *out = (owned){.node = NULL};
    if (info->kind != LB_VALUE_NODE || f->uses[v.id] != 1)
        return true;
    int *const node = LB_TAKE_ARRAY(f->arena, info->node + 1, int);
    if (!node)
        return false;
    f->within[v.id] = 1;
    int at = info->node + 1; /* they are found last to first */
    for (int i = info->node; i >= 0; i--) {
        if (!is_within(f, &g->nodes[i]))
            continue;
        node[--at] = i;
        out->weighted += is_weighted(&g->nodes[i]);
        for (int k = 0; k < g->nodes[i].n_in; k++)
            f->within[g->nodes[i].in[k].id]++;
    }
    out->node = node + at;
    out->n = info->node + 1 - at;
    return true;
}

static void forget(finder *f, lb_value v, const owned *set)
{
    f->within[v.id] = 0;
    for (int i = 0; i < set->n; i++)
        for (int k = 0; k < f->g->nodes[set->node[i]].n_in; k++)
            f->within[f->g->nodes[set->node[i]].in[k].id] = 0;
}

static bool has_node(const owned *set, int node)
{
    for (int i = 0; i < set->n; i++)
        if (set->node[i] == node)
            return true;
    return false;
}

/* Whether the set reads a value that it does not compute. */
static bool reads(const finder *f, const owned *set, lb_value v)
{
    const lb_value_info *const info = lb_info(f->g, v);
    const bool given = info->kind == LB_VALUE_INPUT || info->kind == LB_VALUE_NODE;

    if (!given || (info->kind == LB_VALUE_NODE && has_node(set, info->node)))
        return false;
    for (int i = 0; i < set->n; i++)
        for (int k = 0; k < f->g->nodes[set->node[i]].n_in; k++)
            if (f->g->nodes[set->node[i]].in[k].id == v.id)
                return true;
    return false;
}

static bool share_a_source(const finder *f, const owned *a, const owned *b)
{
    for (int i = 0; i < a->n; i++)
        for (int k = 0; k < f->g->nodes[a->node[i]].n_in; k++) {
            const lb_value v = f->g->nodes[a->node[i]].in[k];
            if (reads(f, a, v) && reads(f, b, v))
                return true;
        }
    return false;
}

/* Which input of the addition is the branch; -1: none. */
static int branch_of(const finder *f, const lb_node *sum, const owned set[2])
{
    for (int i = 0; i < 2; i++)
        if (set[i].n > 0 && reads(f, &set[i], sum->in[1 - i]))
            return i;
    if (set[0].n == 0 || set[1].n == 0 || !share_a_source(f, &set[0], &set[1]))
        return -1;
    if (set[0].weighted != set[1].weighted)
        return set[0].weighted > set[1].weighted ? 0 : 1;
    return set[0].n >= set[1].n ? 0 : 1;
}

static bool is_stored(const lb_graph *g, lb_value v)
{
    return lb_info(g, v)->tensor && lb_dtype_is_float(lb_info(g, v)->type.dtype);
}

static void add_closing(const lb_graph *g, lb_prune_block *block, lb_value v)
{
    if (is_stored(g, v) && block->n_closing < LB_PRUNE_CLOSING)
        block->closing[block->n_closing++] = v;
}

static bool is_op(const lb_node *node, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(node->op->name, *names) == 0)
            return true;
    return false;
}

/* One step from the branch's result towards its last layer: takes the weights of a node.
 * Returns the value to go on with; {0}: it is done, or (n_closing is 0) cannot be. */
static lb_value step_back(const lb_graph *g, const lb_node *node, lb_prune_block *block)
{
    static const char *const linear[] = {
        "BatchNormalization", "Conv", "ConvTranspose", "Gemm", "MatMul", NULL};
    static const char *const same[] = {"Identity", "Reshape", "Transpose", NULL};
    static const char *const sum[] = {"Add", NULL}, *const scale[] = {"Mul", NULL};
    const int stored = node->n_in > 1 && is_stored(g, node->in[1]) ? 1 : 0;

    if (is_op(node, same))
        return node->in[0];
    if (is_op(node, linear) && stored == 1) {
        add_closing(g, block, node->in[1]);
        if (node->n_in > 2)
            add_closing(g, block, node->in[2]);
        return (lb_value){0};
    }
    if ((is_op(node, sum) || is_op(node, scale)) && is_stored(g, node->in[stored])) {
        add_closing(g, block, node->in[stored]);
        return is_op(node, sum) ? node->in[1 - stored] : (lb_value){0};
    }
    block->n_closing = 0;
    return (lb_value){0};
}

/* The weights of which the branch's result is a linear function without a rest: with
 * zeros in their place it is zero. They are those of its last layer, found behind biases
 * and reshapes. False: it does not end in a layer. */
static bool find_closing(const lb_graph *g, lb_value v, lb_prune_block *block)
{
    const lb_type *const type = &lb_info(g, v)->type;

    const int last = type->shape.rank - 1;

    block->n_channels = type->shape.dim[last > 2 ? 1 : last];
    while (v.id) {
        if (lb_info(g, v)->kind != LB_VALUE_NODE) {
            block->n_closing = 0;
            break;
        }
        v = step_back(g, &g->nodes[lb_info(g, v)->node], block);
    }
    return block->n_closing > 0;
}

/* Parameters that the branch alone reads. */
static bool find_params(const finder *f, const owned *set, lb_prune_block *block)
{
    int most = 0;

    for (int i = 0; i < set->n; i++)
        most += f->g->nodes[set->node[i]].n_in;
    block->param = LB_TAKE_ARRAY(f->arena, most + 1, lb_value);
    for (int i = 0; block->param && i < set->n; i++)
        for (int k = 0; k < f->g->nodes[set->node[i]].n_in; k++) {
            const lb_value v = f->g->nodes[set->node[i]].in[k];
            bool known = lb_info(f->g, v)->kind != LB_VALUE_PARAM ||
                         f->within[v.id] != f->uses[v.id];
            for (int j = 0; j < block->n_params; j++)
                known = known || block->param[j].id == v.id;
            if (!known)
                block->param[block->n_params++] = v;
        }
    return block->param != NULL;
}

static bool is_sum(const lb_graph *g, const lb_node *node)
{
    const lb_shape *const y = &lb_info(g, node->out[0])->type.shape;

    if (strcmp(node->op->name, "Add") != 0 || node->in[0].id == node->in[1].id ||
        y->rank < 2)
        return false;
    for (int i = 0; i < 2; i++)
        if (lb_info(g, node->in[i])->tensor ||
            !lb_shape_equal(&lb_info(g, node->in[i])->type.shape, y))
            return false;
    return true;
}

/* 1: the node adds a branch to its shortcut; 0: it does not; -1: no memory. */
static int look_at(finder *f, const lb_node *node, lb_prune_block *block)
{
    owned set[2] = {{.n = 0}, {.n = 0}};
    int found = -1;

    *block =
        (lb_prune_block){.name = lb_info(f->g, node->out[0])->name, .sum = node->out[0]};
    if (find_owned(f, node->in[0], &set[0]) && find_owned(f, node->in[1], &set[1])) {
        block->branch = branch_of(f, node, set);
        found = block->branch >= 0 && find_closing(f->g, node->in[block->branch], block);
    }
    if (found > 0) {
        const owned *const branch = &set[block->branch];
        block->node = branch->node;
        block->n_nodes = branch->n;
        found = find_params(f, branch, block) ? 1 : -1;
    }
    for (int i = 0; i < 2; i++)
        forget(f, node->in[i], &set[i]);
    return found;
}

static bool find_all(finder *f, lb_prune_map *map)
{
    lb_prune_block *const block =
        LB_TAKE_ARRAY(f->arena, f->g->n_nodes + 1, lb_prune_block);

    map->block = block;
    for (int i = 0; block && i < f->g->n_nodes; i++) {
        const lb_node *const node = &f->g->nodes[i];
        const int found =
            is_sum(f->g, node) ? look_at(f, node, &block[map->n_blocks]) : 0;
        if (found < 0)
            return false;
        map->n_blocks += found;
    }
    return block != NULL;
}

lb_code lb_prune_blocks(const lb_graph *graph, const bool *held, lb_arena *arena,
                        lb_prune_map *map, lb_error *err)
{
    int *const room = LB_TAKE_ARRAY(arena, 2 * graph->n_values, int);
    finder f = {.g = graph, .arena = arena, .held = held, .uses = room};

    map->n_blocks = 0;
    map->held = held;
    if (room) {
        f.within = room + graph->n_values;
        count_uses(&f);
    }
    if (!room || !find_all(&f, map))
        return lb_raise(err, LB_ERR_MEMORY, "no memory to find the blocks of %d layers",
                        graph->n_nodes);
    map->n_parts = map->n_units + map->n_blocks;
    return LB_OK;
}
