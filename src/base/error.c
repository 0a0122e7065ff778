/* error.c: filling and extending an lb_error. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

lb_code lb_raise_at(lb_error *err, lb_code code, const char *file, int line,
                    const char *format, ...)
{
    va_list args;

    err->code = code;
    err->src_file = file;
    err->src_line = line;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return code;
}

lb_code lb_within(lb_error *err, const char *format, ...)
{
    char inner[sizeof err->text];
    va_list args;

    memcpy(inner, err->text, sizeof inner);
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    const size_t used = strlen(err->text);
    snprintf(err->text + used, sizeof err->text - used, ": %s", inner);
    return err->code;
}
