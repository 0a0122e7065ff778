/* recipe_run.c: what the commands that run recipes share. */
#include "cli/recipe_run.h"

#include "cli/signals.h"

lb_run_options lb_recipe_run(const lb_args *args, lb_progress *progress,
                             const char *sets[LB_MOST_SETS])
{
    lb_progress_init(progress, args, lb_signals_watch());
    return (lb_run_options){.recipe = args->word[0],
                            .sets = sets,
                            .n_sets = lb_args_many(args, "set", sets, LB_MOST_SETS),
                            .out = lb_arg(args, "out"),
                            .threads = args->threads,
                            .kernels = args->kernels,
                            .conv_direct = args->conv_direct,
                            .watch = lb_progress_watch(progress),
                            .cache_progress = lb_progress_cache,
                            .phase = lb_progress_phase,
                            .log = lb_progress_log(progress)};
}
