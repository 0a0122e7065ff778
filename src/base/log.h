/* log.h: a hook for what is worth telling but is no error. Silent unless a program
 * installs a hook; the library itself never prints. The hook is part of the context a
 * caller passes, so there is no global state. */
#ifndef LB_BASE_LOG_H
#define LB_BASE_LOG_H

#include "base/error.h"

typedef enum lb_log_level { LB_LOG_INFO, LB_LOG_WARN } lb_log_level;

typedef struct lb_log {
    void (*hook)(void *arg, lb_log_level level, const char *text); /* NULL: silent */
    void *arg;
} lb_log;

/* log may be NULL. */
void lb_log_tell(const lb_log *log, lb_log_level level, const char *format, ...)
    LB_PRINTF(3, 4);

#endif
