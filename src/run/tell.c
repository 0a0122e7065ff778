/* tell.c: writes the result, the record and the page, and a row in the run store. */
#include "run/run_int.h"

#include "base/file.h"
#include "report/report.h"

#include <math.h>
#include <string.h>

static const char *status_of(lb_code code)
{
    switch (code) {
    case LB_OK:
        return "done";
    case LB_ERR_STOPPED:
        return "stopped";
    case LB_ERR_BUDGET:
        return "does not fit";
    case LB_ERR_INPUT:
    case LB_ERR_UNSUPPORTED:
    case LB_ERR_IO:
    case LB_ERR_FAILED:
    case LB_ERR_MEMORY:
    case LB_ERR_BUG:
        break;
    }
    return "failed";
}

static lb_run_row row_of(const lb_run *run, const char *json, lb_code code)
{
    const bool done = code == LB_OK, teacher = run->n_members > 0;
    const bool weighed = run->device && run->low;
    const lb_estimate *const e = &run->estimate;

    return (lb_run_row){
        .name = run->recipe->name,
        .folder = run->folder,
        .started = run->started,
        .status = status_of(code),
        .teacher_accuracy = done && teacher ? run->teacher_test.accuracy : NAN,
        .student_accuracy = done ? run->student_test.accuracy : NAN,
        .agreement = done && teacher ? run->student_test.agreement : NAN,
        .parameters = run->student ? (double)lb_graph_parameters(run->student) : NAN,
        .macs = run->student ? lb_graph_macs(run->student) : NAN,
        .flash_bytes = weighed ? (double)e->flash_bytes : NAN,
        .sram_bytes = weighed ? (double)e->sram_bytes : NAN,
        .latency_ms = weighed ? e->latency_ms.mid : NAN,
        .energy_uj = weighed ? e->energy_uj.mid : NAN,
        .seconds = lb_run_seconds(run),
        .result = json};
}

/* The store is beside the runs. What it cannot take is a warning: the run's own files
 * are what counts. */
void lb_run_store_row(const lb_run_row *row, const lb_log *log)
{
    lb_store *store = NULL;
    lb_error err = {0};
    int64_t id;

    if (lb_make_folder("runs", &err) == LB_OK &&
        lb_store_open("runs/runs.db", &store, &err) == LB_OK &&
        lb_store_add(store, row, &id, &err) == LB_OK) {
        lb_store_close(store);
        return;
    }
    if (store)
        lb_store_close(store);
    lb_log_tell(log, LB_LOG_WARN, "the run is not in the store: %s", err.text);
}

static void add_row(const lb_run *run, const char *json, lb_code code)
{
    const lb_run_row row = row_of(run, json, code);

    lb_run_store_row(&row, &run->options->log);
}

static lb_code write_text(const lb_run *run, const char *name, const char *text,
                          lb_error *err)
{
    const char *const path = lb_run_path(run, name);

    if (!path || !text)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for '%s'", name);
    return lb_write_file(path, text, strlen(text), err);
}

lb_code lb_run_tell(lb_run *run, lb_run_result *out, lb_error *err)
{
    const char *const record = lb_run_record_json(run);
    const char *const page = lb_run_path(run, "report.html");

    lb_run_phase(run, "report");
    LB_TRY(write_text(run, "record.json", record, err));
    if (!page)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the page's path");
    if (run->recipe->exports & LB_EXPORT_REPORT)
        LB_TRY(lb_report_page(record, strlen(record), page, err));
    out->json = lb_run_result_json(run);
    out->summary = lb_run_summary(run);
    if (!out->json || !out->summary)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the result");
    /* last: a folder with a result is a run that has ended */
    LB_TRY(write_text(run, "result.json", out->json, err));
    add_row(run, out->json, LB_OK);
    return LB_OK;
}

void lb_run_tell_end(const lb_run *run, lb_code code)
{
    const bool began = code != LB_ERR_INPUT && code != LB_ERR_UNSUPPORTED;

    if (run->recipe && began)
        add_row(run, NULL, code);
}
