/* prune_rank.c: which parts go: the least score for what is saved comes first.
 *
 * What a part saves falls as its neighbours go, so its score for that only rises: a queue
 * whose first is reckoned anew before it is taken (lazy greedy, Minoux, 1978) gives the
 * same order as reckoning all of them after each. */
#include "compress/prune_rank_int.h"

#include <math.h>
#include <string.h>

typedef struct rank {
    const lb_graph *g;
    const lb_prune_map *map;
    const lb_prune_goal *goal;
    lb_prune_index index;
    lb_type *type;     /* [n_values] as they would be by now */
    double *rate;      /* [n_nodes] cycles of one unit of work; NULL: no device */
    double *factor;    /* [n_parts] of relative scores */
    int *left, *least; /* [n_layers] channels */
    bool *dead;        /* [n_nodes] of blocks that are gone */
    bool *unread;      /* [n_values] parameters that such nodes alone read */
    int *heap, n_heap;
    double *key;          /* [n_parts] score for what is saved, when last reckoned */
    int *waiting, n_wait; /* blocks that would overshoot */
} rank;

static double macs_of(const rank *r, int i)
{
    const lb_node *const node = &r->g->nodes[i];
    lb_view view = {.node = node, .n_in = node->n_in, .n_out = node->n_out};
    lb_type out[LB_MAX_OUTPUTS];

    if (!node->op->cost || r->dead[i])
        return 0;
    for (int k = 0; k < node->n_in; k++) {
        const lb_value_info *const info = lb_info(r->g, node->in[k]);
        if (info->kind == LB_VALUE_NONE)
            continue;
        view.in[k] = &r->type[node->in[k].id];
        view.constant[k] = info->kind == LB_VALUE_CONSTANT ? info->tensor : NULL;
    }
    for (int k = 0; k < node->n_out; k++)
        out[k] = r->type[node->out[k].id];
    return node->op->cost(&view, out).macs;
}

static double elements_of(const lb_type *type)
{
    double n = 1;

    for (int k = 0; k < type->shape.rank; k++)
        n *= type->shape.dim[k] == LB_BATCH ? 1 : type->shape.dim[k];
    return n;
}

/* Multiply-adds; elements of the result where there are none. */
static double work_of(const rank *r, int i)
{
    const double macs = macs_of(r, i);

    if (r->dead[i])
        return 0;
    return macs > 0 ? macs : elements_of(&r->type[r->g->nodes[i].out[0].id]);
}

/* Parameters that unit u is part of; or multiply-adds, or cycles, of its nodes. */
static double parameters_at(const rank *r, int u)
{
    double sum = 0;
    int before = 0;

    for (int i = r->index.first_spot[u]; i < r->index.first_spot[u + 1]; i++) {
        const int v = r->index.spot[i].value;
        if (v != before && r->g->values[v].kind == LB_VALUE_PARAM && !r->unread[v])
            sum += elements_of(&r->type[v]);
        before = v;
    }
    return sum;
}

static double macs_at(const rank *r, int u)
{
    double sum = 0;

    for (int i = r->index.first_node[u]; i < r->index.first_node[u + 1]; i++)
        sum += macs_of(r, r->index.node[i]);
    return sum;
}

static double cycles_at(const rank *r, int u)
{
    double sum = 0;

    for (int i = r->index.first_node[u]; i < r->index.first_node[u + 1]; i++) {
        const int node = r->index.node[i];
        if (r->rate[node] > 0)
            sum += r->rate[node] * work_of(r, node);
    }
    return sum;
}

/* The same of all of a block: what goes with it. */
static double block_parameters(const rank *r, const lb_prune_block *block)
{
    double sum = 0;

    for (int i = 0; i < block->n_params; i++)
        if (!r->unread[block->param[i].id])
            sum += elements_of(&r->type[block->param[i].id]);
    return sum;
}

