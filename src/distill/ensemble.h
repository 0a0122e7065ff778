/* ensemble.h: several teachers that answer as one.
 *
 * Their answer at a temperature T is the weighted mean of their probabilities at that T
 * (Hinton et al., 2015), as logits:
 *
 *     z(T) = log(sum_i w_i softmax(z_i / T)),  sum_i w_i = 1
 *
 * so that softmax(z(T)) is the mean. This is not z(1) / T: every loss with a temperature
 * asks for the answer at its own. Or, where recipes ask for it, the mean of the logits,
 * which is the geometric mean of the probabilities:
 *
 *     z = sum_i w_i z_i,  softened as z / T */
#ifndef LB_DISTILL_ENSEMBLE_H
#define LB_DISTILL_ENSEMBLE_H

#include "graph/builder.h"

enum { LB_MAX_TEACHERS = 16 };

typedef enum lb_combine { LB_COMBINE_PROBABILITIES, LB_COMBINE_LOGITS } lb_combine;

typedef struct lb_ensemble {
    int n;
    double weight[LB_MAX_TEACHERS]; /* above 0; they sum to 1 */
    int combine;                    /* lb_combine */
} lb_ensemble;

/* What the members' logits [N,C], divided by T, come to together: [N,C], z(T) of above.
 * A lone member's are returned as they are. No gradient is meant to flow. */
lb_value lb_ensemble_join(lb_builder *b, const lb_ensemble *ensemble,
                          const lb_value *member);

/* The same for one sample at T = 1, outside of any graph: member i's logits are
 * rows[i][0..classes-1]. */
void lb_ensemble_row(const lb_ensemble *ensemble, const float *const *rows, int classes,
                     float *out);

#endif
