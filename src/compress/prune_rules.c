/* prune_rules.c: which channels of a node's inputs and outputs hang together: one rule
 * for each operator. */
#include "compress/prune_int.h"

#include "ops/cut.h"

#include <string.h>

static int rank_of(const lb_ties *t, lb_value v)
{
    return lb_info(t->g, v)->type.shape.rank;
}

void lb_ties_pin_all(lb_ties *t, lb_value v)
{
    for (int k = 0; v.id && k < rank_of(t, v); k++)
        lb_ties_pin(t, v, k);
}

/* Spatial axes, and all that a rule does not speak of. */
static void pin_from(lb_ties *t, lb_value v, int first)
{
    for (int k = first; k < rank_of(t, v); k++)
        lb_ties_pin(t, v, k);
}

static void copy_axis(lb_ties *t, lb_value from, int from_axis, lb_value to, int to_axis)
{
    if (lb_ties_dim(t, from, from_axis) == lb_ties_dim(t, to, to_axis))
        lb_ties_set(t, to, to_axis, lb_ties_along(t, from, from_axis));
    else
        lb_ties_pin(t, from, from_axis);
}

static void copy_all(lb_ties *t, lb_value from, lb_value to)
{
    for (int k = 0; k < rank_of(t, to); k++)
        copy_axis(t, from, k, to, k);
}

/* Every group has as many channels as before when channel i goes from all of them. */
static void tie_groups(lb_ties *t, lb_value v, int axis, int groups)
{
    int *const row = lb_ties_along(t, v, axis);
    const int each = lb_ties_dim(t, v, axis) / groups;

    for (int i = each; row && i < groups * each; i++)
        lb_ties_join(t, row[i], row[i % each]);
}

/* Output channel j is computed of input channel j / multiple alone. */
static void tie_depthwise(lb_ties *t, const lb_node *node)
{
    const lb_value x = node->in[0], w = node->in[1];
    const int n = lb_ties_dim(t, w, 0), multiple = n / lb_ties_dim(t, x, 1);
    int *const from = lb_ties_along(t, x, 1), *const to = lb_ties_along(t, w, 0);

    for (int i = 0; to && i < n; i++)
        lb_ties_join(t, to[i], from ? from[i / multiple] : 0);
}

static void rule_conv(lb_ties *t, const lb_node *node)
{
    const lb_value x = node->in[0], w = node->in[1], y = node->out[0];
    const int groups = (int)lb_attr_int(node, "group", 1), c = lb_ties_dim(t, x, 1);

    pin_from(t, x, 2);
    if (groups == 1) {
        lb_ties_pair(t, x, 1, w, 1);
        lb_ties_make(t, node, 1, w, 0);
    } else if (groups == c) {
        tie_depthwise(t, node);
        lb_ties_set(t, y, 1, lb_ties_along(t, w, 0));
    } else {
        int *const of_x = lb_ties_along(t, x, 1), *const of_w = lb_ties_along(t, w, 1);
        tie_groups(t, x, 1, groups);
        for (int i = 0; of_w && i < c / groups; i++)
            lb_ties_join(t, of_w[i], of_x ? of_x[i] : 0);
        tie_groups(t, w, 0, groups);
        lb_ties_make(t, node, 1, w, 0);
    }
    if (node->n_in > 2 && node->in[2].id)
        lb_ties_pair(t, y, 1, node->in[2], 0);
    if (node->n_in > 3 && node->in[3].id) { /* FusedConv's residual */
        lb_ties_pair(t, y, 1, node->in[3], 1);
        pin_from(t, node->in[3], 2);
    }
}

