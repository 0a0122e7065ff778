/* report.h: the run store and the report page. Both work from the run's record, which is
 * the JSON of result.json with more in it; no other room's types are needed. */
#ifndef LB_REPORT_REPORT_H
#define LB_REPORT_REPORT_H

#include "base/arena.h"

/* One run as the store keeps it. Figures that a run does not have are NaN. */
typedef struct lb_run_row {
    int64_t id;
    const char *name, *folder, *started; /* ISO 8601, UTC */
    const char *status;                  /* "done", "stopped", "failed", "does not fit" */
    double teacher_accuracy, student_accuracy, agreement;
    double parameters, macs, flash_bytes, sram_bytes, latency_ms, energy_uj, seconds;
    const char *result; /* the whole result.json */
} lb_run_row;

typedef struct lb_store lb_store;
/* Makes the file if it is missing. A file that is no store is refused, not touched. */
lb_code lb_store_open(const char *path, lb_store **out, lb_error *err) LB_MUST_USE;
void lb_store_close(lb_store *store);
lb_code lb_store_add(lb_store *store, const lb_run_row *row, int64_t *id,
                     lb_error *err) LB_MUST_USE;
/* Replaces the result of the newest run in that folder; fine if there is none. */
lb_code lb_store_set_result(lb_store *store, const char *folder, const char *result,
                            lb_error *err) LB_MUST_USE;
lb_code lb_store_list(lb_store *store, lb_arena *arena, lb_run_row **rows, int *n,
                      lb_error *err) LB_MUST_USE;

/* Writes one self-contained HTML page from a run's record (record.json in the run's
 * folder; docs/record.md says what is in it). */
lb_code lb_report_page(const char *record_json, size_t size, const char *path,
                       lb_error *err) LB_MUST_USE;

#endif
