/* many.h: what commands of many runs share: one run of them, and the files that
 * tell of all of them. */
#ifndef LB_RUN_MANY_H
#define LB_RUN_MANY_H

#include "base/json.h"
#include "report/report.h"
#include "run/run.h"

/* One run, in an arena of its own that is given back, going on with what lies in its
 * folder; what it found out is in *out, and its JSON lives in the arena. json may be
 * NULL.
 */
lb_code lb_many_run(const lb_run_options *options, lb_arena *arena, lb_run_figures *out,
                    const char **json, lb_error *err) LB_MUST_USE;

/* Two lists of --set behind one another; NULL without memory. */
const char **lb_many_sets(lb_arena *arena, const char *const *a, int n_a,
                          const char *const *b, int n_b);

/* Tells what goes on, through the hook of phases. */
void lb_many_tell(const lb_run_options *options, const char *format, ...) LB_PRINTF(2, 3);

/* True once the user has asked to stop. */
bool lb_many_stopped(const lb_run_options *options);

/* Writes record.json, report.html and result.json into the row's folder, and the row
 * into the run store; none if the same result was there. row->result is the JSON of
 * result.json. */
lb_code lb_many_leave(const lb_run_options *options, const lb_run_row *row,
                      const char *record, lb_arena *arena, lb_error *err) LB_MUST_USE;

#endif
