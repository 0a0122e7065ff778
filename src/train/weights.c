/* weights.c: the parameters of a network, copied and exchanged. */
#include "train/session_int.h"

#include <string.h>

void lb_weights_copy(const lb_graph *to, const lb_graph *from)
{
    for (int i = 1; i < to->n_values; i++) {
        if (to->values[i].kind != LB_VALUE_PARAM)
            continue;
        lb_tensor *const t = to->values[i].tensor;
        for (size_t k = 0; k < t->n; k++)
            lb_tensor_put(t, k, lb_tensor_get(from->values[i].tensor, k));
    }
}

void lb_weights_store(const lb_graph *graph, lb_tensor **copies)
{
    for (int i = 1, n = 0; i < graph->n_values; i++) {
        const lb_tensor *const own = graph->values[i].tensor;
        if (graph->values[i].kind != LB_VALUE_PARAM)
            continue;
        memcpy(copies[n++]->data, own->data, lb_tensor_bytes(own));
    }
}

void lb_weights_restore(const lb_graph *graph, lb_tensor *const *copies)
{
    for (int i = 1, n = 0; i < graph->n_values; i++) {
        lb_tensor *const own = graph->values[i].tensor;
        if (graph->values[i].kind != LB_VALUE_PARAM)
            continue;
        memcpy(own->data, copies[n++]->data, lb_tensor_bytes(own));
    }
}

void lb_train_swap(const lb_graph *student, lb_tensor *const *weights)
{
    int n = 0;

    for (int i = 1; i < student->n_values; i++) {
        if (student->values[i].kind != LB_VALUE_PARAM)
            continue;
        lb_tensor *const a = student->values[i].tensor, *const b = weights[n++];
        for (size_t k = 0; k < a->n; k++) {
            const double was = lb_tensor_get(a, k);
            lb_tensor_put(a, k, lb_tensor_get(b, k));
            lb_tensor_put(b, k, was);
        }
    }
}
