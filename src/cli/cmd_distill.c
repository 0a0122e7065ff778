/* cmd_distill.c: the main job. */
#include "cli/recipe_run.h"

#include <stdio.h>
#include <string.h>

static const lb_option options[] = {
    {.name = "set",
     .value = "KEY=VALUE",
     .many = true,
     .help = "overrides a key, as in train.epochs=3"},
    {.name = "out",
     .letter = 'o',
     .value = "DIR",
     .help = "the run's folder; usually runs/NAME"},
    {.name = "resume", .help = "goes on where the run was interrupted"},
    {.name = "dry-run", .help = "prints the plan and stops"},
    {0},
};

static lb_code run(const lb_args *args, lb_arena *arena, lb_error *err)
{
    const char *sets[LB_MOST_SETS];
    lb_progress progress;
    lb_run_result result = {0};

    lb_run_options wanted = lb_recipe_run(args, &progress, sets);
    wanted.resume = lb_arg_switch(args, "resume");
    wanted.dry_run = lb_arg_switch(args, "dry-run");
    const lb_code code = lb_run_distill(&wanted, arena, &result, err);
    lb_progress_end(&progress);
    if (code != LB_OK)
        return code;
    const char *const text = args->json       ? result.json
                             : wanted.dry_run ? result.plan
                                              : result.summary;
    if (!text)
        return lb_bug(err, "the run has no result");
    const size_t n = strlen(text);
    printf("%s%s", text, n && text[n - 1] == '\n' ? "" : "\n");
    return LB_OK;
}

const lb_cmd lb_cmd_distill = {
    .name = "distill",
    .usage = "RECIPE [--set KEY=VALUE]... [--out DIR] [--resume] [--dry-run]",
    .help = "teaches a student by a recipe",
    .detail =
        "The recipe (YAML) names data, a teacher, a student and a device. A student "
        "that does\nnot fit the device is refused before the first step. The run "
        "leaves ONNX, C99\nfirmware, a report page and result.json in its folder. "
        "Relative paths in a recipe,\nand in --set, begin at the recipe's folder. "
        "Ctrl-C writes a checkpoint and stops.",
    .example = "limbeck distill examples/fashion-mnist/watch.yaml --set train.epochs=3",
    .options = options,
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
