/* methods.h: what the files of bench-methods share. */
#ifndef LB_BENCH_METHODS_H
#define LB_BENCH_METHODS_H

#include "run/run.h"

enum { METHODS_MOST = 128, METHODS_SETS = 16, METHODS_SEEDS = 16 };

/* What one run left. */
typedef struct methods_run {
    lb_run_figures figures;
    double cpu_seconds; /* NaN: not known */
    bool done, failed, busy;
} methods_run;

/* A line of the list: NAME | TWIN | KEY=VALUE | KEY=VALUE ... */
typedef struct method {
    const char *name;
    const char *twin; /* the row that it is held against; NULL: none */
    bool candidate; /* "tune TWIN": one of several settings of that twin; the best on the
                       validation split is the twin, the others run with one seed */
    const char *set[METHODS_SETS];
    int n_sets;
    methods_run run[METHODS_SEEDS];
} method;

typedef struct methods {
    const char *list, *recipe, *limbeck, *out;
    const char *set[METHODS_SETS]; /* of every run, before the method's own */
    int n_sets, seeds, jobs;       /* seeds: 1 to seeds */
    bool print_only;
    method row[METHODS_MOST];
    int n;
    lb_arena *arena;
} methods;

/* The row that this one is held against: with several candidates the best of those that
 * are done; NULL if there is none, or none yet. */
const method *methods_twin(const methods *all, const char *name);

/* Whether every candidate for this twin has ended with its first seed. */
bool methods_tuned(const methods *all, const char *name);

lb_code methods_read(methods *all, lb_error *err) LB_MUST_USE;

/* Looks for results in the folder; then, unless print_only, runs what is missing. */
void methods_look(methods *all);
lb_code methods_run_all(methods *all, lb_error *err) LB_MUST_USE;

void methods_print(const methods *all);

#endif
