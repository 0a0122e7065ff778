/* log.c: hands finished text to the hook. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

void lb_log_tell(const lb_log *log, lb_log_level level, const char *format, ...)
{
    char text[1000];
    va_list args;

    if (!log || !log->hook)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    log->hook(log->arg, level, text);
}
