/* nat_axes.c: which axes a reduction runs over. */
#include "engine/native/nat_axes.h"

bool lb_nat_axes_of(const lb_ask *ask, int rank, bool as_input, unsigned *bits)
{
    int64_t axes[LB_MAX_RANK];
    int n = lb_attr_ints(ask->node, "axes", axes, LB_MAX_RANK);

    if (as_input) {
        if (!ask->constant[1] || ask->constant[1]->n > LB_MAX_RANK)
            return false;
        n = (int)ask->constant[1]->n;
        for (int i = 0; i < n; i++)
            axes[i] = (int64_t)lb_tensor_get(ask->constant[1], (size_t)i);
    }
    if (n == 0 && lb_attr_int(ask->node, "noop_with_empty_axes", 0) != 0)
        return false;
    *bits = n == 0 ? (1u << rank) - 1 : 0;
    for (int i = 0; i < n && i < LB_MAX_RANK; i++)
        *bits |= 1u << (axes[i] < 0 ? axes[i] + rank : axes[i]);
    return true;
}
