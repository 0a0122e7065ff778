/* cmd_report.c: the page of one run, made again from its record. */
#include "base/file.h"
#include "cli/results.h"
#include "report/report.h"

#include <stdio.h>
#include <string.h>

static const size_t most_bytes = (size_t)64 << 20;

static const lb_option options[] = {
    {.name = "output",
     .letter = 'o',
     .value = "FILE",
     .help = "the page; usually report.html in the run's folder"},
    {0},
};

static lb_code run(const lb_args *args, lb_arena *arena, lb_error *err)
{
    const char *const word = args->word[0];
    const char *const given = lb_arg(args, "output");
    const char *folder = word;
    lb_bytes record;
    lb_json json;

    char *path = lb_path_join(arena, word, "record.json");
    if (path && !lb_file_exists(path) && !strchr(word, '/')) {
        folder = lb_path_join(arena, "runs", word);
        path = folder ? lb_path_join(arena, folder, "record.json") : NULL;
    }
    const char *const page = given ? given : lb_path_join(arena, folder, "report.html");
    if (!path || !page)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the report");
    if (!lb_file_exists(path))
        return lb_raise(err, LB_ERR_INPUT,
                        "'%.200s' is no run: there is no '%s'; `limbeck runs` lists them",
                        word, path);
    LB_TRY(lb_read_file(arena, path, most_bytes, &record, err));
    if (lb_report_page((const char *)record.data, record.size, page, err) != LB_OK)
        return lb_within(err, "%s", path);
    if (!args->json) {
        printf("%s\n", page);
        return LB_OK;
    }
    lb_json_init(&json, arena);
    lb_json_open(&json, NULL, '{');
    lb_json_text(&json, "page", page);
    lb_json_close(&json, '}');
    return lb_results_json(&json, err);
}

const lb_cmd lb_cmd_report = {
    .name = "report",
    .usage = "RUN [-o FILE]",
    .help = "the page of one run",
    .detail = "RUN is a run's folder, or its name under runs/. The page is one "
              "self-contained\nHTML file.",
    .example = "limbeck report fashion-watch",
    .options = options,
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