static void rule_conv_transpose(lb_ties *t, const lb_node *node)
{
    const lb_value x = node->in[0], w = node->in[1], y = node->out[0];
    const int groups = (int)lb_attr_int(node, "group", 1);

    pin_from(t, x, 2);
    lb_ties_pair(t, x, 1, w, 0);
    if (groups == 1) {
        lb_ties_make(t, node, 1, w, 1);
    } else if (groups == lb_ties_dim(t, x, 1) && lb_ties_dim(t, w, 1) == 1) {
        lb_ties_set(t, y, 1, lb_ties_along(t, w, 0));
    } else {
        lb_ties_pin(t, x, 1);
        lb_ties_pin(t, w, 1);
    }
    if (node->n_in > 2 && node->in[2].id)
        lb_ties_pair(t, y, 1, node->in[2], 0);
}

static void rule_norm(lb_ties *t, const lb_node *node)
{
    for (int i = 1; i < node->n_in; i++)
        if (node->in[i].id)
            lb_ties_pair(t, node->in[0], 1, node->in[i], 0);
    copy_all(t, node->in[0], node->out[0]);
}

/* x is broadcast to y, which has its labels already. */
static void broadcast(lb_ties *t, lb_value y, lb_value x)
{
    const int shift = rank_of(t, y) - rank_of(t, x);

    for (int k = 0; k < rank_of(t, x); k++)
        if (lb_ties_dim(t, x, k) == lb_ties_dim(t, y, k + shift) &&
            lb_ties_dim(t, x, k) > 1)
            lb_ties_pair(t, y, k + shift, x, k);
}

/* The labels of an axis come from an input that has it in full; all such inputs are tied
 * then. A parameter takes part: it is cut like the rest. */
static void rule_binary(lb_ties *t, const lb_node *node)
{
    const lb_value y = node->out[0];

    for (int k = 0; k < rank_of(t, y); k++)
        for (int i = 0; i < node->n_in; i++) {
            const lb_value x = node->in[i];
            const int at = k - (rank_of(t, y) - rank_of(t, x));
            if (at >= 0 && lb_ties_dim(t, x, at) == lb_ties_dim(t, y, k) &&
                lb_ties_dim(t, y, k) > 1) {
                lb_ties_set(t, y, k, lb_ties_along(t, x, at));
                break;
            }
        }
    for (int i = 0; i < node->n_in; i++)
        broadcast(t, y, node->in[i]);
}

/* Axis `to` of the output is the free axis of an operand: channels that a parameter
 * makes, or those of another value. */
static void free_axis(lb_ties *t, const lb_node *node, int to, lb_value operand, int axis)
{
    if (lb_ties_is_stored(t, operand))
        lb_ties_make(t, node, to, operand, axis);
    else
        copy_axis(t, operand, axis, node->out[0], to);
}

static void rule_gemm(lb_ties *t, const lb_node *node)
{
    const bool ta = lb_attr_int(node, "transA", 0) != 0;
    const bool tb = lb_attr_int(node, "transB", 0) != 0;
    const lb_value a = node->in[0], b = node->in[1];

    if (lb_ties_dim(t, a, ta ? 0 : 1) == LB_BATCH) {
        lb_ties_pin_all(t, a);
        lb_ties_pin_all(t, b);
        return;
    }
    lb_ties_pair(t, a, ta ? 0 : 1, b, tb ? 1 : 0);
    free_axis(t, node, 0, a, ta ? 1 : 0);
    free_axis(t, node, 1, b, tb ? 0 : 1);
    if (node->n_in > 2 && node->in[2].id)
        broadcast(t, node->out[0], node->in[2]);
}

static void rule_matmul(lb_ties *t, const lb_node *node)
{
    const lb_value a = node->in[0], b = node->in[1], y = node->out[0];
    const int ra = rank_of(t, a), rb = rank_of(t, b), ry = rank_of(t, y);

    if (ra < 2 || rb < 2) {
        lb_ties_pin_all(t, a);
        lb_ties_pin_all(t, b);
        return;
    }
    lb_ties_pair(t, a, ra - 1, b, rb - 2);
    free_axis(t, node, ry - 2, a, ra - 2);
    free_axis(t, node, ry - 1, b, rb - 1);
    for (int k = 0; k < ra - 2; k++) /* axes of several products: they stay */
        lb_ties_pin(t, a, k);
    for (int k = 0; k < rb - 2; k++)
        lb_ties_pin(t, b, k);
}

