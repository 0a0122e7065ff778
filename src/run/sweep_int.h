/* sweep_int.h: what the files of a sweep share. */
#ifndef LB_RUN_SWEEP_INT_H
#define LB_RUN_SWEEP_INT_H

#include "run/many.h"
#include "run/sweep.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct lb_axis {
    const char *key;
    const char **value;
    int n, capacity;
} lb_axis;

typedef struct lb_swept {
    const char *name;
    const char *value[LB_SWEEP_MOST_KEYS]; /* of each axis */
    const char *folder;
    const char **sets;
    int n_sets;
    int epochs; /* of its recipe */
    bool alive; /* neither failed nor left behind */
    bool done;
    lb_code code; /* why it failed */
    char reason[600];
    lb_run_figures figures;
} lb_swept;

typedef struct lb_sweep {
    const lb_sweep_options *options;
    lb_arena *arena;
    const lb_recipe *recipe; /* as it is without --over */
    const char *folder, *beside, *go_on;
    lb_axis axis[LB_SWEEP_MOST_KEYS];
    int n_axes;
    lb_swept *run;
    int n_runs;
    /* while runs are under way */
    int part; /* each run pauses after 1/part of its epochs; 1: at the end */
    bool prepare;
    int threads; /* of each */
    int jobs;
    atomic_int next;
    atomic_bool broken; /* a failure that ends the sweep */
    pthread_mutex_t lock;
    int ended;
    lb_error trouble;
} lb_sweep;

/* sweep_grid.c: from --over to runs; all mistakes at once. */
lb_code lb_sweep_grid(lb_sweep *s, lb_error *err) LB_MUST_USE;

/* front.c: the best and the worst of n runs by validation, NULL where one does not count;
 * -1 if none does. Of those whose accuracy is within one sample of the highest (or the
 * lowest) the loss decides: one sample more or less is chance. Of equals the earlier is
 * the best and the later the worst; a run without an accuracy is worse than any. */
int lb_figures_best(const lb_run_figures *const *runs, int n);
int lb_figures_worst(const lb_run_figures *const *runs, int n);

/* Which of n points nothing else dominates. value[i]: n_values figures of point i,
 * the first to be high and the others low; NaN in a column leaves the point out of what
 * that column decides: it is neither better nor worse there. */
void lb_pareto_front(const double *const *value, int n, int n_values, bool *on_front);

/* sweep_tell.c: result, record, page, row, summary. */
lb_code lb_sweep_tell(const lb_sweep *s, lb_sweep_result *out, lb_error *err) LB_MUST_USE;

#endif
