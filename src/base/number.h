/* number.h: numbers as text, read strictly and written as briefly as is exact. */
#ifndef LB_BASE_NUMBER_H
#define LB_BASE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The decimal number that takes up all n characters: [+-]digits[.digits][e[+-]digits].
 * False for anything else: spaces, hex, "nan", "inf", or a number beyond a double. */
bool lb_number_parse(const char *chars, size_t n, double *out);

/* [+-]digits, all n characters, within int64. */
bool lb_number_parse_int(const char *chars, size_t n, int64_t *out);

/* How many characters at the start form a number (the rest may be a unit). */
size_t lb_number_span(const char *chars, size_t n);

/* The shortest text that reads back as the same double. */
enum { LB_NUMBER_TEXT = 32 };
const char *lb_number_text(double value, char out[LB_NUMBER_TEXT]);

#endif
