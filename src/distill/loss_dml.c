/* loss_dml.c: deep mutual learning (Zhang et al., 2018): peers of the student, built
 * alike and begun differently, learn in the same run, and each learns from the others.
 *
 *     L = K(1) + sum_p (CE_p + K(p)),   K(i) = T^2 / (M - 1) sum_{j != i} KL(p_j || p_i)
 *
 * over M networks, of which number 1 is the student and p runs over its peers; the p_j of
 * a KL is constant (no gradient), softened by T. The student's own cross-entropy is not
 * part of it: it is a term of its own. Peers live in the training graph alone. */
#include "distill/logits.h"

#include <stdio.h>
#include <string.h>

enum { PEERS, TEMPERATURE, MOST_PEERS = 3 };

static const lb_knob knobs[] = {
    [PEERS] = {.name = "peers",
               .help = "networks that learn beside the student",
               .usual = 1,
               .min = 1,
               .max = MOST_PEERS},
    [TEMPERATURE] = {.name = "temperature",
                     .help = "softens what they tell each other",
                     .usual = 1,
                     .min = 0.01,
                     .max = 10000},
    {0},
};

/* What each value of the student is in the peer that is being built; {0}: not there yet.
 */
typedef struct copy {
    lb_builder *b;
    const lb_loss_in *in;
    lb_value *of;
    int peer;
} copy;

/* A scale of a norm begins at 1, other vectors at 0. */
static bool is_scale(const lb_node *node, int input)
{
    return strncmp(node->op->name, "BatchNorm", 9) == 0 && input == 3;
}

static lb_value own_param(const copy *c, const lb_node *node, int input)
{
    const lb_value_info info = *lb_info(c->b->graph, node->in[input]);
    const lb_init init = {.kind =
                              info.type.shape.rank > 1 ? LB_INIT_HE : LB_INIT_CONSTANT,
                          .value = is_scale(node, input) ? 1 : 0,
                          .no_decay = info.no_decay};
    char name[128];

    snprintf(name, sizeof name, "peer%d/%.100s", c->peer, info.name);
    return lb_loss_param(c->b, c->in, name, &info.type.shape, init);
}

/* Inputs, constants and what is not trained are shared. */
static lb_value copied(const copy *c, const lb_node *node, int input)
{
    const lb_value v = node->in[input];
    const lb_value_info *const info = lb_info(c->b->graph, v);

    if (v.id == 0 || c->of[v.id].id)
        return c->of[v.id];
    if (info->kind == LB_VALUE_PARAM && info->trained)
        return c->of[v.id] = own_param(c, node, input);
    return v;
}

static void copy_node(const copy *c, int number)
{
    lb_graph *const g = c->b->graph;
    const lb_node node = g->nodes[number]; /* nodes may move */
    lb_value in[LB_MAX_INPUTS];
    char name[160];

    for (int i = 0; i < node.n_in; i++)
        in[i] = copied(c, &node, i);
    snprintf(name, sizeof name, "%s/peer%d/%.100s", c->in->scope ? c->in->scope : "loss",
             c->peer, node.name);
    const lb_value first =
        lb_add_node(c->b, node.op, name, in, node.n_in, node.attrs, node.n_attrs);
    for (int i = 0; i < node.n_out && c->b->error.code == LB_OK; i++)
        c->of[node.out[i].id] = lb_nth(c->b, first, i);
}

/* Marks the nodes that v comes from, nodes being in an order in which they can run. */
static void mark(const lb_graph *g, lb_value v, bool *wanted)
{
    const lb_value_info *const info = lb_info(g, v);

    if (info->kind == LB_VALUE_NODE)
        wanted[info->node] = true;
}

/* The logits of one more network like the student. */
static lb_value build_peer(lb_builder *b, const lb_loss_in *in, int peer)
{
    lb_graph *const g = b->graph;
    const int n_nodes = g->n_nodes, n_values = g->n_values;
    bool *const wanted = LB_TAKE_ARRAY(g->arena, n_nodes, bool);
    const copy c = {b, in, LB_TAKE_ARRAY(g->arena, n_values, lb_value), peer};

    if (!wanted || !c.of)
        return lb_build_fail(b, LB_ERR_MEMORY, "no memory for the student's peers");
    if (lb_info(g, in->logits.student)->kind != LB_VALUE_NODE)
        return lb_build_fail(b, LB_ERR_INPUT,
                             "loss 'dml' needs a student with layers to build its peers");
    mark(g, in->logits.student, wanted);
    for (int i = n_nodes - 1; i >= 0; i--)
        for (int k = 0; wanted[i] && k < g->nodes[i].n_in; k++)
            mark(g, g->nodes[i].in[k], wanted);
    for (int i = 0; i < n_nodes && b->error.code == LB_OK; i++)
        if (wanted[i])
            copy_node(&c, i);
    return c.of[in->logits.student.id];
}

/* T^2 KL(from || to), the mean over the samples; `from` is constant. */
static lb_value divergence(lb_builder *b, lb_value from, lb_value to, double t)
{
    const lb_value told = lb_scale(b, lb_stop_gradient(b, from), 1 / t);
    const lb_value heard = lb_scale(b, to, 1 / t);
    const lb_value of_sample = lb_kl(b, heard, told);

    return lb_scale(b, lb_mean_all(b, of_sample), t * t);
}

static lb_value cross_entropy(lb_builder *b, const lb_loss_in *in, lb_value logits)
{
    const lb_term ce = lb_term_usual(lb_loss_find("ce"), 1);
    lb_loss_in own = *in;

    own.logits.student = logits;
    own.knobs = ce.knobs;
    own.live = NULL;
    return ce.loss->build(b, &own);
}

static lb_value build(lb_builder *b, const lb_loss_in *in)
{
    const int n = 1 + (int)in->knobs[PEERS];
    const double t = in->knobs[TEMPERATURE];
    lb_value net[1 + MOST_PEERS] = {in->logits.student}, sum = {0};

    for (int i = 1; i < n; i++)
        net[i] = build_peer(b, in, i);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            if (i == j)
                continue;
            const lb_value kl = divergence(b, net[j], net[i], t);
            const lb_value share = lb_scale(b, kl, 1.0 / (n - 1));
            sum = sum.id ? lb_add(b, sum, share) : share;
        }
    for (int i = 1; i < n; i++) {
        const lb_value ce = cross_entropy(b, in, net[i]);
        sum = lb_add(b, sum, ce);
    }
    return sum;
}

static bool refuse(const lb_builder *b, const lb_loss_in *in, char why[LB_REFUSAL_TEXT])
{
    const double peers = in->knobs[PEERS];

    (void)b;
    if (peers == (int)peers)
        return false;
    snprintf(why, LB_REFUSAL_TEXT, "peers must be a whole number, not %g; use 1 to %d",
             peers, MOST_PEERS);
    return true;
}

const lb_loss lb_loss_dml = {
    .name = "dml",
    .help = "peers that learn beside the student, each from the others",
    .source = "Zhang et al., 2018",
    .needs = LB_NEEDS_LABELS | LB_NEEDS_HELPER,
    .knobs = knobs,
    .refuse = refuse,
    .build = build,
};
