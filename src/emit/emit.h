/* emit.h: prints a lowered network as self-contained C99.
 *
 * Weights are static const, activations live in one static arena laid out as lower.h
 * planned it; no malloc, no stdio outside the self-test. Kernels are real files
 * (src/emit/kernels/fw_NAME.c), compiled and tested here and copied out verbatim. */
#ifndef LB_EMIT_EMIT_H
#define LB_EMIT_EMIT_H

#include "lower/low.h"

typedef struct lb_emit_options {
    const char *name;     /* C identifier that prefixes everything; NULL: "net" */
    int n_vectors;        /* self-test vectors */
    const float *vectors; /* [n_vectors, C,H,W], as the network wants its input */
    const char
        *pixel_note; /* how to prepare an input, one line, for the header; or NULL */
} lb_emit_options;

typedef struct lb_emitted {
    const char **file; /* names within the folder */
    int n_files;
} lb_emitted;

/* Writes NAME.h, NAME.c, NAME_weights.h, selftest.c, vectors.h, a Makefile and README.txt
 * into folder. */
lb_code lb_emit(const lb_low *low, const lb_emit_options *options, const char *folder,
                lb_arena *arena, lb_emitted *out, lb_error *err) LB_MUST_USE;

#endif
