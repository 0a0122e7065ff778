/* findings.c: collects mistakes and turns them into one error. */
#include "base/findings.h"

#include <stdio.h>
#include <string.h>

void lb_findings_init(lb_findings *findings, lb_arena *arena)
{
    *findings = (lb_findings){.arena = arena};
}

void lb_findings_add(lb_findings *findings, int line, int column, const char *format, ...)
{
    char text[1000];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char *const copy = lb_arena_copy_text(findings->arena, text);
    if (!copy || !lb_arena_grow(findings->arena, (void **)&findings->item,
                                &findings->capacity, findings->n, sizeof(lb_finding))) {
        findings->failed = true;
        return;
    }
    findings->item[findings->n++] = (lb_finding){line, column, copy};
}

void lb_findings_tell(lb_findings *findings, bool malformed, const char *format,
                      va_list args)
{
    char text[600];

    vsnprintf(text, sizeof text, format, args);
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    findings->malformed = findings->malformed || malformed;
    lb_findings_add(findings, 0, 0, "%s", text);
}

/* By line, then column, then order of finding. */
static bool before(const lb_findings *findings, int a, int b)
{
    const lb_finding *const x = &findings->item[a], *const y = &findings->item[b];

    if (x->line != y->line)
        return x->line < y->line;
    return x->column != y->column ? x->column < y->column : a < b;
}

/* The first finding after `last` (-1: the first of all); -1 at the end. */
static int next(const lb_findings *findings, int last)
{
    int found = -1;

    for (int i = 0; i < findings->n; i++)
        if ((last < 0 || before(findings, last, i)) &&
            (found < 0 || before(findings, i, found)))
            found = i;
    return found;
}

static int print(char *out, size_t size, const char *file, const lb_finding *f)
{
    if (f->line < 0)
        return snprintf(out, size, "%s\n", f->text);
    if (f->line == 0)
        return snprintf(out, size, "%s: %s\n", file, f->text);
    if (f->column == 0)
        return snprintf(out, size, "%s:%d: %s\n", file, f->line, f->text);
    return snprintf(out, size, "%s:%d:%d: %s\n", file, f->line, f->column, f->text);
}

lb_code lb_findings_raise(const lb_findings *findings, lb_code code, const char *file,
                          const char *closing, lb_error *err)
{
    char text[sizeof err->text] = "";
    char more[64] = "";
    size_t used = 0;
    int shown = 0;

    if (findings->failed)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to list the mistakes in '%s'",
                        file);
    if (findings->n == 0)
        return LB_OK;
    /* what must fit behind the list */
    const size_t tail = strlen(closing) + sizeof more;
    const size_t most = tail < sizeof text ? sizeof text - tail : 0;
    for (int i = next(findings, -1); i >= 0; i = next(findings, i)) {
        const int n = print(text + used, sizeof text - used, file, &findings->item[i]);
        if (n < 0 || used + (size_t)n > most) {
            text[used] = '\0';
            break;
        }
        used += (size_t)n;
        shown++;
    }
    if (shown < findings->n)
        snprintf(more, sizeof more, "... and %d more\n", findings->n - shown);
    return lb_raise(err, code, "%s%s%s", text, more, closing);
}

lb_code lb_findings_refuse(const lb_findings *findings, const char *file, lb_error *err)
{
    const char *const closing = lb_arena_text(
        findings->arena, "%d %s in '%s' cannot be taken; nothing was loaded", findings->n,
        findings->n == 1 ? "thing" : "things", file);

    return lb_findings_raise(findings,
                             findings->malformed ? LB_ERR_INPUT : LB_ERR_UNSUPPORTED,
                             file, closing ? closing : "", err);
}
