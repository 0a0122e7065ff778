/* cmd_models.c: the built-in architectures. */
#include "cli/results.h"
#include "models/model.h"

#include <stdio.h>

static const lb_option options[] = {{0}};

static lb_code run(const lb_args *args, lb_arena *arena, lb_error *err)
{
    lb_json json;

    lb_json_init(&json, arena);
    lb_json_open(&json, NULL, '{');
    lb_json_open(&json, "models", '[');
    for (const lb_model *const *model = lb_models; *model; model++) {
        const lb_model *const m = *model;
        if (!args->json)
            printf("%-12s %s; width %g to %g, depth usually %d\n", m->name, m->help,
                   m->least_width, m->most_width, m->usual_depth);
        lb_json_open(&json, NULL, '{');
        lb_json_text(&json, "name", m->name);
        lb_json_text(&json, "help", m->help);
        lb_json_text(&json, "source", m->source);
        lb_json_number(&json, "least_width", m->least_width);
        lb_json_number(&json, "most_width", m->most_width);
        lb_json_int(&json, "usual_depth", m->usual_depth);
        int n = 0;
        while (m->depths[n])
            n++;
        lb_json_ints(&json, "depths", m->depths, n);
        lb_json_close(&json, '}');
    }
    lb_json_close(&json, ']');
    lb_json_close(&json, '}');
    return args->json ? lb_results_json(&json, err) : LB_OK;
}

const lb_cmd lb_cmd_models = {
    .name = "models",
    .usage = "",
    .help = "the built-in architectures",
    .example = "limbeck models",
    .options = options,
    .run = run,
};
