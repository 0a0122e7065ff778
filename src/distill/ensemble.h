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

/* Where the weights are from: the recipe, or what the teachers know of the validation
 * split. */
typedef enum lb_weighing { LB_WEIGHTS_GIVEN, LB_WEIGHTS_VALIDATION } lb_weighing;

typedef struct lb_ensemble {
    int n;
    double weight[LB_MAX_TEACHERS]; /* above 0; they sum to 1 */
    int combine;                    /* lb_combine */
    int weighing;                   /* lb_weighing */
    bool found;                     /* the weights are those of the validation split */
    bool correct_only; /* of a sample with a label those that are wrong about it are left
                          out, unless all are */
} lb_ensemble;

/* What the members' logits [N,C], divided by T, come to together: [N,C], z(T) of above.
 * A lone member's are returned as they are. share: [N,1] each, of each sample, instead of
 * the weights (lb_ensemble_correct); NULL: the weights. No gradient is meant to flow. */
lb_value lb_ensemble_join(lb_builder *b, const lb_ensemble *ensemble,
                          const lb_value *member, const lb_value *share);

/* The shares [N,1] of each member in each sample, where only those count whose largest
 * logit (or one of several) is the label's: their weights, over the sum of these. All
 * count where none is right, or the label is -1. */
void lb_ensemble_correct(lb_builder *b, const lb_ensemble *ensemble,
                         const lb_value *member, lb_value labels,
                         lb_value share[LB_MAX_TEACHERS]);

/* The same for one sample at T = 1, outside of any graph: member i's logits are
 * rows[i][0..classes-1]. */
void lb_ensemble_row(const lb_ensemble *ensemble, const float *const *rows, int classes,
                     float *out);

/* Samples whose answers are known: member k's logits for sample i at
 * logits[k] + i * classes; labels below 0 or beyond the classes are not looked at. */
typedef struct lb_ensemble_samples {
    const float *const *logits;
    const int32_t *labels;
    int n, classes;
} lb_ensemble_samples;

/* Finds the weights by which the members together make the labels most likely, at T = 1:
 * the maximum of the mean log-likelihood over weights that sum to 1, which is concave for
 * either way to combine, by multiplicative updates from even weights. The same numbers
 * give the same weights. One that comes to less than LB_LEAST_WEIGHT of the others is
 * that: nobody is silently left out. arena: of what is needed on the way. */
typedef struct lb_ensemble_fitted {
    int n;             /* samples that were looked at; 0: the weights are even */
    double even, best; /* the mean log-likelihood with even weights and with these */
} lb_ensemble_fitted;
lb_code lb_ensemble_fit(lb_ensemble *ensemble, const lb_ensemble_samples *samples,
                        lb_arena *arena, lb_ensemble_fitted *out,
                        lb_error *err) LB_MUST_USE;
#define LB_LEAST_WEIGHT 0.001

#endif
