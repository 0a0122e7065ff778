/* prove_int.h: what the files of prove/ share. */
#ifndef LB_PROVE_PROVE_INT_H
#define LB_PROVE_PROVE_INT_H

#include "base/file.h"
#include "prove/prove.h"

/* Runs argv[0] (looked up in PATH) in `folder`, without a shell. Its output, both
 * streams, up to `most` - 1 bytes and a zero, goes to `output`. *status: its exit status,
 * or 128 plus the signal that ended it; 127 if it could not be started. Killed after
 * `seconds`: LB_ERR_FAILED. */
typedef struct lb_command {
    char *const *argv;
    const char *folder; /* NULL: here */
    int seconds;
    char *output;
    size_t most;
    int status; /* out */
} lb_command;
lb_code lb_command_run(lb_command *command, lb_error *err) LB_MUST_USE;

/* Adds up the sections of an ELF object that end up on the device: what is loaded but
 * never written, and what is written. False if the bytes are no such object. */
typedef struct lb_sections {
    uint64_t fixed, initialised, zeroed;
} lb_sections;
bool lb_elf_sections(const uint8_t *data, size_t size, lb_sections *out);

#endif