static void rule_same(lb_ties *t, const lb_node *node)
{
    copy_all(t, node->in[0], node->out[0]);
}

/* Pools and Resize: channels are kept apart, the plane stays. */
static void rule_plane(lb_ties *t, const lb_node *node)
{
    pin_from(t, node->in[0], 2);
    if (strcmp(node->op->name, "Resize") == 0 && node->n_in > 3 && node->in[3].id)
        lb_ties_pin_all(t, node->in[0]); /* sizes: they say the channels in numbers */
    copy_axis(t, node->in[0], 1, node->out[0], 1);
}

int lb_prune_ints(const lb_graph *g, const lb_node *node, int input, int64_t *out,
                  int most)
{
    const lb_tensor *const given =
        input < node->n_in ? lb_info(g, node->in[input])->tensor : NULL;
    const int n = given ? (int)given->n : 0;

    for (int i = 0; i < n && i < most; i++)
        out[i] = given->dtype == LB_I64 ? ((const int64_t *)given->data)[i]
                                        : (int64_t)lb_tensor_get(given, (size_t)i);
    return n < most ? n : most;
}

static int axis_of(const lb_node *node, int64_t usual, int rank)
{
    const int64_t axis = lb_attr_int(node, "axis", usual);

    return (int)(axis < 0 ? axis + rank : axis);
}

/* What is left of a softmax without a channel is another softmax. */
static void rule_softmax(lb_ties *t, const lb_node *node)
{
    lb_ties_pin(t, node->in[0], axis_of(node, -1, rank_of(t, node->in[0])));
    copy_all(t, node->in[0], node->out[0]);
}

static void rule_transpose(lb_ties *t, const lb_node *node)
{
    const int rank = rank_of(t, node->in[0]);
    int64_t perm[LB_MAX_RANK];

    if (lb_attr_ints(node, "perm", perm, LB_MAX_RANK) != rank)
        for (int k = 0; k < rank; k++)
            perm[k] = rank - 1 - k;
    for (int k = 0; k < rank; k++)
        copy_axis(t, node->in[0], (int)perm[k], node->out[0], k);
}

static void rule_concat(lb_ties *t, const lb_node *node)
{
    const lb_value y = node->out[0];
    const int axis = axis_of(node, 0, rank_of(t, y));
    int *const row = lb_ties_row(t, lb_ties_dim(t, y, axis));
    int n = 0;

    for (int i = 0; i < node->n_in; i++) {
        const int *const from = lb_ties_along(t, node->in[i], axis);
        for (int k = 0; row && k < lb_ties_dim(t, node->in[i], axis); k++, n++)
            row[n] = from ? from[k] : 0;
    }
    for (int k = 0; k < rank_of(t, y); k++) {
        for (int i = 1; k != axis && i < node->n_in; i++)
            lb_ties_pair(t, node->in[0], k, node->in[i], k);
        lb_ties_set(t, y, k, k == axis ? row : lb_ties_along(t, node->in[0], k));
    }
}

/* A part without gaps keeps its channels; its bounds are moved when it is cut. */
static void rule_slice(lb_ties *t, const lb_node *node)
{
    const lb_value x = node->in[0], y = node->out[0];
    lb_error ignored = {0};
    lb_view view;
    lb_cut cut;

    lb_graph_view(t->g, node, &view);
    if (lb_cut_of_slice(&view, &cut, &ignored) != LB_OK) {
        lb_ties_pin_all(t, x);
        return;
    }
    for (int k = 0; k < rank_of(t, x); k++) {
        int *const row = lb_ties_along(t, x, k);
        if (cut.step[k] != 1)
            lb_ties_pin(t, x, k);
        else if (row && lb_ties_dim(t, x, k) != LB_BATCH)
            lb_ties_set(t, y, k, row + cut.start[k]);
    }
}

