/* prune_index.c: for each unit where it stands, and which nodes it is part of. */
#include "compress/prune_rank_int.h"

/* Rows of items, unit by unit, filled in two rounds: counted, then written. */
static bool begin_rows(lb_arena *arena, int n_units, const int *count, int **first)
{
    *first = LB_TAKE_ARRAY(arena, n_units + 1, int);
    for (int u = 0; *first && u < n_units; u++)
        (*first)[u + 1] = (*first)[u] + count[u];
    return *first != NULL;
}

typedef struct axis_walk {
    const lb_prune_map *map;
    int *n; /* [n_units], zeros between walks */
} axis_walk;

/* Calls each(arg, unit, n) for the units along an axis, n: their channels there. */
static void each_unit(axis_walk *w, int v, int axis, int dim,
                      void (*each)(void *arg, int unit, int n), void *arg)
{
    const int *const unit = lb_prune_units(w->map, v, axis);

    for (int i = 0; unit && i < dim; i++)
        if (unit[i] >= 0)
            w->n[unit[i]]++;
    for (int i = 0; unit && i < dim; i++) {
        const int u = unit[i];
        if (u < 0 || w->n[u] == 0)
            continue;
        each(arg, u, w->n[u]);
        w->n[u] = 0;
    }
}

typedef struct filler {
    lb_prune_index *x;
    int *count;
    bool writes;
    int value, axis;
} filler;

static void add_spot(void *arg, int unit, int n)
{
    filler *const f = arg;

    if (f->writes)
        f->x->spot[f->x->first_spot[unit] + f->count[unit]] =
            (lb_prune_spot){f->value, f->axis, n};
    f->count[unit]++;
}

static void walk_spots(const lb_graph *g, axis_walk *w, filler *f)
{
    for (f->value = 1; f->value < w->map->n_values; f->value++)
        for (f->axis = 0; f->axis < g->values[f->value].type.shape.rank; f->axis++)
            each_unit(w, f->value, f->axis, g->values[f->value].type.shape.dim[f->axis],
                      add_spot, f);
}

static bool fill_spots(const lb_graph *g, axis_walk *w, filler *f, lb_arena *arena)
{
    lb_prune_index *const x = f->x;
    const int n = w->map->n_units;

    walk_spots(g, w, f);
    if (!begin_rows(arena, n, f->count, &x->first_spot))
        return false;
    x->spot = LB_TAKE_ARRAY(arena, x->first_spot[n] + 1, lb_prune_spot);
    for (int u = 0; u < n; u++)
        f->count[u] = 0;
    f->writes = true;
    if (x->spot)
        walk_spots(g, w, f);
    return x->spot != NULL;
}

/* Nodes that read or make a value of the unit, each once. */
typedef struct node_filler {
    lb_prune_index *x;
    int *count, *stamp;
    bool writes;
    int node;
} node_filler;

static void add_node(void *arg, int unit, int n)
{
    node_filler *const f = arg;

    (void)n;
    if (f->stamp[unit] == f->node + 1)
        return;
    f->stamp[unit] = f->node + 1;
    if (f->writes)
        f->x->node[f->x->first_node[unit] + f->count[unit]] = f->node;
    f->count[unit]++;
}

static void walk_value(const lb_graph *g, axis_walk *w, lb_value v, node_filler *f)
{
    for (int k = 0; v.id && v.id < w->map->n_values && k < lb_info(g, v)->type.shape.rank;
         k++)
        each_unit(w, v.id, k, lb_info(g, v)->type.shape.dim[k], add_node, f);
}

static void walk_nodes(const lb_graph *g, axis_walk *w, node_filler *f)
{
    for (f->node = 0; f->node < g->n_nodes; f->node++) {
        const lb_node *const node = &g->nodes[f->node];
        for (int k = 0; k < node->n_in; k++)
            walk_value(g, w, node->in[k], f);
        for (int k = 0; k < node->n_out; k++)
            walk_value(g, w, node->out[k], f);
    }
}

static bool fill_nodes(const lb_graph *g, axis_walk *w, node_filler *f, lb_arena *arena)
{
    lb_prune_index *const x = f->x;
    const int n = w->map->n_units;

    walk_nodes(g, w, f);
    if (!begin_rows(arena, n, f->count, &x->first_node))
        return false;
    x->node = LB_TAKE_ARRAY(arena, x->first_node[n] + 1, int);
    for (int u = 0; u < n; u++)
        f->count[u] = f->stamp[u] = 0;
    f->writes = true;
    if (x->node)
        walk_nodes(g, w, f);
    return x->node != NULL;
}

bool lb_prune_index_units(const lb_graph *g, const lb_prune_map *map, lb_arena *arena,
                          lb_prune_index *out)
{
    const int n = map->n_units + 1;
    int *const room = LB_TAKE_ARRAY(arena, 4 * n, int);
    axis_walk w = {.map = map, .n = room};

    if (!room)
        return false;
    filler spots = {.x = out, .count = room + n};
    node_filler nodes = {.x = out, .count = room + 2 * n, .stamp = room + 3 * n};
    return fill_spots(g, &w, &spots, arena) && fill_nodes(g, &w, &nodes, arena);
}
