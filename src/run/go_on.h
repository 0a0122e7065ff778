/* go_on.h: the command line that goes on with what was interrupted. */
#ifndef LB_RUN_GO_ON_H
#define LB_RUN_GO_ON_H

#include "base/text.h"
#include "run/run.h"

/* Adds " --NAME 'VALUE'" for each value, quoted for a shell. */
void lb_go_on_add(lb_text *line, const char *name, const char *const *values, int n);

/* Adds the options of every command that decide results: --kernels and --conv. */
void lb_go_on_add_common(lb_text *line, const lb_run_options *options);

#endif
