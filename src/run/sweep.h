/* sweep.h: many runs of one recipe over a grid of settings.
 *
 * Every run is a whole run of its own, with a page and a row. The validation split says
 * which is better, by accuracy, and by loss where accuracies are within one sample of the
 * best (or of the worst, where one has to go); the test split measures, and chooses
 * nothing. Runs that fail (do not fit the device, diverge) are rows with a reason.
 *
 * With halving every run trains a quarter of its epochs, the better half of them a half,
 * and the better half of these all (successive halving: Jamieson and Talwalkar, 2016).
 * A run that is kept goes on from its checkpoint, and its schedule is that of all its
 * epochs from the first step on: so it ends in the very bits of a run in one sitting,
 * whatever the schedule. What is compared early is therefore runs on their way, at the
 * learning rate that they have there. */
#ifndef LB_RUN_SWEEP_H
#define LB_RUN_SWEEP_H

#include "run/run.h"

enum { LB_SWEEP_MOST_KEYS = 16, LB_SWEEP_MOST_RUNS = 1000, LB_SWEEP_MOST_JOBS = 64 };

typedef struct lb_sweep_options {
    lb_run_options run;      /* of each run; out: NULL is runs/NAME-sweep */
    const char *const *over; /* "distill.0.temperature=1,2,4"; brackets hold together */
    int n_over;
    int jobs; /* runs at a time, the threads shared among them */
    bool halving;
} lb_sweep_options;

typedef struct lb_sweep_result {
    const char *json;    /* of --json and result.json */
    const char *summary; /* a few lines for people */
} lb_sweep_result;

/* Runs lie in OUT/NAME-with-values; those that are finished are taken as they are, others
 * go on where they were. If no run ends well, the code is that of the first. */
lb_code lb_run_sweep(const lb_sweep_options *options, lb_arena *arena,
                     lb_sweep_result *out, lb_error *err) LB_MUST_USE;

#endif
