/* json.c: writes JSON. Text is UTF-8; bytes that are not become U+FFFD, and '<' is
 * written as an escape so that the result may stand inside a page's script. */
#include "base/json.h"
#include "base/number.h"

#include <math.h>
#include <string.h>

void lb_json_init(lb_json *json, lb_arena *arena)
{
    *json = (lb_json){0};
    lb_text_init(&json->text, arena);
}

/* Bytes of the well-formed UTF-8 character at s, or 0 (RFC 3629: no overlong forms, no
 * surrogates, nothing above U+10FFFF). */
static size_t utf8_length(const unsigned char *s)
{
    const size_t n = s[0] < 0x80   ? 1
                     : s[0] < 0xC2 ? 0
                     : s[0] < 0xE0 ? 2
                     : s[0] < 0xF0 ? 3
                     : s[0] < 0xF5 ? 4
                                   : 0;

    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) ||
        (s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))
        return 0;
    return n;
}

static void add_quoted(lb_text *text, const char *value)
{
    const unsigned char *s = (const unsigned char *)value;

    lb_text_add_char(text, '"');
    while (*s) {
        const size_t n = utf8_length(s);
        if (n == 0)
            lb_text_add(text, "\\ufffd");
        else if (*s == '"' || *s == '\\')
            lb_text_add(text, "\\%c", *s);
        else if (*s == '\n')
            lb_text_add(text, "\\n");
        else if (*s < 0x20 || *s == '<' || *s == 0x7F)
            lb_text_add(text, "\\u%04x", *s);
        else
            lb_text_add_chars(text, (const char *)s, n);
        s += n ? n : 1;
    }
    lb_text_add_char(text, '"');
}

/* What stands before a value: the comma and the key. */
static void begin(lb_json *json, const char *key)
{
    if (json->comma[json->depth])
        lb_text_add(&json->text, ", ");
    json->comma[json->depth] = true;
    if (!key)
        return;
    add_quoted(&json->text, key);
    lb_text_add(&json->text, ": ");
}

void lb_json_open(lb_json *json, const char *key, char bracket)
{
    begin(json, key);
    lb_text_add_char(&json->text, bracket);
    if (json->depth + 1 >= (int)(sizeof json->comma / sizeof json->comma[0])) {
        json->text.failed = true;
        return;
    }
    json->comma[++json->depth] = false;
}

void lb_json_close(lb_json *json, char bracket)
{
    if (json->depth == 0) {
        json->text.failed = true;
        return;
    }
    json->depth--;
    lb_text_add_char(&json->text, bracket);
}

void lb_json_text(lb_json *json, const char *key, const char *value)
{
    if (!value) {
        lb_json_null(json, key);
        return;
    }
    begin(json, key);
    add_quoted(&json->text, value);
}

void lb_json_number(lb_json *json, const char *key, double value)
{
    char number[LB_NUMBER_TEXT];

    begin(json, key);
    lb_text_add(&json->text, "%s",
                isfinite(value) ? lb_number_text(value, number) : "null");
}

void lb_json_int(lb_json *json, const char *key, int64_t value)
{
    begin(json, key);
    lb_text_add(&json->text, "%lld", (long long)value);
}

void lb_json_bool(lb_json *json, const char *key, bool value)
{
    begin(json, key);
    lb_text_add(&json->text, "%s", value ? "true" : "false");
}

void lb_json_null(lb_json *json, const char *key)
{
    begin(json, key);
    lb_text_add(&json->text, "null");
}

void lb_json_ints(lb_json *json, const char *key, const int *values, int n)
{
    lb_json_open(json, key, '[');
    for (int i = 0; i < n; i++)
        lb_json_int(json, NULL, values[i]);
    lb_json_close(json, ']');
}

void lb_json_range(lb_json *json, const char *key, double low, double mid, double high)
{
    lb_json_open(json, key, '{');
    lb_json_number(json, "low", low);
    lb_json_number(json, "mid", mid);
    lb_json_number(json, "high", high);
    lb_json_close(json, '}');
}
