/* parity_steps.c: runs a recipe and prints the loss of every step.
 *
 *     parity_steps RECIPE OUT best|reference [KEY=VALUE]... */
#include "run/run.h"

#include <stdio.h>
#include <string.h>

static void print_step(void *arg, const lb_step_report *report)
{
    (void)arg;
    printf("%.17g\n", report->loss);
}

int main(int argc, char **argv)
{
    lb_error err = {0};
    lb_run_result result;

    if (argc < 4)
        return 2;
    lb_arena *const arena = lb_arena_new(0);
    const lb_run_options options = {.recipe = argv[1],
                                    .out = argv[2],
                                    .sets = (const char *const *)(argv + 4),
                                    .n_sets = argc - 4,
                                    .kernels = strcmp(argv[3], "reference") == 0
                                                   ? LB_KERNELS_REFERENCE
                                                   : LB_KERNELS_BEST,
                                    .watch = {.step = print_step}};
    const lb_code code = lb_run_distill(&options, arena, &result, &err);
    if (code != LB_OK)
        fprintf(stderr, "%s\n", err.text);
    lb_arena_free(arena);
    return code != LB_OK;
}
