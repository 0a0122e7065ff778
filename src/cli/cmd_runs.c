/* cmd_runs.c: the runs that were made. */
#include "base/file.h"
#include "cli/results.h"
#include "report/report.h"

#include <math.h>
#include <stdio.h>

static const lb_option options[] = {{0}};

static void print_share(double value)
{
    if (isfinite(value))
        printf(" %8.2f", 100 * value);
    else
        printf(" %8s", "-");
}

static void print_text(const lb_run_row *rows, int n)
{
    char a[32], b[32];

    printf("%4s %-20s %-24s %-12s %8s %8s %9s %9s\n", "id", "started", "name", "status",
           "teacher", "student", "flash", "sram");
    for (int i = 0; i < n; i++) {
        const lb_run_row *const r = &rows[i];
        printf("%4lld %-20s %-24s %-12s", (long long)r->id, r->started, r->name,
               r->status);
        print_share(r->teacher_accuracy);
        print_share(r->student_accuracy);
        printf(" %9s %9s\n", lb_results_short(r->flash_bytes, a),
               lb_results_short(r->sram_bytes, b));
    }
}

static lb_code print_json(const lb_run_row *rows, int n, lb_arena *arena, lb_error *err)
{
    lb_json json;

    lb_json_init(&json, arena);
    lb_json_open(&json, NULL, '{');
    lb_json_open(&json, "runs", '[');
    for (int i = 0; i < n; i++) {
        const lb_run_row *const r = &rows[i];
        lb_json_open(&json, NULL, '{');
        lb_json_int(&json, "id", r->id);
        lb_json_text(&json, "name", r->name);
        lb_json_text(&json, "folder", r->folder);
        lb_json_text(&json, "started", r->started);
        lb_json_text(&json, "status", r->status);
        lb_json_number(&json, "teacher_accuracy", r->teacher_accuracy);
        lb_json_number(&json, "student_accuracy", r->student_accuracy);
        lb_json_number(&json, "agreement", r->agreement);
        lb_json_number(&json, "parameters", r->parameters);
        lb_json_number(&json, "macs", r->macs);
        lb_json_number(&json, "flash_bytes", r->flash_bytes);
        lb_json_number(&json, "sram_bytes", r->sram_bytes);
        lb_json_number(&json, "latency_ms", r->latency_ms);
        lb_json_number(&json, "energy_uj", r->energy_uj);
        lb_json_number(&json, "seconds", r->seconds);
        lb_json_close(&json, '}');
    }
    lb_json_close(&json, ']');
    lb_json_close(&json, '}');
    return lb_results_json(&json, err);
}

static lb_code run(const lb_args *args, lb_arena *arena, lb_error *err)
{
    const char *const path = args->n_words ? args->word[0] : "runs/runs.db";
    lb_run_row *rows = NULL;
    lb_store *store;
    int n = 0;

    /* opening a store makes it; looking must not */
    if (lb_file_exists(path)) {
        LB_TRY(lb_store_open(path, &store, err));
        const lb_code code = lb_store_list(store, arena, &rows, &n, err);
        lb_store_close(store);
        if (code != LB_OK)
            return code;
    } else if (args->n_words) {
        return lb_raise(err, LB_ERR_INPUT, "there is no '%.300s'", path);
    }
    if (args->json)
        return print_json(rows, n, arena, err);
    if (n == 0)
        printf("no runs yet in %s\n", path);
    else
        print_text(rows, n);
    return LB_OK;
}

const lb_cmd lb_cmd_runs = {
    .name = "runs",
    .usage = "[STORE]",
    .help = "the runs that were made",
    .detail =
        "Lists the run store, usually runs/runs.db. Accuracies are in percent, sizes "
        "in bytes.",
    .example = "limbeck runs --json",
    .options = options,
    .min_words = 0,
    .max_words = 1,
    .run = run,
};
