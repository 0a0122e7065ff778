/* findings.h: all mistakes of one file, each with its place, reported together. */
#ifndef LB_BASE_FINDINGS_H
#define LB_BASE_FINDINGS_H

#include "base/arena.h"

typedef struct lb_finding {
    int line, column; /* from 1; 0 if not known; a line of -1: text names its place */
    const char *text; /* lower case, no full stop */
} lb_finding;

typedef struct lb_findings {
    lb_arena *arena; /* borrowed */
    lb_finding *item;
    int n, capacity;
    bool failed;    /* a finding was lost for want of memory */
    bool malformed; /* a mistake of the file is among them, not only what limbeck lacks */
} lb_findings;

void lb_findings_init(lb_findings *findings, lb_arena *arena);
void lb_findings_add(lb_findings *findings, int line, int column, const char *format, ...)
    LB_PRINTF(4, 5);

/* A finding without a line, about a file that nobody vouches for; malformed: the file is
 * at fault, not limbeck. Control characters, which names of the file may hold for the
 * terminal, become '?'; cut at 599 bytes. */
void lb_findings_tell(lb_findings *findings, bool malformed, const char *format,
                      va_list args) LB_PRINTF(3, 0);

/* LB_OK if there is none; else LB_ERR code with one text of a line each, in order of
 * place: "FILE:LINE:COLUMN: text", closed by `closing`. A long list is cut and counted.
 */
lb_code lb_findings_raise(const lb_findings *findings, lb_code code, const char *file,
                          const char *closing, lb_error *err) LB_MUST_USE;

/* The same for a network's file, of which nothing was loaded: LB_ERR_INPUT where a
 * finding is malformed, else LB_ERR_UNSUPPORTED. */
lb_code lb_findings_refuse(const lb_findings *findings, const char *file,
                           lb_error *err) LB_MUST_USE;

#endif
