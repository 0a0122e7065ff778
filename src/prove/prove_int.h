/* prove_int.h: what the files of prove/ share. */
#ifndef LB_PROVE_PROVE_INT_H
#define LB_PROVE_PROVE_INT_H

#include "base/file.h"
#include "prove/board_int.h"
#include "prove/prove.h"

/* Runs argv[0] (looked up in PATH) in `folder`, without a shell. Its output, both
 * streams, up to `most` - 1 bytes and a zero, goes to `output`. *status: its exit status,
 * or 128 plus the signal that ended it; 127 if it could not be started. Killed, with all
 * that it started, after `seconds` (LB_ERR_FAILED) or when *stop becomes 1
 * (LB_ERR_STOPPED), and when limbeck itself dies. */
typedef struct lb_command {
    char *const *argv;
    const char *folder; /* NULL: here */
    int seconds;
    const volatile int *stop; /* or NULL */
    char *output;
    size_t most;
    int status; /* out */
} lb_command;
lb_code lb_command_run(lb_command *command, lb_error *err) LB_MUST_USE;

/* Adds up the sections of an ELF object that end up on the device: what is loaded but
 * never written (and, of it, code), and what is written. False if the bytes are no such
 * object. */
typedef struct lb_sections {
    uint64_t fixed, code, initialised, zeroed;
} lb_sections;
bool lb_elf_sections(const uint8_t *data, size_t size, lb_sections *out);

/* A function of a linked program, at addresses first to end. */
typedef struct lb_function {
    const char *name; /* lives in the arena */
    uint64_t first, end;
} lb_function;

/* The functions of a linked ELF program (32 bits), by address, none overlapping: of
 * several names for one place the first stays. False if the bytes are no such program, or
 * without memory. */
bool lb_elf_functions(const uint8_t *data, size_t size, lb_arena *arena,
                      lb_function **out, int *n);

/* workshop.c: a firmware's sources, and a folder beside for what is made of them. They
 * lie in the firmware's folder or, as packages have them, in its src/ and
 * extras/selftest/. */
enum { LB_WORKSHOP_FILES = 96 };
typedef struct lb_workshop {
    lb_arena *arena;
    const char *folder, *name;
    char *beside;                    /* NULL: not made yet */
    char *source[LB_WORKSHOP_FILES]; /* paths within the folder; no two of one name */
    int n_sources;
    const char *own; /* NAME.c among them */
    const volatile int *stop;
    char *output; /* of the last command */
} lb_workshop;

/* name: NULL finds it in the self-test. LB_ERR_INPUT if the folder holds no firmware. */
lb_code lb_workshop_init(lb_workshop *w, const char *folder, const char *name,
                         lb_arena *arena, lb_error *err) LB_MUST_USE;
/* Makes the folder beside; lb_workshop_close removes it and what it holds. */
lb_code lb_workshop_open(lb_workshop *w, lb_error *err) LB_MUST_USE;
void lb_workshop_close(lb_workshop *w);
/* Runs a command in `where`: the firmware's folder or the one beside. */
lb_code lb_workshop_run(lb_workshop *w, const char *where, char *const *argv, int seconds,
                        int *status, lb_error *err) LB_MUST_USE;
/* "BESIDE/file"; NULL without memory. */
char *lb_workshop_path(const lb_workshop *w, const char *file);
/* Of source i: "BESIDE/fw_conv.o"; NULL without memory. */
char *lb_workshop_object(const lb_workshop *w, int i, const char *ending);
bool lb_workshop_is_test(const lb_workshop *w, int i);
bool lb_workshop_is_kernel(const lb_workshop *w, int i);
/* "FOLDER/src/NAME.h" of ".h", beside NAME.c; NULL without memory. */
char *lb_workshop_own_path(const lb_workshop *w, const char *ending);
/* Raises LB_ERR_FAILED with what the last command said. */
lb_code lb_workshop_failed(const lb_workshop *w, const char *what, lb_error *err);
/* "outputs N mismatches N worst X arena N"; false, and nothing changed, if it is not. */
bool lb_workshop_read(const char *line, lb_proof *out);
/* The same, somewhere in the last command's output. */
bool lb_workshop_results(const lb_workshop *w, lb_proof *out);

/* A command line under way. */
typedef struct lb_words {
    lb_arena *arena;
    char *word[160]; /* ends with NULL */
    int n;
    bool failed; /* too many, or no memory */
} lb_words;
void lb_words_add(lb_words *w, const char *word);
/* Words divided by blanks; NULL: none. */
void lb_words_add_all(lb_words *w, const char *words);

/* steps.c: a copy of NAME.c in which each step stays a function of its own, and what the
 * comments above the steps say. */
typedef struct lb_step_names {
    const char **name, **kind; /* kind: NULL if the comment does not say */
    int n;
} lb_step_names;
/* text: of NAME.c. In the order of their numbers; a step that has no comment is called
 * after its number. */
lb_code lb_steps_mark(const char *text, size_t size, lb_arena *arena, lb_text *copy,
                      lb_step_names *out, lb_error *err) LB_MUST_USE;

/* counts.c: the table for the plugin (boards/count.c), and what it found. */
typedef struct lb_counting {
    const lb_function *function;
    int n;
    const char *network; /* its function: NAME_run */
    lb_step_names steps;
} lb_counting;
void lb_counts_table(const lb_counting *c, lb_text *out);
/* LB_ERR_FAILED if the text is not what the plugin writes for that table. */
lb_code lb_counts_read(const lb_counting *c, const char *text, lb_arena *arena,
                       lb_proof *out, lb_error *err) LB_MUST_USE;

/* emulate.c */
lb_code lb_prove_emulated(const lb_prove_options *options, const lb_board *board,
                          lb_arena *arena, lb_proof *out, lb_error *err) LB_MUST_USE;

/* serial.c; place: "/dev/ttyACM0", with "@115200" for another speed. */
lb_code lb_prove_serial(const lb_prove_options *options, const char *place,
                        lb_arena *arena, lb_proof *out, lb_error *err) LB_MUST_USE;

#endif