static double block_macs(const rank *r, const lb_prune_block *block)
{
    double sum = macs_of(r, lb_info(r->g, block->sum)->node);

    for (int i = 0; i < block->n_nodes; i++)
        sum += macs_of(r, block->node[i]);
    return sum;
}

static double block_cycles(const rank *r, const lb_prune_block *block)
{
    const int last = lb_info(r->g, block->sum)->node;
    double sum = r->rate[last] > 0 ? r->rate[last] * work_of(r, last) : 0;

    for (int i = 0; i < block->n_nodes; i++) {
        const int node = block->node[i];
        if (r->rate[node] > 0)
            sum += r->rate[node] * work_of(r, node);
    }
    return sum;
}

/* Takes the channels of a unit out of all types, or puts them back. */
static void shift(rank *r, int u, int sign)
{
    for (int i = r->index.first_spot[u]; i < r->index.first_spot[u + 1]; i++) {
        const lb_prune_spot *const s = &r->index.spot[i];
        r->type[s->value].shape.dim[s->axis] += sign * s->n;
    }
}

static double saving_of(rank *r, int u, double (*measure)(const rank *r, int u))
{
    const double before = measure(r, u);

    shift(r, u, -1);
    const double after = measure(r, u);
    shift(r, u, 1);
    return before - after;
}

static const lb_prune_block *block_of(const rank *r, int part)
{
    return part < r->map->n_units ? NULL : &r->map->block[part - r->map->n_units];
}

/* Of what the goal is in. */
static double goal_saving(rank *r, int part)
{
    const lb_prune_block *const block = block_of(r, part);
    const bool macs = r->goal->of == LB_PRUNE_OF_MACS;

    if (block)
        return macs ? block_macs(r, block) : block_parameters(r, block);
    return saving_of(r, part, macs ? macs_at : parameters_at);
}

/* Of what the ranking is by. */
static double cost_saving(rank *r, int part)
{
    const lb_prune_block *const block = block_of(r, part);

    if (!r->rate)
        return goal_saving(r, part);
    return block ? block_cycles(r, block) : saving_of(r, part, cycles_at);
}

static double key_of(rank *r, const double *score, int part)
{
    const double saving = cost_saving(r, part);
    const double own = r->factor ? score[part] * r->factor[part] : score[part];

    return saving > 0 ? own / saving : (double)INFINITY;
}

static bool comes_before(const rank *r, int a, int b)
{
    return r->key[a] < r->key[b] || (r->key[a] <= r->key[b] && a < b);
}

static void sink(rank *r, int at)
{
    for (;;) {
        int least = at;
        for (int child = 2 * at + 1; child <= 2 * at + 2 && child < r->n_heap; child++)
            if (comes_before(r, r->heap[child], r->heap[least]))
                least = child;
        if (least == at)
            return;
        const int moved = r->heap[at];
        r->heap[at] = r->heap[least];
        r->heap[least] = moved;
        at = least;
    }
}

/* Whether a step is what has become of a node: a pass that puts one node in the place of
 * several may number the name of the first. */
static bool is_of(const lb_low_step *step, const lb_node *node)
{
    const size_t n = strlen(node->name);

    if (strncmp(step->name, node->name, n) != 0)
        return false;
    const char *const rest = step->name + n;
    return *rest == 0 || (*rest == '_' && rest[1 + strspn(rest + 1, "0123456789")] == 0);
}

/* The node of that step: of its very name, if there is one. */
static int node_of(const lb_graph *g, const lb_low_step *step)
{
    int found = -1;

    for (int i = 0; i < g->n_nodes; i++) {
        if (strcmp(step->name, g->nodes[i].name) == 0)
            return i;
        if (found < 0 && is_of(step, &g->nodes[i]))
            found = i;
    }
    return found;
}

