/* nat_walk.c: walks over plain arrays of several axes, row by row. */
#include "engine/native/nat_walk.h"

void lb_nat_strides(const lb_shape *shape, ptrdiff_t stride[LB_MAX_RANK])
{
    ptrdiff_t next = 1;

    for (int i = shape->rank - 1; i >= 0; i--) {
        stride[i] = next;
        next *= shape->dim[i];
    }
}

void lb_nat_spread(const lb_shape *space, const lb_shape *operand,
                   ptrdiff_t stride[LB_MAX_RANK])
{
    const int before = space->rank - operand->rank;
    ptrdiff_t own[LB_MAX_RANK] = {0};

    lb_nat_strides(operand, own);
    for (int i = 0; i < space->rank; i++)
        stride[i] = i < before || operand->dim[i - before] == 1 ? 0 : own[i - before];
}

/* Axis i can be walked as a part of axis j before it. */
static bool joins(ptrdiff_t stride[LB_NAT_OPERANDS][LB_MAX_RANK], int n, int i, int j,
                  size_t dim)
{
    for (int k = 0; k < n; k++)
        if (stride[k][j] != stride[k][i] * (ptrdiff_t)dim)
            return false;
    return true;
}

void lb_nat_walk_make(lb_nat_walk *w, const lb_shape *space, int n,
                      ptrdiff_t stride[LB_NAT_OPERANDS][LB_MAX_RANK])
{
    ptrdiff_t merged[LB_NAT_OPERANDS][LB_MAX_RANK] = {{0}};
    size_t dim[LB_MAX_RANK] = {0};
    int rank = 0;

    *w = (lb_nat_walk){.n = 1};
    for (int i = 0; i < space->rank; i++) {
        const size_t size = (size_t)space->dim[i];
        w->empty = w->empty || size == 0;
        if (size == 1)
            continue;
        for (int k = 0; k < n; k++)
            merged[k][rank] = stride[k][i];
        dim[rank] = size;
        if (rank > 0 && joins(merged, n, rank, rank - 1, size)) {
            for (int k = 0; k < n; k++)
                merged[k][rank - 1] = merged[k][rank];
            dim[rank - 1] *= size;
        } else {
            rank++;
        }
    }
    if (rank == 0)
        return;
    w->rank = rank - 1;
    w->n = dim[rank - 1];
    memcpy(w->dim, dim, sizeof dim);
    memcpy(w->stride, merged, sizeof merged);
    for (int k = 0; k < n; k++)
        w->step[k] = merged[k][rank - 1];
}

void lb_nat_begin(const lb_nat_walk *w, lb_nat_spot *at)
{
    *at = (lb_nat_spot){.more = !w->empty};
}

void lb_nat_next(const lb_nat_walk *w, lb_nat_spot *at)
{
    for (int i = w->rank - 1; i >= 0; i--) {
        at->index[i]++;
        for (int k = 0; k < LB_NAT_OPERANDS; k++)
            at->at[k] += w->stride[k][i];
        if (at->index[i] < w->dim[i])
            return;
        for (int k = 0; k < LB_NAT_OPERANDS; k++)
            at->at[k] -= w->stride[k][i] * (ptrdiff_t)w->dim[i];
        at->index[i] = 0;
    }
    at->more = false;
}
