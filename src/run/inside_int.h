/* inside_int.h: what a run finds when it looks into teacher and student after training:
 * how alike their layers are, and where they look. */
#ifndef LB_RUN_INSIDE_INT_H
#define LB_RUN_INSIDE_INT_H

#include "run/run_int.h"
#include "train/alignment.h"

/* The student beside one of the teachers: the pairs of layers that the recipe's losses
 * compare with it, or those that `auto` finds where they compare none; then the answers.
 */
struct lb_run_inside {
    lb_tap pair[LB_MAX_ALIGNED];
    int n_pairs;            /* at least 1: the answers are the last */
    lb_alignment alignment; /* of the teacher that is shown: of the trunks, too */
};

enum { LB_LOOK_SAMPLES = 8, LB_LOOK_PAIRS = 2 };

/* Where the teacher that is shown and the student look: for each sample and pair the
 * attention map, the sum of the squares over the channels (Zagoruyko and Komodakis,
 * 2017), in 255 steps of its largest value. */
struct lb_run_attention {
    int of;                                 /* the teacher */
    int n_samples, sample[LB_LOOK_SAMPLES]; /* of the test split; at least 1 */
    int n_pairs;                            /* at least 1 */
    lb_tap pair[LB_LOOK_PAIRS];             /* maps with a plane, from front to back */
    struct lb_look {
        const uint8_t *teacher, *student; /* [h,w] of the tap's shape */
        double cosine; /* of the two maps as rows; NaN: of other sizes, or one is zero */
    } look[LB_LOOK_SAMPLES][LB_LOOK_PAIRS];
};

/* pairs.c: of several teachers the one that is drawn: the first whose layers some loss
 * compares, or the first. */
int lb_run_shown_teacher(const lb_run *run);
/* The pairs of teacher k. */
lb_code lb_run_pairs(const lb_run *run, int k, lb_tap out[LB_MAX_ALIGNED], int *n,
                     lb_error *err) LB_MUST_USE;

/* attention.c: out stays NULL where nothing can be shown: no picture, no map. */
lb_code lb_run_attend(const lb_run *run, struct lb_run_attention **out,
                      lb_error *err) LB_MUST_USE;

#endif
