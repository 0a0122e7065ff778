/* command.h: a command is one file cmd_NAME.c that ends in one const struct, and a line
 * in commands.def. Help, man page and completion are made from these rows. */
#ifndef LB_CLI_COMMAND_H
#define LB_CLI_COMMAND_H

#include "base/key.h"
#include "engine/plan.h"

typedef struct lb_option {
    const char *name;  /* "set": --set; NULL ends the list */
    const char *value; /* "KEY=VALUE"; NULL: a switch */
    const char *help;
    char letter; /* 'o': -o; 0: none */
    bool many;   /* may be repeated */
} lb_option;

/* What was given on the command line, checked against the rows. */
typedef struct lb_args {
    const struct lb_cmd *cmd;
    const char *const *word; /* positional */
    int n_words;
    const char *const *given_name; /* option names in order, with values beside */
    const char *const *given_value;
    int n_given;
    /* options of every command */
    bool json, quiet, debug;
    int threads;
    lb_kernels kernels;
    bool conv_direct;
} lb_args;

typedef struct lb_cmd {
    const char *name;
    const char *usage;  /* "RECIPE [--set KEY=VALUE]..." */
    const char *help;   /* one line */
    const char *detail; /* paragraphs */
    const char *example;
    const lb_option *options;
    int min_words, max_words;
    lb_code (*run)(const lb_args *args, lb_arena *arena, lb_error *err);
} lb_cmd;

extern const lb_cmd *const lb_cmds[]; /* ends with NULL */

/* The value of an option, or NULL; lb_args_many copies up to `most`. */
const char *lb_arg(const lb_args *args, const char *name);
bool lb_arg_switch(const lb_args *args, const char *name);
int lb_args_many(const lb_args *args, const char *name, const char **out, int most);
/* Sets *to by the option that key->name names with its dashes, as in "--seeds", if it was
 * given. */
lb_code lb_arg_by_key(const lb_args *args, const lb_key *key, void *to,
                      lb_error *err) LB_MUST_USE;

#endif
