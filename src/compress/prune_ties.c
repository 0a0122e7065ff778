/* prune_ties.c: units: what hangs together in a whole graph. */
#include "compress/prune_int.h"

/* Numbers the roots that a layer makes and nothing holds. unit: [n_labels], -1: none. */
static int number_units(const lb_ties *t, int *unit)
{
    int n = 0;

    for (int i = 0; i < t->n_labels; i++)
        unit[i] = -1;
    for (int k = 0; k < t->n_layers; k++)
        for (int i = 0; i < t->layer[k].n; i++) {
            const int root = lb_ties_root(t, t->layer[k].unit[i]);
            if (root != 0 && unit[root] < 0)
                unit[root] = n++;
        }
    return n;
}

/* Labels of an axis as units; NULL if all of it stays. */
static const int *units_along(lb_ties *t, const int *labels, int n, const int *unit)
{
    int *const row = lb_ties_row(t, n);
    bool any = false;

    for (int i = 0; row && i < n; i++) {
        row[i] = unit[lb_ties_root(t, labels[i])];
        any = any || row[i] >= 0;
    }
    return any ? row : NULL;
}

static void fill_groups(lb_ties *t, const int *unit, lb_prune_map *out)
{
    int *const group = lb_ties_row(t, out->n_units);
    int *const of = lb_ties_row(t, t->n_labels);

    for (int i = 0; of && i < t->n_labels; i++)
        of[i] = -1;
    for (int i = 1; group && of && i < t->n_labels; i++) {
        const int u = unit[lb_ties_root(t, i)], kin = lb_ties_kin(t, i);
        if (u < 0)
            continue;
        if (of[kin] < 0)
            of[kin] = out->n_groups++;
        group[u] = of[kin];
    }
    out->group = group;
}

/* Layers that lose nothing are left out. */
static void fill_layers(lb_ties *t, const int *unit, lb_prune_map *out)
{
    for (int k = 0; k < t->n_layers && !t->failed; k++) {
        lb_prune_layer layer = t->layer[k];
        layer.unit = units_along(t, layer.unit, layer.n, unit);
        if (layer.unit)
            t->layer[out->n_layers++] = layer;
    }
    out->layer = t->layer;
}

static void fill_map(lb_ties *t, lb_prune_map *out)
{
    const int n = t->g->n_values * LB_MAX_RANK;
    int *const unit = lb_ties_row(t, t->n_labels);

    out->n_values = t->g->n_values;
    out->unit = LB_TAKE_ARRAY(t->arena, n, const int *);
    if (!unit || !out->unit || t->failed) {
        t->failed = true;
        return;
    }
    out->n_units = out->n_parts = number_units(t, unit);
    for (int i = 0; i < n && !t->failed; i++)
        if (t->label[i])
            out->unit[i] = units_along(
                t, t->label[i],
                t->g->values[i / LB_MAX_RANK].type.shape.dim[i % LB_MAX_RANK], unit);
    fill_groups(t, unit, out);
    fill_layers(t, unit, out);
}

lb_code lb_prune_ties(const lb_graph *graph, lb_arena *arena, lb_prune_map *out,
                      lb_error *err)
{
    lb_ties t;

    *out = (lb_prune_map){0};
    if (lb_ties_begin(&t, graph, arena)) {
        for (int i = 0; i < graph->n_nodes; i++)
            lb_ties_node(&t, &graph->nodes[i]);
        for (int i = 0; i < graph->n_outputs; i++)
            lb_ties_pin_all(&t, graph->outputs[i]);
        fill_map(&t, out);
    }
    return t.failed
               ? lb_raise(err, LB_ERR_MEMORY,
                          "no memory to find the channels of %d layers", graph->n_nodes)
               : LB_OK;
}
