/* cmd_data.c: the kinds of data there are. */
#include "cli/results.h"
#include "data/data.h"

#include <stdio.h>

static const lb_option options[] = {{0}};

static lb_code run(const lb_args *args, lb_arena *arena, lb_error *err)
{
    lb_json json;

    lb_json_init(&json, arena);
    lb_json_open(&json, NULL, '{');
    lb_json_open(&json, "data", '[');
    for (const lb_source *const *source = lb_sources; *source; source++) {
        if (!args->json)
            printf("%-8s %s\n", (*source)->name, (*source)->help);
        lb_json_open(&json, NULL, '{');
        lb_json_text(&json, "name", (*source)->name);
        lb_json_text(&json, "help", (*source)->help);
        lb_json_close(&json, '}');
    }
    lb_json_close(&json, ']');
    lb_json_close(&json, '}');
    return args->json ? lb_results_json(&json, err) : LB_OK;
}

const lb_cmd lb_cmd_data = {
    .name = "data",
    .usage = "",
    .help = "the kinds of data there are",
    .example = "limbeck data",
    .options = options,
    .run = run,
};
