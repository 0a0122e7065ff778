/* utf8.c: checks that text is UTF-8, by the table of RFC 3629, section 4. */
#include "report/utf8_int.h"

#include <stdint.h>

/* Length of the character at p, or 0 if it is malformed. */
static size_t one(const uint8_t *p, size_t left)
{
    uint8_t low = 0x80, high = 0xbf;
    size_t n;

    if (p[0] == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (left < n)
        return 0;
    /* no overlong forms, no surrogates, nothing above U+10FFFF */
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

bool lb_utf8_check(const char *text, size_t size, size_t *bad)
{
    const uint8_t *const p = (const uint8_t *)text;

    for (size_t i = 0; i < size;) {
        const size_t n = one(p + i, size - i);
        if (n == 0) {
            *bad = i;
            return false;
        }
        i += n;
    }
    return true;
}