/* Cycles of each node's work, from the steps that the network becomes on the device. */
static lb_code open_rates(rank *r, lb_arena *arena, lb_error *err)
{
    lb_low *low = NULL;

    if (!r->goal->device)
        return LB_OK;
    if (lb_lower(r->g, arena, &low, err) != LB_OK)
        return lb_within(err, "the network cannot run on a device");
    r->rate = LB_TAKE_ARRAY(arena, r->g->n_nodes, double);
    if (!r->rate)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to rank channels");
    for (int k = 0; k < low->n_steps; k++) {
        const int i = node_of(r->g, &low->step[k]);
        if (i >= 0)
            r->rate[i] +=
                lb_device_step_cycles(&low->step[k], r->goal->device).mid / work_of(r, i);
    }
    return LB_OK;
}

/* Which layers lose how many channels with a unit: pairs of layer and number. */
static lb_code open_layers(rank *r, lb_arena *arena, lb_error *err)
{
    const lb_prune_map *const map = r->map;

    r->left = LB_TAKE_ARRAY(arena, 2 * map->n_layers + 1, int);
    if (!r->left)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to rank channels");
    r->least = r->left + map->n_layers;
    for (int k = 0; k < map->n_layers; k++) {
        r->left[k] = map->layer[k].n;
        r->least[k] = (int)ceil(r->goal->keep * map->layer[k].n - 1e-9);
        r->least[k] = r->least[k] < 1 ? 1 : r->least[k];
    }
    return LB_OK;
}

static lb_code open_rank(rank *r, const double *score, lb_arena *arena, lb_error *err)
{
    const int n = r->map->n_parts;

    r->type = LB_TAKE_ARRAY(arena, r->g->n_values, lb_type);
    r->dead = LB_TAKE_ARRAY(arena, r->g->n_nodes + r->g->n_values, bool);
    r->heap = LB_TAKE_ARRAY(arena, n + 1, int);
    r->waiting = LB_TAKE_ARRAY(arena, r->map->n_blocks + 1, int);
    r->key = LB_TAKE_ARRAY(arena, n + 1, double);
    double *const factor = LB_TAKE_ARRAY(arena, n + 1, double);
    if (!r->type || !r->dead || !r->heap || !r->waiting || !r->key || !factor ||
        !lb_prune_index_units(r->g, r->map, arena, &r->index))
        return lb_raise(err, LB_ERR_MEMORY, "no memory to rank channels");
    r->unread = r->dead + r->g->n_nodes;
    for (int v = 0; v < r->g->n_values; v++)
        r->type[v] = r->g->values[v].type;
    LB_TRY(open_rates(r, arena, err));
    LB_TRY(open_layers(r, arena, err));
    for (int u = 0; r->goal->relative && u < n; u++)
        factor[u] = cost_saving(r, u);
    r->factor = r->goal->relative ? factor : NULL;
    for (int u = r->goal->blocks_only ? r->map->n_units : 0; u < n; u++) {
        r->key[u] = key_of(r, score, u);
        if (isfinite(r->key[u]))
            r->heap[r->n_heap++] = u;
    }
    for (int at = r->n_heap / 2; at >= 0; at--)
        sink(r, at);
    return LB_OK;
}

static int channels_in(const lb_prune_layer *layer, int u)
{
    int n = 0;

    for (int i = 0; i < layer->n; i++)
        n += layer->unit[i] == u;
    return n;
}

static bool is_dead(const rank *r, lb_value v)
{
    return r->dead[lb_info(r->g, v)->node];
}

/* Whether every layer keeps enough without it; takes it from their counts if so. A block
 * may, unless it is part of one that is gone. */
static bool may_go(rank *r, int u)
{
    const lb_prune_block *const block = block_of(r, u);

    if (block)
        return !is_dead(r, block->sum);
    for (int k = 0; k < r->map->n_layers; k++) {
        const int n = channels_in(&r->map->layer[k], u);
        if (n > 0 && r->left[k] - n < r->least[k] && !is_dead(r, r->map->layer[k].out))
            return false;
    }
    for (int k = 0; k < r->map->n_layers; k++)
        r->left[k] -= channels_in(&r->map->layer[k], u);
    return true;
}

