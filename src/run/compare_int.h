/* compare_int.h: what the files of a comparison share. */
#ifndef LB_RUN_COMPARE_INT_H
#define LB_RUN_COMPARE_INT_H

#include "run/compare.h"
#include "run/interval.h"
#include "run/many.h"

enum { LB_COMPARE_RATES = 5 };

typedef struct lb_comparison {
    const lb_compare_options *options;
    lb_arena *arena;
    const lb_recipe *recipe, *twin;
    const char *folder, *beside, *go_on;
    const char **twin_sets; /* after the recipe's own */
    int n_twin_sets;
    lb_run_figures *with, *without; /* [seeds] */
    /* of --tune-twin */
    int n_rates, chosen;
    double rate[LB_COMPARE_RATES], rate_accuracy[LB_COMPARE_RATES]; /* NaN: it failed */
} lb_comparison;

/* compare_twin.c: of a recipe with stages. The first of those that train the deployed
 * student: the steps of these are the twin's. */
int lb_twin_first(const lb_recipe *recipe);
/* What makes one training of them: overrides of the recipe, LB_TWIN_SETS of them; returns
 * how many: 0 without stages, -1 without memory. */
enum { LB_TWIN_SETS = 4 };
int lb_twin_training(const lb_recipe *recipe, lb_arena *arena,
                     const char *sets[LB_TWIN_SETS]);
/* Why there can be none; NULL: it can. */
const char *lb_twin_refusal(const lb_recipe *recipe);

/* compare.c: the key of the twin's learning rate, and what it is. */
const char *lb_compare_rate(const lb_comparison *c, double *rate);

/* The sentence that the interval allows; lives in the arena, NULL without memory. */
const char *lb_compare_verdict(const lb_interval *difference, int seeds, lb_arena *arena);

/* compare_tell.c: result, record, page, row, summary. */
lb_code lb_compare_tell(const lb_comparison *c, lb_compare_result *out,
                        lb_error *err) LB_MUST_USE;

#endif
