/* relabel.h: whether a network's classes stand in another order than the data's. */
#ifndef LB_RUN_RELABEL_H
#define LB_RUN_RELABEL_H

#include "base/arena.h"

/* The one-to-one relabelling of answers under which most of them are right. */
typedef struct lb_relabelling {
    int *answer;     /* [classes] for each label the answer that stands for it; of equals
                        the one that leaves more classes where they are */
    int n_moved;     /* labels that another answer than their own stands for */
    double accuracy; /* share of the samples that are right with it */
    bool certain;    /* no chance find, and no class that merely falls to another */
} lb_relabelling;

/* label, answer: [n], each below `classes`; -1: no label, such a sample does not count.
 * Certain is what holds on samples that it was not found on: it is looked for on every
 * other sample of each label, and on the rest the moved labels must be answered better by
 * it, as a mean over the labels, by 25 points and by two and a half standard deviations.
 * Lives in the arena. */
lb_code lb_relabel(const int32_t *label, const int32_t *answer, int n, int classes,
                   lb_arena *arena, lb_relabelling *out, lb_error *err) LB_MUST_USE;

/* The columns, all different, for rows 0..n-1 whose sum of scores is the largest (the
 * assignment problem; Kuhn, 1955). score: [n,n], row by row. column: [n]. Takes O(n^3).
 */
lb_code lb_assign(const int64_t *score, int n, lb_arena *arena, int *column,
                  lb_error *err) LB_MUST_USE;

#endif
