/* taps_auto.c: pairs of layers that nobody named.
 *
 * A feature map counts if it depends on some layer with weights, has a plane of more than
 * one point, and is no mere rearrangement. Of the maps of one spatial size the last that
 * everything behind it goes through is taken: the end of a stage, not a layer inside the
 * next one's first block. Where a network has no such point, the last map is. */
#include "distill/taps.h"

#include <string.h>

enum { MOST_SIZES = 64 };

typedef struct survey {
    const lb_graph *graph;
    bool *deep;    /* values that depend on weights */
    int *last_use; /* of each value: the number of the node; n_nodes: an output */
} survey;

typedef struct map {
    int height, width;
    lb_value v;
} map;

static bool is_among(const char *word, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(word, *words) == 0)
            return true;
    return false;
}

static bool has_weights(const lb_node *node)
{
    static const char *const ops[] = {"Conv", "ConvTranspose", "Gemm", "MatMul", NULL};

    return is_among(node->op->name, ops);
}

static bool rearranges(const lb_node *node)
{
    static const char *const ops[] = {"Pad", "Transpose", "Slice", "Reshape", NULL};

    return is_among(node->op->name, ops);
}

static bool look(survey *s, const lb_graph *g, lb_arena *arena)
{
    *s = (survey){.graph = g,
                  .deep = LB_TAKE_ARRAY(arena, g->n_values, bool),
                  .last_use = LB_TAKE_ARRAY(arena, g->n_values, int)};
    if (!s->deep || !s->last_use)
        return false;
    for (int i = 0; i < g->n_nodes; i++) {
        const lb_node *const node = &g->nodes[i];
        bool deep = has_weights(node);
        for (int k = 0; k < node->n_in; k++) {
            deep = deep || s->deep[node->in[k].id];
            s->last_use[node->in[k].id] = i;
        }
        for (int k = 0; k < node->n_out; k++)
            s->deep[node->out[k].id] = deep;
    }
    for (int i = 0; i < g->n_outputs; i++)
        s->last_use[g->outputs[i].id] = g->n_nodes;
    return true;
}

static bool is_map(const survey *s, const lb_node *node)
{
    const lb_shape *const shape = &lb_info(s->graph, node->out[0])->type.shape;

    return lb_is_tap(s->graph, node->out[0]) && s->deep[node->out[0].id] &&
           shape->rank >= 3 && !rearranges(node) &&
           shape->dim[2] * (shape->rank > 3 ? shape->dim[3] : 1) > 1;
}

/* The last map of its size goes to the end of the list. */
static int keep(map *maps, int n, map m)
{
    int kept = 0;

    for (int i = 0; i < n; i++)
        if (maps[i].height != m.height || maps[i].width != m.width)
            maps[kept++] = maps[i];
    if (kept < MOST_SIZES)
        maps[kept++] = m;
    return kept;
}

/* One map for each spatial size, in order. through: only those that all goes through. */
static int list_maps(const survey *s, bool through, map maps[MOST_SIZES])
{
    const lb_graph *const g = s->graph;
    int n = 0, farthest = -1; /* use of what was computed before the node */

    for (int i = 0; i < g->n_inputs; i++)
        if (s->last_use[g->inputs[i].id] > farthest)
            farthest = s->last_use[g->inputs[i].id];
    for (int i = 0; i < g->n_nodes; i++) {
        const lb_node *const node = &g->nodes[i];
        const lb_shape *const shape = &lb_info(g, node->out[0])->type.shape;
        if (is_map(s, node) && (!through || farthest <= i))
            n = keep(
                maps, n,
                (map){shape->dim[2], shape->rank > 3 ? shape->dim[3] : 1, node->out[0]});
        for (int k = 0; k < node->n_out; k++)
            if (s->deep[node->out[k].id] && s->last_use[node->out[k].id] > farthest)
                farthest = s->last_use[node->out[k].id];
    }
    return n;
}

static int find_maps(const survey *s, map maps[MOST_SIZES])
{
    const int n = list_maps(s, true, maps);

    return n > 0 ? n : list_maps(s, false, maps);
}

/* From the end backwards, so that of very many sizes the last are taken; handed out in
 * the order of the networks. */
static int pair_stages(const map *s, int n_s, const map *t, int n_t, lb_tap *out)
{
    int n = 0;

    for (int i = n_s - 1; i >= 0 && n < LB_MAX_PAIRS; i--)
        for (int k = n_t - 1; k >= 0; k--)
            if (s[i].height == t[k].height && s[i].width == t[k].width) {
                out[n++] = (lb_tap){.student = s[i].v, .teacher = t[k].v};
                break;
            }
    for (int i = 0; i < n / 2; i++) {
        const lb_tap swap = out[i];
        out[i] = out[n - 1 - i];
        out[n - 1 - i] = swap;
    }
    return n;
}

/* What the activation is given that computes v; v itself if none does. */
static lb_value before_activation(const lb_graph *g, lb_value v)
{
    static const char *const ops[] = {"Relu",    "LeakyRelu", "Clip",
                                      "Sigmoid", "Tanh",      NULL};

    while (lb_info(g, v)->kind == LB_VALUE_NODE) {
        const lb_node *const node = &g->nodes[lb_info(g, v)->node];
        if (!is_among(node->op->name, ops) || !lb_is_tap(g, node->in[0]))
            break;
        v = node->in[0];
    }
    return v;
}

