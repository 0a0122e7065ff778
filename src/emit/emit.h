/* emit.h: prints a lowered network as self-contained C99.
 *
 * Weights are static const, activations live in one static arena laid out as lower.h
 * planned it; no malloc, no stdio outside the self-test. Kernels are real files
 * (src/emit/kernels/fw_NAME.c), compiled and tested here and copied out verbatim. */
#ifndef LB_EMIT_EMIT_H
#define LB_EMIT_EMIT_H

#include "base/key.h"
#include "lower/low.h"

/* What the sources are packed for; see packages.def. */
typedef enum lb_package {
    LB_PACKAGE_PLAIN, /* a folder with a Makefile for the self-test */
    LB_PACKAGE_CMAKE,
    LB_PACKAGE_ARDUINO,
    LB_PACKAGE_ZEPHYR,
    LB_PACKAGE_PLATFORMIO
} lb_package;

/* How constants are written. */
typedef enum lb_weights_form {
    LB_WEIGHTS_C,      /* numbers */
    LB_WEIGHTS_STRING, /* int8 as strings: compilers read them faster */
    LB_WEIGHTS_INCBIN  /* NAME_weights.bin, which GNU's assembler takes in */
} lb_weights_form;

/* How the firmware is written. */
typedef struct lb_firmware_options {
    int package; /* lb_package */
    int weights; /* lb_weights_form */
} lb_firmware_options;
extern const lb_key lb_firmware_keys[];

/* Whether all are as they are where nothing is said. */
bool lb_firmware_is_usual(const lb_firmware_options *options);

typedef struct lb_emit_options {
    const char *name; /* C identifier that prefixes everything; NULL: "net" */
    lb_firmware_options firmware;
    int n_vectors;        /* self-test vectors */
    const float *vectors; /* [n_vectors, C,H,W], as the network wants its input; of
                             several inputs one behind the other in each vector */
    const char
        *pixel_note; /* how to prepare an input, one line, for the header; or NULL */
} lb_emit_options;

typedef struct lb_emitted {
    const char **file; /* paths within the folder */
    int n_files;
} lb_emitted;

/* Writes NAME.h, NAME.c, NAME_weights.h and the kernels; selftest.c, vectors.h and a
 * Makefile; README.txt and what the package has besides. All in `folder`, or (Arduino,
 * PlatformIO) the sources in src/ and the self-test in extras/selftest/. */
lb_code lb_emit(const lb_low *low, const lb_emit_options *options, const char *folder,
                lb_arena *arena, lb_emitted *out, lb_error *err) LB_MUST_USE;

#endif
