/* nat_walk.h: walks over plain arrays of several axes, row by row.
 *
 * A walk has up to three operands with strides of their own in floats, 0 where an operand
 * does not move along an axis. Neighbouring axes that every operand passes through in one
 * go are merged, so that rows are as long as they can be:
 *     lb_nat_spot at;
 *     for (lb_nat_begin(&w, &at); at.more; lb_nat_next(&w, &at))
 *         row(y + at.at[0], x + at.at[1], w.n); */
#ifndef LB_ENGINE_NATIVE_NAT_WALK_H
#define LB_ENGINE_NATIVE_NAT_WALK_H

#include "engine/native/nat_util.h"

#include <stddef.h>

enum { LB_NAT_OPERANDS = 3 };

typedef struct lb_nat_walk {
    int rank; /* of the axes before the row's */
    size_t dim[LB_MAX_RANK];
    ptrdiff_t stride[LB_NAT_OPERANDS][LB_MAX_RANK];
    size_t n;                        /* elements of a row */
    ptrdiff_t step[LB_NAT_OPERANDS]; /* from one to the next */
    bool empty;
} lb_nat_walk;

/* Where a walk is: the offset of its row for each operand. */
typedef struct lb_nat_spot {
    size_t index[LB_MAX_RANK];
    ptrdiff_t at[LB_NAT_OPERANDS];
    bool more;
} lb_nat_spot;

/* Row-major strides of a bound shape. */
void lb_nat_strides(const lb_shape *shape, ptrdiff_t stride[LB_MAX_RANK]);
/* The strides of an operand that is broadcast to `space`; axes are aligned at the end. */
void lb_nat_spread(const lb_shape *space, const lb_shape *operand,
                   ptrdiff_t stride[LB_MAX_RANK]);
/* A walk over `space` with n operands. */
void lb_nat_walk_make(lb_nat_walk *w, const lb_shape *space, int n,
                      ptrdiff_t stride[LB_NAT_OPERANDS][LB_MAX_RANK]);
void lb_nat_begin(const lb_nat_walk *w, lb_nat_spot *at);
void lb_nat_next(const lb_nat_walk *w, lb_nat_spot *at);

#endif
