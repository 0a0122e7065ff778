/* prove.h: compiles emitted firmware and runs its self-test. */
#ifndef LB_PROVE_PROVE_H
#define LB_PROVE_PROVE_H

#include "base/arena.h"

typedef struct lb_proof {
    int outputs_checked, mismatches;
    double worst_error; /* of the output's scale */
    size_t flash_bytes; /* as compiled: code and constants of the network, without the
                           test */
    size_t sram_bytes;  /* as compiled: static data, plus the stack as measured */
    size_t stack_bytes;
    size_t arena_bytes;
    const char *compiler; /* its first version line */
} lb_proof;

/* folder: as lb_emit wrote it. Uses the host's compiler (CC or cc), with -std=c99 and
 * -Werror; LB_ERR_UNSUPPORTED if there is none. */
lb_code lb_prove_host(const char *folder, const char *name, lb_arena *arena,
                      lb_proof *out, lb_error *err) LB_MUST_USE;

#endif
