/* prove.h: compiles emitted firmware and runs its self-test, here or on an emulated
 * board.
 */
#ifndef LB_PROVE_PROVE_H
#define LB_PROVE_PROVE_H

#include "base/json.h"

/* What a step or a function of the firmware executed. */
typedef struct lb_proof_count {
    const char *name; /* of the node that the step comes from; of the function */
    const char *kind; /* "conv": of a step, or NULL */
    uint64_t instructions;
    uint64_t cycles; /* as a board on a serial line says; 0: it does not */
} lb_proof_count;

typedef struct lb_proof {
    const char *on; /* "host", "qemu:cortex-m4", "serial:/dev/ttyACM0" */
    int outputs_checked, mismatches;
    double worst_error; /* of the output's scale */
    size_t flash_bytes; /* as compiled: code and constants of the network, without the
                           test */
    size_t sram_bytes;  /* as compiled: static data, plus the stack as measured */
    size_t stack_bytes; /* host: a bound from the compiler; board: the deepest seen */
    size_t arena_bytes;
    const char *compiler; /* its first version line; NULL: a board that was built before,
                             of which no sizes are known but arena and perhaps stack */
    uint64_t cycles;      /* of one inference, as a board says; 0: not known */

    /* Emulated boards only; on the host 0 and NULL. */
    const char *core;     /* what is emulated, one line */
    const char *emulator; /* its first version line */
    const char *flags;    /* the compiler's */
    /* Sections of the network as linked with what it needs of the C library: code and
     * constants lie in flash, data in both flash and RAM, zeroed in RAM. */
    size_t code_bytes, constant_bytes, data_bytes, zeroed_bytes;
    int inferences; /* that were counted */
    /* Of the inference that took most; `mean` of all. The steps and `driver` (copies in
     * and out, calls) add up to `instructions`; the functions do, too. */
    uint64_t instructions, driver;
    double mean_instructions;
    lb_proof_count *step;     /* in the order in which they run */
    lb_proof_count *function; /* most first */
    int n_steps, n_functions;
} lb_proof;

typedef struct lb_prove_options {
    const char *folder; /* as lb_emit wrote it */
    const char *name;   /* of the network; NULL: as the self-test says */
    const char *flags;  /* more for the boards' compilers, divided by blanks; or NULL */
    int seconds;        /* that the emulator may take; 0: ten minutes */
    const volatile int *stop; /* becomes 1: LB_ERR_STOPPED, soon; or NULL */
} lb_prove_options;

/* LB_ERR_INPUT, naming the nearest, unless `on` is "host", "qemu:" and a board, or
 * "serial:" and a device ("@921600" behind it is the speed; usually 115200). */
lb_code lb_prove_check_target(const char *on, lb_error *err) LB_MUST_USE;

/* Proves firmware on a target. That outputs differ is no failure here: out->mismatches.
 * LB_ERR_FAILED with the name of Debian's package if a board's compiler or emulator is
 * missing. Nothing but the proof stays behind. */
lb_code lb_prove(const lb_prove_options *options, const char *on, lb_arena *arena,
                 lb_proof *out, lb_error *err) LB_MUST_USE;

/* folder: as lb_emit wrote it. Uses the host's compiler (CC or cc), with -std=c99 and
 * -Werror; LB_ERR_UNSUPPORTED if there is none. */
lb_code lb_prove_host(const char *folder, const char *name, lb_arena *arena,
                      lb_proof *out, lb_error *err) LB_MUST_USE;

/* The keys of a proof, in an object that is open. */
void lb_proof_add_json(lb_json *json, const lb_proof *proof);

/* The boards' names, as in "qemu:cortex-m4": the k-th, or NULL behind the last; *core:
 * one line on it, unless core is NULL. */
const char *lb_prove_board(int k, const char **core);

#endif
