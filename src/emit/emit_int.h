/* emit_int.h: what the files of emit/ share. */
#ifndef LB_EMIT_EMIT_INT_H
#define LB_EMIT_EMIT_INT_H

#include "base/text.h"
#include "emit/emit.h"
#include "emit/fw_text.h"

typedef struct lb_emit_form lb_emit_form;

typedef struct lb_emission {
    const lb_low *low;
    const lb_emit_form *form;
    const lb_emit_options *options;
    const char *name;  /* prefix of functions and files */
    const char *upper; /* prefix of macros */
    const char *folder;
    const char *sources; /* where the sources lie in it: "" or "src/" */
    const char *tests;   /* where the self-test lies */
    lb_arena *arena;
    lb_emitted *out;
    int capacity;
    lb_text binary; /* NAME_weights.bin under way */
} lb_emission;

/* How networks of one element type are printed. */
struct lb_emit_form {
    const char *type;     /* of elements, in C */
    const char *preamble; /* of NAME.c: includes, the arena; a template */
    /* What NAME.c has behind that; or NULL. */
    void (*room)(lb_emission *e, lb_text *t);
    const char *includes; /* of NAME.h */
    /* What NAME.h says besides; or NULL. */
    void (*describe)(lb_emission *e, lb_text *t);
    /* "arena + ...": where a buffer begins. */
    const char *(*at)(lb_emission *e, int buffer, char text[48]);
    /* Constants of step i, for NAME_weights.h; false: out of memory. */
    bool (*constants)(lb_emission *e, lb_text *t, int i);
    /* The lines of the function that runs step i. */
    void (*step)(lb_emission *e, lb_text *t, int i);
    lb_code (*vectors)(lb_emission *e, lb_error *err); /* vectors.h */
};
extern const lb_emit_form lb_emit_fp32, lb_emit_int8;

/* What shows NAME_trace the output of every step, for preambles. */
#define LB_EMIT_TRACE \
    "#ifdef %2_TRACE\n" \
    "#define TRACE(step, y, n) %1_trace(step, y, n)\n" \
    "#else\n" \
    "#define TRACE(step, y, n) ((void)0)\n" \
    "#endif\n\n"

/* Writes one file, at a path within the folder, and lists it. */
lb_code lb_emit_file(lb_emission *e, const char *file, const lb_text *text,
                     lb_error *err) LB_MUST_USE;
/* A file's path among the sources, beside the self-test; NULL without memory. */
const char *lb_emit_source_path(lb_emission *e, const char *file);
const char *lb_emit_test_path(lb_emission *e, const char *file);

/* n floats as C, exactly: hexadecimal, each with its f, lines of eight. */
void lb_emit_floats(lb_text *t, const float *value, size_t n);
/* n whole numbers as C, full lines. */
void lb_emit_bytes(lb_text *t, const int8_t *value, size_t n);
void lb_emit_ints(lb_text *t, const int32_t *value, size_t n);

/* "static const int8_t weight3[n] = {...};" of "weight" and 3, or as
 * firmware.weights says. Between them lb_emit_arrays_begin and _end write what all need.
 */
void lb_emit_arrays_begin(lb_emission *e, lb_text *t);
void lb_emit_array_bytes(lb_emission *e, lb_text *t, const char *name, int i,
                         const int8_t *value, size_t n);
void lb_emit_array_ints(lb_emission *e, lb_text *t, const char *name, int i,
                        const int32_t *value, size_t n);
void lb_emit_array_floats(lb_emission *e, lb_text *t, const char *name, int i,
                          const float *value, size_t n);
lb_code lb_emit_arrays_end(lb_emission *e, lb_error *err) LB_MUST_USE;

/* What names of input k end with: "", or its number if there are several; and a list with
 * commas of `before`, that, and `after`, of all. */
const char *lb_emit_input_number(lb_emission *e, int k);
const char *lb_emit_input_list(lb_emission *e, const char *before, const char *after);

/* emit_packed.c: packed<i>[], of the n weights of step i in the order of whole bytes, of
 * which each block begins anew; false: out of memory. */
bool lb_emit_packed(lb_emission *e, lb_text *t, int i, const int8_t *weight, size_t n,
                    size_t block);

/* A text with %1 for the name and %2 for the macros' prefix. */
void lb_emit_template(lb_emission *e, lb_text *t, const char *text);

/* Text from outside, safe within a C comment, a string or a Makefile. */
const char *lb_emit_safe(lb_emission *e, const char *text);

/* vectors.h of fp32 and of int8. */
lb_code lb_emit_vectors_fp32(lb_emission *e, lb_error *err) LB_MUST_USE;
lb_code lb_emit_vectors_int8(lb_emission *e, lb_error *err) LB_MUST_USE;

/* LB_ERR_INPUT for options that do not go together. */
lb_code lb_emit_check_options(const lb_emission *e, lb_error *err) LB_MUST_USE;
/* Where a package has its sources and its self-test. */
void lb_emit_choose_folders(lb_emission *e);
/* The self-test, README.txt and what the package has besides: packages.def. */
lb_code lb_emit_package(lb_emission *e, lb_error *err) LB_MUST_USE;

/* Their texts, embedded when limbeck is built. */
#define LB_PACKAGE_FILE(path, text, needs) extern const char lb_package_text_##text[];
#include "emit/packages.def"
#undef LB_PACKAGE_FILE

/* "fw_conv.c" of each kernel file in use, n of them. */
int lb_emit_kernels(const lb_low *low, lb_fw_file used[]);
enum { LB_FW_MOST = 32 };

#endif
