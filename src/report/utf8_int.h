/* utf8_int.h: is it UTF-8? */
#ifndef LB_REPORT_UTF8_INT_H
#define LB_REPORT_UTF8_INT_H

#include <stdbool.h>
#include <stddef.h>

/* True if the text is well-formed UTF-8 (RFC 3629) without zero bytes; otherwise the
 * place of the first bad byte in *bad. */
bool lb_utf8_check(const char *text, size_t size, size_t *bad);

#endif
