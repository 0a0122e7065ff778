/* emit_int.h: what the files of emit/ share. */
#ifndef LB_EMIT_EMIT_INT_H
#define LB_EMIT_EMIT_INT_H

#include "base/text.h"
#include "emit/emit.h"
#include "emit/fw_text.h"

typedef struct lb_emission {
    const lb_low *low;
    const lb_emit_options *options;
    const char *name;  /* prefix of functions and files */
    const char *upper; /* prefix of macros */
    const char *folder;
    lb_arena *arena;
    lb_emitted *out;
    int capacity;
} lb_emission;

/* Writes one file and lists it. */
lb_code lb_emit_file(lb_emission *e, const char *file, const lb_text *text,
                     lb_error *err) LB_MUST_USE;

/* n floats as C, exactly: hexadecimal, each with its f, lines of eight. */
void lb_emit_floats(lb_text *t, const float *value, size_t n);

/* Text from outside, safe within a C comment or a Makefile's. */
const char *lb_emit_safe(lb_emission *e, const char *text);

/* vectors.h, selftest.c, Makefile, README.txt. */
lb_code lb_emit_test(lb_emission *e, lb_error *err) LB_MUST_USE;

/* "fw_conv.c" of each kernel file in use, n of them. */
int lb_emit_kernels(const lb_low *low, const lb_fw *used[]);
enum { LB_FW_MOST = 32 };

#endif
