/* many.c: what commands of many runs share. */
#include "run/many.h"

#include "base/file.h"
#include "run/run_int.h"

#include <stdio.h>
#include <string.h>

lb_code lb_many_run(const lb_run_options *options, lb_arena *arena, lb_run_figures *out,
                    const char **json, lb_error *err)
{
    lb_arena *const own = lb_arena_new(0);
    lb_run_result result;

    const char *const key = own ? lb_path_join(own, options->out, "run.key") : NULL;
    if (!key) {
        lb_arena_free(own);
        return lb_raise(err, LB_ERR_MEMORY, "no memory for a run");
    }
    lb_run_options wanted = *options;
    wanted.resume = lb_file_exists(key); /* else there is nothing to go on with */
    lb_code code = lb_run_distill(&wanted, own, &result, err);
    if (code == LB_OK)
        code = lb_run_figures_read(result.json, own, out, err);
    if (code == LB_OK && json && !(*json = lb_arena_copy_text(arena, result.json)))
        code = lb_raise(err, LB_ERR_MEMORY, "no memory for a run's result");
    lb_arena_free(own);
    return code;
}

const char **lb_many_sets(lb_arena *arena, const char *const *a, int n_a,
                          const char *const *b, int n_b)
{
    const char **const out = LB_TAKE_ARRAY(arena, n_a + n_b + 1, const char *);

    for (int i = 0; out && i < n_a; i++)
        out[i] = a[i];
    for (int i = 0; out && i < n_b; i++)
        out[n_a + i] = b[i];
    return out;
}

void lb_many_tell(const lb_run_options *options, const char *format, ...)
{
    char text[400];
    va_list args;

    if (!options->phase)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    options->phase(options->watch.arg, text);
}

bool lb_many_stopped(const lb_run_options *options)
{
    return options->watch.stop && options->watch.stop(options->watch.arg);
}

static bool holds(lb_arena *arena, const char *path, const char *text)
{
    lb_bytes have;
    lb_error ignored = {0};

    return lb_file_exists(path) &&
           lb_read_file(arena, path, (size_t)1 << 26, &have, &ignored) == LB_OK &&
           have.size == strlen(text) && memcmp(have.data, text, have.size) == 0;
}

lb_code lb_many_leave(const lb_run_options *options, const lb_run_row *row,
                      const char *record, lb_arena *arena, lb_error *err)
{
    const char *const record_path = lb_path_join(arena, row->folder, "record.json");
    const char *const page = lb_path_join(arena, row->folder, "report.html");
    const char *const result = lb_path_join(arena, row->folder, "result.json");

    if (!record_path || !page || !result)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the results");
    const bool known = holds(arena, result, row->result);
    LB_TRY(lb_make_folder(row->folder, err));
    LB_TRY(lb_write_file(record_path, record, strlen(record), err));
    LB_TRY(lb_report_page(record, strlen(record), page, err));
    LB_TRY(lb_write_file(result, row->result, strlen(row->result), err));
    if (!known)
        lb_run_store_row(row, &options->log);
    return LB_OK;
}