/* What the last layer with weights is given; {0} if it is no tap. */
static lb_value find_rows(const lb_graph *g)
{
    lb_value v = g->n_outputs > 0 ? g->outputs[0] : (lb_value){0};

    while (lb_info(g, v)->kind == LB_VALUE_NODE) {
        const lb_node *const node = &g->nodes[lb_info(g, v)->node];
        lb_value next = {0};
        for (int k = node->n_in - 1; k >= 0; k--)
            if (lb_is_tap(g, node->in[k]))
                next = node->in[k];
        if (has_weights(node) || next.id == 0)
            return next;
        v = next;
    }
    return (lb_value){0};
}

static int pair_rows(const lb_graph *student, const lb_graph *teacher, lb_tap *out,
                     const char **why)
{
    *out = (lb_tap){.student = find_rows(student), .teacher = find_rows(teacher)};
    if (out->student.id && out->teacher.id)
        return 1;
    *why = out->student.id ? "the teacher has no layer before its last one"
                           : "the student has no layer before its last one";
    return 0;
}

/* Rows, or a map of a single place. */
static bool is_vector(const lb_graph *g, lb_value v)
{
    const lb_shape *const shape = &lb_info(g, v)->type.shape;

    for (int i = 2; i < shape->rank; i++)
        if (shape->dim[i] != 1)
            return false;
    return v.id != 0;
}

/* The pooled vectors behind the n stages, if both networks have them. */
static int add_review(const lb_graph *student, const lb_graph *teacher, lb_tap *out,
                      int n)
{
    const lb_tap last = {.student = find_rows(student), .teacher = find_rows(teacher)};

    for (int i = 0; i < n; i++)
        out[i].teacher = before_activation(teacher, out[i].teacher);
    if (n == LB_MAX_PAIRS || !is_vector(student, last.student) ||
        !is_vector(teacher, last.teacher))
        return n;
    out[n] = last;
    return n + 1;
}

int lb_taps_pair(lb_auto how, const lb_graph *student, const lb_graph *teacher,
                 lb_arena *arena, lb_tap *out, const char **why)
{
    map s_maps[MOST_SIZES], t_maps[MOST_SIZES];
    survey s, t;
    int n = 0;

    if (how == LB_AUTO_ROWS)
        return pair_rows(student, teacher, out, why);
    if (!look(&s, student, arena) || !look(&t, teacher, arena)) {
        *why = "no memory to look for layers";
        return 0;
    }
    const int n_s = find_maps(&s, s_maps), n_t = find_maps(&t, t_maps);
    if (n_s == 0 || n_t == 0) {
        *why = n_t ? "the student has no feature map" : "the teacher has no feature map";
        return 0;
    }
    if (how == LB_AUTO_LAST) {
        *out = (lb_tap){.student = s_maps[n_s - 1].v, .teacher = t_maps[n_t - 1].v};
        return 1;
    }
    n = pair_stages(s_maps, n_s, t_maps, n_t, out);
    for (int i = 0; how == LB_AUTO_BEFORE && i < n; i++)
        out[i] = (lb_tap){.student = before_activation(student, out[i].student),
                          .teacher = before_activation(teacher, out[i].teacher)};
    if (n == 0)
        *why =
            "no feature maps of the student and the teacher have the same spatial size";
    return n > 0 && how == LB_AUTO_REVIEW ? add_review(student, teacher, out, n) : n;
}

static bool is_small(const lb_graph *g, lb_value v, size_t size)
{
    const lb_shape one = lb_shape_bind(&lb_info(g, v)->type.shape, 1);
    size_t n;

    return lb_is_tap(g, v) && lb_shape_count(&one, &n) && n <= size;
}

/* A map of more than one place. */
static bool has_places(const lb_graph *g, lb_value v)
{
    return v.id != 0 && !is_vector(g, v);
}

/* All of the trunk; list: room for a value of every node. */
static int list_trunk(const survey *s, size_t size, lb_value *list)
{
    const lb_graph *const g = s->graph;
    lb_value last = {0}; /* since the last layer with weights */
    int n = 0, farthest = -1;

    for (int i = 0; i < g->n_inputs; i++)
        if (s->last_use[g->inputs[i].id] > farthest)
            farthest = s->last_use[g->inputs[i].id];
    for (int i = 0; i < g->n_nodes; i++) {
        const lb_node *const node = &g->nodes[i];
        if (has_weights(node) && last.id != 0) {
            list[n++] = last;
            last = (lb_value){0};
        }
        if (farthest <= i && s->deep[node->out[0].id] && !rearranges(node) &&
            is_small(g, node->out[0], size)) {
            if (has_places(g, last) && !has_places(g, node->out[0]))
                list[n++] = last; /* before it is pooled */
            last = node->out[0];
        }
        for (int k = 0; k < node->n_out; k++)
            if (s->deep[node->out[k].id] && s->last_use[node->out[k].id] > farthest)
                farthest = s->last_use[node->out[k].id];
    }
    return n;
}

int lb_taps_trunk(const lb_graph *graph, size_t size, lb_arena *arena, lb_value *out,
                  int most)
{
    lb_value *const list = LB_TAKE_ARRAY(arena, graph->n_nodes + 1, lb_value);
    survey s;

    if (!list || !look(&s, graph, arena))
        return 0;
    const int n = list_trunk(&s, size, list), kept = n < most ? n : most;
    for (int i = 0; i < kept; i++)
        out[i] = list[kept > 1 ? i * (n - 1) / (kept - 1) : 0];
    return kept;
}
