/* commands.c: the table of commands. */
#include "cli/command.h"

#include <stddef.h>

#define LB_CMD(name) extern const lb_cmd lb_cmd_##name;
#include "cli/commands.def"
#undef LB_CMD

const lb_cmd *const lb_cmds[] = {
#define LB_CMD(name) &lb_cmd_##name,
#include "cli/commands.def"
#undef LB_CMD
    NULL,
};