/* The next that goes, or -1. Those that have to stay leave the queue. */
static int take(rank *r, const double *score)
{
    while (r->n_heap > 0) {
        const int u = r->heap[0];
        const double now = key_of(r, score, u);
        if (now > r->key[u] && isfinite(now)) {
            r->key[u] = now;
            sink(r, 0);
            if (r->heap[0] != u)
                continue;
        }
        r->heap[0] = r->heap[--r->n_heap];
        sink(r, 0);
        if (isfinite(now) && may_go(r, u))
            return u;
    }
    return -1;
}

static double total_of(const rank *r)
{
    double sum = 0;

    if (r->goal->of == LB_PRUNE_OF_MACS) {
        for (int i = 0; i < r->g->n_nodes; i++)
            sum += macs_of(r, i);
        return sum;
    }
    for (int v = 1; v < r->g->n_values; v++)
        if (r->g->values[v].kind == LB_VALUE_PARAM)
            sum += elements_of(&r->type[v]);
    return sum;
}

/* Takes it out of what is left. */
static void take_out(rank *r, int part)
{
    const lb_prune_block *const block = block_of(r, part);

    if (!block) {
        shift(r, part, -1);
        return;
    }
    r->dead[lb_info(r->g, block->sum)->node] = true;
    for (int i = 0; i < block->n_nodes; i++)
        r->dead[block->node[i]] = true;
    for (int i = 0; i < block->n_params; i++)
        r->unread[block->param[i].id] = true;
}

/* The next that goes while so much is too much, or -1. A block that is more than that
 * waits: channels come nearer to the goal. */
static int take_next(rank *r, const double *score, double too_much)
{
    for (;;) {
        const int part = take(r, score);
        if (part < 0)
            break;
        if (r->goal->blocks_only || !block_of(r, part) ||
            goal_saving(r, part) <= too_much)
            return part;
        r->waiting[r->n_wait++] = part;
    }
    for (int i = 0; i < r->n_wait; i++) {
        const int part = r->waiting[i];
        if (!is_dead(r, block_of(r, part)->sum))
            return part;
    }
    return -1;
}

static lb_code refuse(const rank *r, double left, double all, lb_error *err)
{
    const char *const what =
        r->goal->of == LB_PRUNE_OF_MACS ? "multiply-adds" : "parameters";
    const double most = 100 * (1 - left / all), wanted = 100 * (1 - r->goal->left / all);

    if (r->goal->blocks_only)
        return lb_raise(err, LB_ERR_INPUT,
                        "no more than %.1f %% of the %s can go with its %d residual "
                        "blocks alone; %.1f %% was asked for",
                        most, what, r->map->n_blocks, wanted);
    return lb_raise(err, LB_ERR_INPUT,
                    "no more than %.1f %% of the %s can go, as at least %g of each "
                    "layer's channels stay; %.1f %% was asked for",
                    most, what, r->goal->keep, wanted);
}

static lb_code choose(rank *r, const double *score, bool *gone, lb_error *err)
{
    const double all = total_of(r);
    double left = all;

    while (left > r->goal->left) {
        const int part = take_next(r, score, left - r->goal->left);
        if (part < 0)
            return refuse(r, left, all, err);
        left -= goal_saving(r, part);
        take_out(r, part);
        gone[part] = true;
    }
    return LB_OK;
}

lb_code lb_prune_choose(const lb_graph *graph, const lb_prune_map *map,
                        const double *score, const lb_prune_goal *goal, bool *gone,
                        lb_error *err)
{
    rank r = {.g = graph, .map = map, .goal = goal};
    lb_arena *const arena = lb_arena_new(0);

    memset(gone, 0, (size_t)map->n_parts * sizeof *gone);
    if (!arena)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to rank channels");
    lb_code code = open_rank(&r, score, arena, err);
    if (code == LB_OK)
        code = choose(&r, score, gone, err);
    lb_arena_free(arena);
    return code;
}
