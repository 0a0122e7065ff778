/* cmd_sweep.c: many runs over a grid of settings. */
#include "cli/recipe_run.h"
#include "run/sweep.h"

#include <stdio.h>

static const lb_option options[] = {
    {.name = "over",
     .value = "KEY=A,B,C",
     .many = true,
     .help = "the values of a key; several keys make a grid"},
    {.name = "set", .value = "KEY=VALUE", .many = true, .help = "overrides a key of all"},
    {.name = "jobs", .value = "N", .help = "runs at a time, which share the threads"},
    {.name = "halving", .help = "1/4 of the epochs, then the better half 1/2, then all"},
    {.name = "out",
     .letter = 'o',
     .value = "DIR",
     .help = "the folder of the runs; usually runs/NAME-sweep"},
    {.name = "resume", .help = "goes on where it was interrupted, as it always does"},
    {0},
};

static lb_code run(const lb_args *args, lb_arena *arena, lb_error *err)
{
    const char *sets[LB_MOST_SETS], *over[LB_MOST_SETS];
    lb_progress progress;
    lb_sweep_result result = {0};
    const lb_key key = {
        .name = "--jobs", .type = LB_KEY_INT, .min = 1, .max = LB_SWEEP_MOST_JOBS};
    int jobs = 1;

    LB_TRY(lb_arg_by_key(args, &key, &jobs, err));
    const lb_sweep_options wanted = {
        .run = lb_recipe_run(args, &progress, sets),
        .over = over,
        .n_over = lb_args_many(args, "over", over, LB_MOST_SETS),
        .jobs = jobs,
        .halving = lb_arg_switch(args, "halving"),
    };
    const lb_code code = lb_run_sweep(&wanted, arena, &result, err);
    lb_progress_end(&progress);
    if (code != LB_OK)
        return code;
    printf("%s\n", args->json ? result.json : result.summary);
    return LB_OK;
}

const lb_cmd lb_cmd_sweep = {
    .name = "sweep",
    .usage = "RECIPE --over KEY=A,B,C... [--jobs N] [--halving]",
    .help = "many runs over a grid of settings",
    .detail =
        "Each run is a whole one, in DIR/NAME-with-values; what is finished is not run "
        "again.\nThe validation split chooses, by accuracy, and by loss among those "
        "within one sample of\nthe best; the test split measures. The page has one chart "
        "for each trade-off (accuracy\nagainst flash, SRAM, latency) with the front "
        "marked. With --halving the runs that are\nkept go on where they stopped, to the "
        "bits of a whole run; compare settings that cost\nalike by it.",
    .example = "limbeck sweep watch.yaml --over distill.0.temperature=1,2,4,8 --halving",
    .options = options,
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
