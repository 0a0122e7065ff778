/* graph.c: graphs, their values and nodes. */
#include "graph/graph_int.h"

#include <stdio.h>
#include <string.h>

lb_code lb_graph_new(lb_graph **out, lb_error *err)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_graph *const graph = arena ? LB_TAKE(arena, lb_graph) : NULL;

    if (!graph || !lb_arena_grow(arena, (void **)&graph->values, &graph->values_capacity,
                                 0, sizeof *graph->values)) {
        lb_arena_free(arena);
        return lb_raise(err, LB_ERR_MEMORY, "no memory for a graph");
    }
    graph->arena = arena;
    graph->values[0] = (lb_value_info){.name = ""};
    graph->n_values = 1;
    *out = graph;
    return LB_OK;
}

void lb_graph_free(lb_graph *graph)
{
    if (graph)
        lb_arena_free(graph->arena);
}

static uint32_t hash_of(const char *name)
{
    uint32_t h = 2166136261u; /* FNV-1a */

    for (; *name; name++)
        h = (h ^ (uint8_t)*name) * 16777619u;
    return h;
}

lb_value lb_graph_find(const lb_graph *graph, const char *name)
{
    const uint32_t mask = (uint32_t)graph->n_slots - 1;
    const int *const slots = graph->slots;

    if (!slots)
        return (lb_value){0};
    for (uint32_t i = hash_of(name) & mask; slots[i]; i = (i + 1) & mask)
        if (graph->values[slots[i]].kind != LB_VALUE_NONE &&
            strcmp(graph->values[slots[i]].name, name) == 0)
            return (lb_value){slots[i]};
    return (lb_value){0};
}

static void fill_slot(lb_graph *graph, int id)
{
    const uint32_t mask = (uint32_t)graph->n_slots - 1;
    uint32_t i = hash_of(graph->values[id].name) & mask;

    while (graph->slots[i])
        i = (i + 1) & mask;
    graph->slots[i] = id;
}

/* A renamed value fills a second slot; the first no longer matches its name. Room is kept
 * for that: the table is made anew at a quarter full. */
bool lb_graph_index(lb_graph *graph, int id)
{
    if (!graph->slots || graph->n_values * 4 > graph->n_slots) {
        int wanted = graph->n_slots ? graph->n_slots : 64;
        while (wanted < graph->n_values * 4)
            wanted *= 4;
        int *const slots = LB_TAKE_ARRAY(graph->arena, wanted, int);
        if (!slots)
            return false;
        graph->slots = slots;
        graph->n_slots = wanted;
        for (int i = 1; i < graph->n_values; i++)
            fill_slot(graph, i);
        return true;
    }
    fill_slot(graph, id);
    return true;
}

lb_value lb_graph_new_value(lb_graph *graph, const char *name, lb_value_kind kind,
                            const lb_type *type)
{
    if (!lb_arena_grow(graph->arena, (void **)&graph->values, &graph->values_capacity,
                       graph->n_values, sizeof *graph->values))
        return (lb_value){0};
    const int id = graph->n_values;
    graph->values[id] = (lb_value_info){
        .name = name, .kind = kind, .type = *type, .node = -1, .output = 0};
    graph->n_values++;
    return lb_graph_index(graph, id) ? (lb_value){id} : (lb_value){0};
}

bool lb_graph_append(lb_graph *graph, lb_value **list, int *n, int *capacity, lb_value v)
{
    if (!lb_arena_grow(graph->arena, (void **)list, capacity, *n, sizeof **list))
        return false;
    (*list)[(*n)++] = v;
    return true;
}

void lb_graph_view(const lb_graph *graph, const lb_node *node, lb_view *out)
{
    *out = (lb_view){.node = node, .n_in = node->n_in, .n_out = node->n_out};
    for (int i = 0; i < node->n_in; i++) {
        const lb_value_info *const v = lb_info(graph, node->in[i]);
        if (v->kind == LB_VALUE_NONE)
            continue;
        out->in[i] = &v->type;
        if (v->kind == LB_VALUE_CONSTANT)
            out->constant[i] = v->tensor;
    }
}

static bool copy_list(lb_arena *arena, const void *from, int n, size_t size, void **out,
                      int *capacity)
{
    if (n == 0)
        return true;
    *out = lb_arena_take_array(arena, (size_t)n, size);
    if (!*out)
        return false;
    memcpy(*out, from, (size_t)n * size);
    *capacity = n;
    return true;
}

static bool copy_strings(lb_graph *to)
{
    for (int i = 0; i < to->n_values; i++) {
        to->values[i].name = lb_arena_copy_text(to->arena, to->values[i].name);
        if (!to->values[i].name)
            return false;
    }
    for (int i = 0; i < to->n_nodes; i++) {
        lb_node *const node = &to->nodes[i];
        node->name = lb_arena_copy_text(to->arena, node->name);
        node->attrs = lb_attrs_copy(to->arena, node->attrs, node->n_attrs);
        if (!node->name || !node->attrs)
            return false;
    }
    to->slots = NULL;
    to->n_slots = 0;
    return to->n_values == 0 || lb_graph_index(to, 0);
}

lb_code lb_graph_clone(const lb_graph *from, lb_graph **out, lb_error *err)
{
    lb_graph *to = NULL;

    LB_TRY(lb_graph_new(&to, err));
    to->n_values = from->n_values;
    to->n_nodes = from->n_nodes;
    to->n_inputs = from->n_inputs;
    to->n_outputs = from->n_outputs;
    if (!copy_list(to->arena, from->values, from->n_values, sizeof *to->values,
                   (void **)&to->values, &to->values_capacity) ||
        !copy_list(to->arena, from->nodes, from->n_nodes, sizeof *to->nodes,
                   (void **)&to->nodes, &to->nodes_capacity) ||
        !copy_list(to->arena, from->inputs, from->n_inputs, sizeof *to->inputs,
                   (void **)&to->inputs, &to->inputs_capacity) ||
        !copy_list(to->arena, from->outputs, from->n_outputs, sizeof *to->outputs,
                   (void **)&to->outputs, &to->outputs_capacity) ||
        !copy_strings(to)) {
        lb_graph_free(to);
        return lb_raise(err, LB_ERR_MEMORY, "no memory to copy a graph of %d nodes",
                        from->n_nodes);
    }
    *out = to;
    return LB_OK;
}

size_t lb_graph_parameters(const lb_graph *graph)
{
    size_t n = 0;

    for (int i = 1; i < graph->n_values; i++) {
        const lb_value_info *const v = &graph->values[i];
        if (v->kind == LB_VALUE_PARAM)
            n += v->tensor->n;
    }
    return n;
}

void lb_graph_out_types(const lb_graph *graph, const lb_node *node,
                        lb_type out[LB_MAX_OUTPUTS])
{
    for (int i = 0; i < node->n_out; i++)
        out[i] = lb_info(graph, node->out[i])->type;
}

double lb_graph_macs(const lb_graph *graph)
{
    double macs = 0;

    for (int i = 0; i < graph->n_nodes; i++) {
        const lb_node *const node = &graph->nodes[i];
        lb_type types[LB_MAX_OUTPUTS];
        lb_view view;
        if (!node->op->cost)
            continue;
        lb_graph_view(graph, node, &view);
        lb_graph_out_types(graph, node, types);
        macs += node->op->cost(&view, types).macs;
    }
    return macs;
}
