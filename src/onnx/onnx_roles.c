/* onnx_roles.c: which constants of an imported network are its weights.
 *
 * ONNX does not tell weights from other initialisers. What a convolution, a dense layer
 * or a norm reads as such is a param; so is the bias that some exporters add in a node of
 * its own. Weight decay spares biases and norms. */
#include "onnx/onnx_int.h"

#include <string.h>

typedef enum role { NO_ROLE, WEIGHT, BIAS, STATE } role;

typedef struct role_row {
    const char *op;
    role input[5];
} role_row;

static const role_row roles[] = {
    {"Conv", {NO_ROLE, WEIGHT, BIAS, NO_ROLE, NO_ROLE}},
    {"ConvTranspose", {NO_ROLE, WEIGHT, BIAS, NO_ROLE, NO_ROLE}},
    {"Gemm", {WEIGHT, WEIGHT, BIAS, NO_ROLE, NO_ROLE}},
    {"MatMul", {WEIGHT, WEIGHT, NO_ROLE, NO_ROLE, NO_ROLE}},
    {"BatchNormalization", {NO_ROLE, BIAS, BIAS, STATE, STATE}},
};

/* An addition to something computed; to the network's input it is a shift of the data,
 * and a lone number is no bias. */
static bool is_bias_of_add(const lb_graph *g, const lb_node *node, int k)
{
    if (strcmp(node->op->name, "Add") != 0 || node->n_in != 2)
        return false;
    return lb_info(g, node->in[1 - k])->kind == LB_VALUE_NODE &&
           lb_info(g, node->in[k])->tensor->n > 1;
}

static role role_of(const lb_graph *g, const lb_node *node, int k)
{
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (k < 5 && strcmp(roles[i].op, node->op->name) == 0)
            return roles[i].input[k];
    return is_bias_of_add(g, node, k) ? BIAS : NO_ROLE;
}

void lb_onnx_mark_weights(lb_graph *g)
{
    for (int i = 0; i < g->n_nodes; i++) {
        const lb_node *const node = &g->nodes[i];
        for (int k = 0; k < node->n_in; k++) {
            lb_value_info *const v = &g->values[node->in[k].id];
            if (v->kind != LB_VALUE_CONSTANT || !lb_dtype_is_float(v->type.dtype))
                continue;
            const role is = role_of(g, node, k);
            if (is == NO_ROLE)
                continue;
            v->kind = LB_VALUE_PARAM;
            v->trained = is != STATE;
            v->no_decay = is != WEIGHT;
        }
    }
}
