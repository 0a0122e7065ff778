/* help.h: the help screens and the man page, made from the rows of the commands. */
#ifndef LB_CLI_HELP_H
#define LB_CLI_HELP_H

#include "cli/command.h"

/* One screen: cmd, or the whole program if it is NULL. */
void lb_help_print(const lb_cmd *cmd);

/* limbeck(1), for `man -l`. */
void lb_help_man(void);

#endif
