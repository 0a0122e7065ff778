/* cmd_compare.c: is the teacher worth it? */
#include "cli/recipe_run.h"
#include "run/compare.h"

#include <stdio.h>

static const lb_option options[] = {
    {.name = "seeds",
     .value = "N",
     .help = "pairs of runs, from the recipe's seed on; usually 3"},
    {.name = "set",
     .value = "KEY=VALUE",
     .many = true,
     .help = "overrides a key of both"},
    {.name = "twin",
     .value = "KEY=VALUE",
     .many = true,
     .help = "of train.optimizer, train.schedule; or compress.prune.lr"},
    {.name = "in-pruning", .help = "the twin has the teacher, too, until it is pruned"},
    {.name = "tune-twin",
     .help = "picks the twin's learning rate, of 1/4 to 4 times its own"},
    {.name = "out",
     .letter = 'o',
     .value = "DIR",
     .help = "the folder of the runs; usually runs/NAME-compare"},
    {.name = "resume", .help = "goes on where it was interrupted, as it always does"},
    {0},
};

static lb_code run(const lb_args *args, lb_arena *arena, lb_error *err)
{
    const char *sets[LB_MOST_SETS], *twin[LB_MOST_SETS];
    lb_progress progress;
    lb_compare_result result = {0};
    const lb_key key = {
        .name = "--seeds", .type = LB_KEY_INT, .min = 1, .max = LB_COMPARE_MOST_SEEDS};
    int seeds = 3;

    LB_TRY(lb_arg_by_key(args, &key, &seeds, err));
    const lb_compare_options wanted = {
        .run = lb_recipe_run(args, &progress, sets),
        .seeds = seeds,
        .twin = twin,
        .n_twin = lb_args_many(args, "twin", twin, LB_MOST_SETS),
        .in_pruning = lb_arg_switch(args, "in-pruning"),
        .tune_twin = lb_arg_switch(args, "tune-twin"),
    };
    const lb_code code = lb_run_compare(&wanted, arena, &result, err);
    lb_progress_end(&progress);
    if (code != LB_OK)
        return code;
    printf("%s\n", args->json ? result.json : result.summary);
    return LB_OK;
}

const lb_cmd lb_cmd_compare = {
    .name = "compare",
    .usage = "RECIPE [--seeds N] [--set KEY=VALUE]... [--tune-twin]",
    .help = "a recipe against its twin without a teacher",
    .detail =
        "The twin is the same student with the same data, order, steps and initial "
        "weights,\nand `ce` alone; of a recipe with stages it learns in one piece, as "
        "the "
        "last stage does,\nfor the steps of all. The 95 % interval of the paired "
        "differences in test accuracy decides\nthe verdict; the validation split picks "
        "epochs and learning rates. Runs lie in\nDIR/with-1, DIR/without-1, ...; what is "
        "finished is not run again, more seeds add to\nit. Views depend on the seed: the "
        "teacher answers anew for each.",
    .example = "limbeck compare examples/fashion-mnist/watch.yaml --seeds 5 --tune-twin",
    .options = options,
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
