/* results.h: how commands print what they found. */
#ifndef LB_CLI_RESULTS_H
#define LB_CLI_RESULTS_H

#include "base/json.h"
#include "cli/command.h"

/* The one object of --json, closed, with a line end. */
lb_code lb_results_json(const lb_json *json, lb_error *err) LB_MUST_USE;

/* "12.3 k", "4.56 M": for people; out has room for 32. */
const char *lb_results_short(double value, char out[32]);

#endif
