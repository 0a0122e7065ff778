/* recipe_run.h: what the commands that run recipes share. */
#ifndef LB_CLI_RECIPE_RUN_H
#define LB_CLI_RECIPE_RUN_H

#include "cli/progress.h"
#include "run/run.h"

enum { LB_MOST_SETS = 256 };

/* Starts to show progress, and gives the run that the options ask for: the recipe is the
 * first word, `sets` takes the values of --set, --out is the folder. Ctrl-C stops it.
 * progress and sets outlive the run; the caller ends the progress. */
lb_run_options lb_recipe_run(const lb_args *args, lb_progress *progress,
                             const char *sets[LB_MOST_SETS]);

#endif