/* Channels that are padded on (the shortcut of a ResNet of form A) stay. */
static void rule_pad(lb_ties *t, const lb_node *node)
{
    const lb_value x = node->in[0], y = node->out[0];
    const int rank = rank_of(t, x);
    int64_t pads[2 * LB_MAX_RANK];
    lb_error ignored = {0};
    lb_view view;

    lb_graph_view(t->g, node, &view);
    if (lb_pads_of(&view, pads, &ignored) != LB_OK) {
        lb_ties_pin_all(t, x);
        return;
    }
    for (int k = 0; k < rank; k++) {
        int *const from = lb_ties_along(t, x, k);
        if (!from || pads[k] < 0 || pads[k + rank] < 0) {
            lb_ties_pin(t, x, k);
            continue;
        }
        int *const row = lb_ties_row(t, lb_ties_dim(t, y, k));
        for (int i = 0; row && i < lb_ties_dim(t, x, k); i++)
            row[pads[k] + i] = from[i];
        lb_ties_set(t, y, k, row);
    }
}

static void rule_reduce(lb_ties *t, const lb_node *node)
{
    const lb_value x = node->in[0];
    const bool keep = lb_attr_int(node, "keepdims", 1) != 0;
    bool reduced[LB_MAX_RANK] = {false};
    int64_t axes[LB_MAX_RANK];
    int n = lb_attr_ints(node, "axes", axes, LB_MAX_RANK), at = 0;

    if (n == 0)
        n = lb_prune_ints(t->g, node, 1, axes, LB_MAX_RANK);
    for (int i = 0; i < n; i++)
        reduced[axes[i] < 0 ? axes[i] + rank_of(t, x) : axes[i]] = true;
    for (int k = 0; k < rank_of(t, x); k++) {
        if (n == 0 || reduced[k])
            lb_ties_pin(t, x, k);
        else
            copy_axis(t, x, k, node->out[0], keep ? k : at);
        at += !reduced[k];
    }
}

static const struct {
    const char *op;
    void (*rule)(lb_ties *t, const lb_node *node);
} rules[] = {
    {"Conv", rule_conv},
    {"FusedConv", rule_conv},
    {"ConvTranspose", rule_conv_transpose},
    {"BatchNormalization", rule_norm},
    {"Gemm", rule_gemm},
    {"MatMul", rule_matmul},
    {"Add", rule_binary},
    {"Sub", rule_binary},
    {"Mul", rule_binary},
    {"Div", rule_binary},
    {"Max", rule_binary},
    {"Min", rule_binary},
    {"Cast", rule_same},
    {"Identity", rule_same},
    {"MaxPool", rule_plane},
    {"AveragePool", rule_plane},
    {"GlobalAveragePool", rule_plane},
    {"GlobalMaxPool", rule_plane},
    {"Resize", rule_plane},
    {"Reshape", lb_ties_reshape},
    {"Flatten", lb_ties_reshape},
    {"Squeeze", lb_ties_reshape},
    {"Unsqueeze", lb_ties_reshape},
    {"Transpose", rule_transpose},
    {"Concat", rule_concat},
    {"Slice", rule_slice},
    {"Pad", rule_pad},
    {"Softmax", rule_softmax},
    {"LogSoftmax", rule_softmax},
    {"ReduceMean", rule_reduce},
    {"ReduceSum", rule_reduce},
    {"ReduceMax", rule_reduce},
};

void lb_ties_node(lb_ties *t, const lb_node *node)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (strcmp(rules[i].op, node->op->name) == 0) {
            rules[i].rule(t, node);
            return;
        }
    if (node->op->flags & LB_OP_ELEMENTWISE) {
        rule_same(t, node);
        return;
    }
    for (int i = 0; i < node->n_in; i++)
        lb_ties_pin_all(t, node->in[i]);
}
