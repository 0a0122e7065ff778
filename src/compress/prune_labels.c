/* prune_labels.c: labels of channels, joined where they must go together (union and
 * find; paths are halved on the way). */
#include "compress/prune_int.h"

static void fail(lb_ties *t)
{
    t->failed = true;
}

int lb_ties_dim(const lb_ties *t, lb_value v, int axis)
{
    return lb_info(t->g, v)->type.shape.dim[axis];
}

bool lb_ties_is_stored(const lb_ties *t, lb_value v)
{
    const lb_value_kind kind = lb_info(t->g, v)->kind;

    return kind == LB_VALUE_PARAM || kind == LB_VALUE_CONSTANT;
}

static int root_in(const int *parent, int label)
{
    while (parent[label] != label)
        label = parent[label];
    return label;
}

int lb_ties_root(const lb_ties *t, int label)
{
    return root_in(t->parent, label);
}

int lb_ties_kin(const lb_ties *t, int label)
{
    return root_in(t->kin, label);
}

/* The smaller number leads, so that 0, which stays, always does. */
static void join_in(int *parent, int a, int b)
{
    const int x = root_in(parent, a), y = root_in(parent, b);
    const int least = x < y ? x : y;

    for (int i = 0; i < 2; i++) { /* paths are made short on the way */
        int at = i ? b : a;
        while (parent[at] != at) {
            const int next = parent[at];
            parent[at] = least;
            at = next;
        }
        parent[at] = least;
    }
}

void lb_ties_join(lb_ties *t, int a, int b)
{
    if (t->failed)
        return;
    join_in(t->parent, a, b);
    if (a != 0 && b != 0)
        join_in(t->kin, a, b);
}

static int new_label(lb_ties *t)
{
    if (t->failed ||
        !lb_arena_grow(t->arena, (void **)&t->parent, &t->capacity, t->n_labels,
                       sizeof *t->parent) ||
        !lb_arena_grow(t->arena, (void **)&t->kin, &t->kin_capacity, t->n_labels,
                       sizeof *t->kin)) {
        fail(t);
        return 0;
    }
    t->parent[t->n_labels] = t->kin[t->n_labels] = t->n_labels;
    return t->n_labels++;
}

int *lb_ties_row(lb_ties *t, int n)
{
    int *const row = t->failed ? NULL : LB_TAKE_ARRAY(t->arena, n > 0 ? n : 1, int);

    if (!row)
        fail(t);
    return row;
}

void lb_ties_set(lb_ties *t, lb_value v, int axis, int *labels)
{
    t->label[v.id * LB_MAX_RANK + axis] = labels;
}

static int *new_labels(lb_ties *t, int n)
{
    int *const row = lb_ties_row(t, n);

    for (int i = 0; row && i < n; i++)
        row[i] = new_label(t);
    return row;
}

int *lb_ties_along(lb_ties *t, lb_value v, int axis)
{
    int **const at = &t->label[v.id * LB_MAX_RANK + axis];

    if (!*at && lb_ties_is_stored(t, v))
        *at = new_labels(t, lb_ties_dim(t, v, axis));
    return *at;
}

void lb_ties_pin(lb_ties *t, lb_value v, int axis)
{
    int *const row = lb_ties_along(t, v, axis);

    for (int i = 0; row && i < lb_ties_dim(t, v, axis); i++)
        lb_ties_join(t, row[i], 0);
}

void lb_ties_pair(lb_ties *t, lb_value a, int a_axis, lb_value b, int b_axis)
{
    int *const x = lb_ties_along(t, a, a_axis), *const y = lb_ties_along(t, b, b_axis);
    const int n = lb_ties_dim(t, a, a_axis);

    if (!x || !y) {
        lb_ties_pin(t, a, a_axis);
        lb_ties_pin(t, b, b_axis);
        return;
    }
    for (int i = 0; i < n; i++)
        lb_ties_join(t, x[i], y[i]);
}

static void add_layer(lb_ties *t, const lb_node *node, int axis, int *labels)
{
    if (t->failed || !lb_arena_grow(t->arena, (void **)&t->layer, &t->layers_capacity,
                                    t->n_layers, sizeof *t->layer)) {
        fail(t);
        return;
    }
    t->layer[t->n_layers++] = (lb_prune_layer){.name = node->name,
                                               .out = node->out[0],
                                               .axis = axis,
                                               .n = lb_ties_dim(t, node->out[0], axis),
                                               .unit = labels};
}

void lb_ties_make(lb_ties *t, const lb_node *node, int axis, lb_value weight,
                  int weight_axis)
{
    int *const row = lb_ties_along(t, weight, weight_axis);

    lb_ties_set(t, node->out[0], axis, row);
    for (int i = 1; row && !t->failed && i < lb_ties_dim(t, weight, weight_axis); i++)
        join_in(t->kin, row[0], row[i]);
    if (row)
        add_layer(t, node, axis, row);
}

bool lb_ties_begin(lb_ties *t, const lb_graph *graph, lb_arena *arena)
{
    *t = (lb_ties){.g = graph, .arena = arena};
    t->label = LB_TAKE_ARRAY(arena, graph->n_values * LB_MAX_RANK, int *);
    t->failed = !t->label;
    new_label(t); /* 0: stays */
    return !t->failed;
}
