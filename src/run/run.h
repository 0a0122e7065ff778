/* run.h: conducts one run through the rooms, from recipe to bottle. */
#ifndef LB_RUN_RUN_H
#define LB_RUN_RUN_H

#include "recipe/recipe.h"

typedef struct lb_run_options {
    const char *recipe;
    const char *const *sets;
    int n_sets;
    const char *out; /* folder; NULL: runs/NAME */
    bool resume, dry_run;
    int threads; /* 0: all */
    lb_kernels kernels;
    bool conv_direct;
    lb_watch watch;
    bool (*cache_progress)(void *arg, int done, int total); /* watch.arg */
    void (*phase)(void *arg,
                  const char *text); /* "teacher", "training", ...; watch.arg */
    lb_log log;
} lb_run_options;

/* Everything that was found out; lives in the arena. Figures not known are NaN. */
typedef struct lb_run_result {
    const char *folder, *name;
    const char *json;    /* the one object of --json, and of result.json */
    const char *plan;    /* of a dry run: text for people */
    const char *summary; /* a few lines for people */
} lb_run_result;

lb_code lb_run_distill(const lb_run_options *options, lb_arena *arena, lb_run_result *out,
                       lb_error *err) LB_MUST_USE;

#endif
