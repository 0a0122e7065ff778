/* options.h: from argv to lb_args, in the GNU manner. */
#ifndef LB_CLI_OPTIONS_H
#define LB_CLI_OPTIONS_H

#include "cli/command.h"

/* What every command takes; ends with a row without a name. */
extern const lb_option lb_common_options[];

typedef struct lb_request {
    lb_args args; /* args.cmd is NULL if no command was named */
    bool help, version, man;
} lb_request;

/* Options may stand before or behind the words they go with; `--` ends them. Mistakes
 * name the option and what was likely meant. */
lb_code lb_options_parse(int argc, char *const *argv, lb_arena *arena, lb_request *out,
                         lb_error *err) LB_MUST_USE;

#endif
