/* compare.h: a recipe against its twin without a teacher, over several seeds.
 *
 * The twin is the same student from the same initial weights, over the same data in the
 * same order for as many steps, with `ce` alone; its learning rate may be its own. With
 * fixed views in the recipe (cache.views) the twin still sees a new view each epoch, as
 * plain training does: it is not held back by what only a teacher needs. A recipe with
 * stages has a twin that learns in one piece (compare_twin.c). With in_pruning the twin
 * is taught as well until it is pruned: both prune the same student, the twin judges and
 * fine-tunes by `ce` alone. The validation
 * split picks each run's best epoch; the test split measures, and chooses nothing. */
#ifndef LB_RUN_COMPARE_H
#define LB_RUN_COMPARE_H

#include "run/run.h"

enum { LB_COMPARE_MOST_SEEDS = 1000 };

typedef struct lb_compare_options {
    lb_run_options run;      /* of each run; out: NULL is runs/NAME-compare */
    int seeds;               /* the recipe's and those that follow it */
    const char *const *twin; /* "train.optimizer.sgd.lr=0.1": of the twin alone */
    int n_twin;
    bool in_pruning;
    bool tune_twin; /* the twin's learning rate is picked on the validation split */
} lb_compare_options;

typedef struct lb_compare_result {
    const char *json;    /* of --json and result.json */
    const char *summary; /* a few lines for people */
} lb_compare_result;

/* Runs lie in OUT/with-1, OUT/without-1, ...; those that are finished are taken as they
 * are, others go on where they were. LB_ERR_STOPPED names the line that goes on. */
lb_code lb_run_compare(const lb_compare_options *options, lb_arena *arena,
                       lb_compare_result *out, lb_error *err) LB_MUST_USE;

#endif
