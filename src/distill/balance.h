/* balance.h: a weight that training finds by itself: `weight: {auto: 0.5}`.
 *
 * What a loss does to the student is its weight times the length of its gradient over the
 * student's parameters. Over the first steps in which the loss counts, those lengths are
 * measured, and the weight is set so that the loss pulls as strongly as asked, relative
 * to the losses whose weights are fixed, taken together:
 *
 *     weight = share * (sum over steps of sum_j w_j |g_j|) / (sum over steps of |g|)
 *
 * with the j of fixed weights w_j, each where its way ends or begins if it changes,
 * whichever is more: a loss that warms up counts in full. Several such weights do not
 * count for each other. After these steps the weight stays. */
#ifndef LB_DISTILL_BALANCE_H
#define LB_DISTILL_BALANCE_H

#include "base/key.h"

typedef struct lb_balance {
    bool on;      /* false: the term's weight is its own number */
    double share; /* of what the fixed losses pull together; 1: as much as they */
    int steps;    /* that are measured; an epoch's, if that has fewer */
} lb_balance;
extern const lb_key lb_balance_keys[]; /* auto, steps */

/* What has been measured so far. All zero: nothing. */
typedef struct lb_balancing {
    double fixed, own; /* sums over the steps */
    int steps;
    double weight; /* as found so far */
} lb_balancing;

enum { LB_BALANCE_MOST = 1000000 }; /* no weight is larger */

/* One more step: fixed is what the losses of fixed weights pull together, own the length
 * of the loss's own gradient without a weight. */
void lb_balance_step(const lb_balance *balance, double fixed, double own,
                     lb_balancing *state);

#endif
