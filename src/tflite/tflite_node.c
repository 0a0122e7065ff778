/* tflite_node.c: the tensors around an operator of the file, and the names of what it
 * becomes. */
#include "tflite/tflite_int.h"

#include <stdio.h>

const lb_tfl_tensor *lb_tfl_in(const lb_tfl_reader *r, const lb_tfl_node *node, int k)
{
    const lb_tfl_op *const op = node->op;

    return k < op->n_in && op->in[k] >= 0 ? &r->file.tensor[op->in[k]] : NULL;
}

const lb_tfl_tensor *lb_tfl_out(const lb_tfl_reader *r, const lb_tfl_node *node)
{
    return &r->file.tensor[node->op->out[0]];
}

void lb_tfl_name(lb_tfl_reader *r, lb_value v, const lb_tfl_tensor *t, const char *suffix)
{
    lb_graph *const g = r->b.graph;
    char name[LB_TFL_MAX_NAME + 40];

    snprintf(name, sizeof name, "%s%s", t->name, suffix);
    if (!v.id || !*name || lb_info(g, v)->kind != LB_VALUE_NODE)
        return;
    lb_rename(&r->b, v, name);
    char *const copy = lb_arena_copy_text(g->arena, name);
    if (copy)
        g->nodes[lb_info(g, v)->node].name = copy;
    else
        lb_build_fail(&r->b, LB_ERR_MEMORY, "no memory for a name");
}
