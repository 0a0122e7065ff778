/* head.c: what stands behind the last map: pooling and a dense layer, or another
 * network's last part (SimKD: Chen et al., 2022).
 *
 * Behind the student's last map a projector of three convolutions makes a map like the
 * one that the other network's last part begins with; that part is copied as it is, and
 * is not trained. Both belong to the student: they are exported, and weigh in its
 * figures. */
#include "models/parts.h"

#include <stdio.h>
#include <string.h>

/* What each value of the other network is in the student; {0}: not there (yet). */
typedef struct copy {
    lb_builder *b;
    const lb_model_tail *tail;
    lb_value *of;
} copy;

static lb_value copy_tensor(const copy *c, const lb_value_info *info)
{
    lb_builder *const b = c->b;
    lb_tensor *tensor = NULL;
    char name[160];

    if (lb_tensor_copy(b->graph->arena, info->tensor, &tensor, &b->error) != LB_OK)
        return (lb_value){0};
    snprintf(name, sizeof name, "teacher/%.120s", info->name);
    if (info->kind == LB_VALUE_CONSTANT)
        return lb_constant(b, name, tensor);
    const lb_value v = lb_param(b, name, tensor);
    if (v.id) {
        b->graph->values[v.id].trained = false;
        b->graph->values[v.id].no_decay = true;
    }
    return v;
}

static lb_value copied(const copy *c, lb_value v)
{
    const lb_value_info *const info = lb_info(c->tail->graph, v);

    if (v.id == 0 || c->of[v.id].id)
        return c->of[v.id];
    if (info->kind == LB_VALUE_PARAM || info->kind == LB_VALUE_CONSTANT)
        return c->of[v.id] = copy_tensor(c, info);
    return lb_build_fail(c->b, LB_ERR_UNSUPPORTED,
                         "the teacher's answers depend on more than its last map, on "
                         "'%.60s', too; the student needs a head of its own",
                         info->name);
}

static void copy_node(const copy *c, const lb_node *node)
{
    lb_value in[LB_MAX_INPUTS] = {{0}};
    char name[160];

    for (int i = 0; i < node->n_in && c->b->error.code == LB_OK; i++)
        in[i] = copied(c, node->in[i]);
    snprintf(name, sizeof name, "teacher/%.120s", node->name);
    const lb_value first =
        lb_add_node(c->b, node->op, name, in, node->n_in, node->attrs, node->n_attrs);
    for (int i = 0; i < node->n_out && c->b->error.code == LB_OK; i++)
        c->of[node->out[i].id] = lb_nth(c->b, first, i);
}

/* The logits: what the graph puts out, without a Softmax at the end. */
static lb_value logits_of(const lb_graph *g)
{
    const lb_value out = g->n_outputs > 0 ? g->outputs[0] : (lb_value){0};
    const lb_value_info *const info = lb_info(g, out);

    if (info->kind != LB_VALUE_NODE)
        return (lb_value){0};
    const lb_node *const node = &g->nodes[info->node];
    return strcmp(node->op->name, "Softmax") == 0 ? node->in[0] : out;
}

/* Marks the nodes between `from` and v, nodes being in an order in which they can run. */
static void mark(const lb_graph *g, lb_value from, lb_value v, bool *wanted)
{
    const lb_value_info *const info = lb_info(g, v);

    if (v.id != from.id && info->kind == LB_VALUE_NODE)
        wanted[info->node] = true;
}

static lb_value copy_tail(lb_builder *b, lb_value x, const lb_model_tail *tail)
{
    const lb_graph *const g = tail->graph;
    const lb_value logits = logits_of(g);
    bool *const wanted = LB_TAKE_ARRAY(b->graph->arena, g->n_nodes + 1, bool);
    const copy c = {b, tail, LB_TAKE_ARRAY(b->graph->arena, g->n_values, lb_value)};

    if (!wanted || !c.of)
        return lb_build_fail(b, LB_ERR_MEMORY, "no memory for the teacher's last part");
    c.of[tail->from.id] = x;
    mark(g, tail->from, logits, wanted);
    for (int i = g->n_nodes - 1; i >= 0; i--)
        for (int k = 0; wanted[i] && k < g->nodes[i].n_in; k++)
            mark(g, tail->from, g->nodes[i].in[k], wanted);
    for (int i = 0; i < g->n_nodes && b->error.code == LB_OK; i++)
        if (wanted[i])
            copy_node(&c, &g->nodes[i]);
    return c.of[logits.id];
}

/* A plane larger than the teacher's is averaged over equal windows that cover it. */
static lb_value fit_plane(lb_builder *b, lb_value x, const lb_shape *like)
{
    lb_window window = {.n = 2, .group = 1};
    bool larger = false;

    for (int i = 0; i < 2; i++) {
        const int from = lb_dim(b, x, i + 2);
        const int to = like->dim[i + 2] < from ? like->dim[i + 2] : from;
        window.stride[i] = to > 0 ? from / to : 1;
        window.kernel[i] = from - (to - 1) * window.stride[i];
        window.dilation[i] = 1;
        larger = larger || to < from;
    }
    return larger ? lb_average_pool(b, x, &window, false, "projector/pool") : x;
}

static lb_value project(lb_maker *m, lb_value x, int channels, int kernel, bool activated,
                        const char *name)
{
    const lb_window window = lb_square_window(kernel, 1);
    char part[48];

    snprintf(part, sizeof part, "%s/conv", name);
    x = lb_make_conv(m, x, channels, &window, false, part);
    snprintf(part, sizeof part, "%s/norm", name);
    x = lb_make_norm(m, x, part);
    return activated ? lb_relu(m->b, x, name) : x;
}

/* Whether nothing of the map is below 0. */
static bool is_activated(const lb_graph *g, lb_value v)
{
    const char *const op = g->nodes[lb_info(g, v)->node].op->name;

    return strcmp(op, "Relu") == 0 || strcmp(op, "Clip") == 0;
}

static lb_value make_tail(lb_maker *m, lb_value x, const lb_model_tail *tail)
{
    const lb_shape *const like = &lb_info(tail->graph, tail->from)->type.shape;
    const int channels = like->rank == 4 ? like->dim[1] : 0;
    const int reduced = channels / (tail->reduction > 0 ? tail->reduction : 1);

    if (channels < 1)
        return lb_build_fail(m->b, LB_ERR_UNSUPPORTED,
                             "the teacher has no feature map [N,C,H,W] before its "
                             "answers; the student needs a head of its own");
    x = fit_plane(m->b, x, like);
    x = project(m, x, reduced > 0 ? reduced : 1, 1, true, "projector/in");
    x = project(m, x, reduced > 0 ? reduced : 1, 3, true, "projector/mid");
    x = project(m, x, channels, 1, is_activated(tail->graph, tail->from), "projector");
    const lb_value y = copy_tail(m->b, x, tail);
    lb_rename(m->b, y, "logits");
    return y;
}

lb_value lb_make_head(lb_maker *m, lb_value x, const lb_model_options *options)
{
    return options->tail ? make_tail(m, x, options->tail)
                         : lb_make_dense(m, x, options->classes);
}
