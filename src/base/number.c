/* number.c: numbers as text.
 *
 * limbeck never calls setlocale, so strtod and printf speak the C locale; in a program
 * that does, a decimal comma makes numbers with a point be refused, never misread. */
#include "base/number.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t digits(const char *chars, size_t n, size_t from)
{
    size_t i = from;

    while (i < n && is_digit(chars[i]))
        i++;
    return i - from;
}

size_t lb_number_span(const char *chars, size_t n)
{
    size_t i = n && (chars[0] == '+' || chars[0] == '-') ? 1 : 0;
    size_t mantissa = digits(chars, n, i);

    i += mantissa;
    if (i < n && chars[i] == '.') {
        const size_t fraction = digits(chars, n, i + 1);
        mantissa += fraction;
        i += 1 + fraction;
    }
    if (mantissa == 0)
        return 0;
    if (i < n && (chars[i] == 'e' || chars[i] == 'E')) {
        const size_t sign = i + 1 < n && (chars[i + 1] == '+' || chars[i + 1] == '-');
        const size_t power = digits(chars, n, i + 1 + sign);
        if (power)
            i += 1 + sign + power;
    }
    return i;
}

bool lb_number_parse(const char *chars, size_t n, double *out)
{
    char text[128];
    char *end;

    if (n == 0 || n >= sizeof text || lb_number_span(chars, n) != n)
        return false;
    memcpy(text, chars, n);
    text[n] = '\0';
    const double value = strtod(text, &end);
    if (end != text + n || !isfinite(value))
        return false;
    *out = value;
    return true;
}

bool lb_number_parse_int(const char *chars, size_t n, int64_t *out)
{
    const size_t sign = n && (chars[0] == '+' || chars[0] == '-');
    char text[32];
    char *end;

    if (n == sign || n >= sizeof text || digits(chars, n, sign) != n - sign)
        return false;
    memcpy(text, chars, n);
    text[n] = '\0';
    errno = 0;
    const long long value = strtoll(text, &end, 10);
    if (errno || end != text + n)
        return false;
    *out = value;
    return true;
}

const char *lb_number_text(double value, char out[LB_NUMBER_TEXT])
{
    for (int digits10 = 1; digits10 <= 17; digits10++) {
        snprintf(out, LB_NUMBER_TEXT, "%.*g", digits10, value);
        if (strtod(out, NULL) == value)
            break;
    }
    /* whole numbers of everyday size read better than 1e+02 */
    if (value == floor(value) && fabs(value) < 1e15)
        snprintf(out, LB_NUMBER_TEXT, "%.0f", value);
    return out;
}
