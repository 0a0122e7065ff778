/* key.c: settings from text and back, by the tables of key.h. */
#include "base/key.h"
#include "base/number.h"
#include "base/text.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* A unit and how many of it make one of the base unit, or the other way round: kept as
 * whole numbers so that 50ms is 50 / 1000, the double nearest to 0.05. */
typedef struct unit {
    const char *name;
    double times, over;
} unit;

static const unit bytes[] = {
    {"G", 0x1p30, 1},   {"M", 0x1p20, 1},   {"K", 0x1p10, 1},   {"", 1, 1},
    {"B", 1, 1},        {"KB", 0x1p10, 1},  {"MB", 0x1p20, 1},  {"GB", 0x1p30, 1},
    {"KiB", 0x1p10, 1}, {"MiB", 0x1p20, 1}, {"GiB", 0x1p30, 1}, {NULL, 0, 0},
};
static const unit seconds[] = {
    {"s", 1, 1}, {"ms", 1, 1e3}, {"us", 1, 1e6}, {"ns", 1, 1e9}, {NULL, 0, 0}};
static const unit joules[] = {
    {"J", 1, 1}, {"mJ", 1, 1e3}, {"uJ", 1, 1e6}, {"nJ", 1, 1e9}, {NULL, 0, 0}};

static const unit *units_of(lb_key_type type)
{
    return type == LB_KEY_BYTES ? bytes : type == LB_KEY_SECONDS ? seconds : joules;
}

static const char *kind_of(lb_key_type type)
{
    switch (type) {
    case LB_KEY_INT:
        return "a whole number";
    case LB_KEY_FLOAT:
        return "a number";
    case LB_KEY_BOOL:
        return "true or false";
    case LB_KEY_BYTES:
        return "a size such as 64K or 2M";
    case LB_KEY_SECONDS:
        return "a time with its unit, such as 50ms or 2s";
    case LB_KEY_JOULES:
        return "an energy with its unit, such as 2mJ or 40uJ";
    case LB_KEY_NUMBERS:
        return "a list of at most 16 numbers, such as [0.5, 0.25]";
    case LB_KEY_UNSIGNED:
        return "a whole number from 0 on";
    case LB_KEY_TEXT:
    case LB_KEY_PATH:
    case LB_KEY_CHOICE:
    case LB_KEY_WORD:
        break;
    }
    return "text";
}

static lb_code not_a(const lb_key *key, const char *text, lb_error *err)
{
    return lb_raise(err, LB_ERR_INPUT, "%s must be %s, not '%.100s'", key->name,
                    kind_of(key->type), text);
}

static lb_code check_range(const lb_key *key, double value, const char *text,
                           lb_error *err)
{
    char low[LB_NUMBER_TEXT], high[LB_NUMBER_TEXT];

    if ((key->min == 0 && key->max == 0) || (value >= key->min && value <= key->max))
        return LB_OK;
    return lb_raise(err, LB_ERR_INPUT, "%s must be between %s and %s, not %.100s",
                    key->name, lb_number_text(key->min, low),
                    lb_number_text(key->max, high), text);
}

static lb_code parse_int(const lb_key *key, const char *text, int *out, lb_error *err)
{
    int64_t value;

    if (!lb_number_parse_int(text, strlen(text), &value))
        return not_a(key, text, err);
    LB_TRY(check_range(key, (double)value, text, err));
    if (value < INT_MIN || value > INT_MAX)
        return lb_raise(err, LB_ERR_INPUT, "%s must be between %d and %d, not %s",
                        key->name, INT_MIN, INT_MAX, text);
    *out = (int)value;
    return LB_OK;
}

static lb_code parse_unsigned(const lb_key *key, const char *text, uint64_t *out,
                              lb_error *err)
{
    uint64_t value = 0;

    if (!*text)
        return not_a(key, text, err);
    for (const char *c = text; *c; c++) {
        if (*c < '0' || *c > '9')
            return not_a(key, text, err);
        const unsigned digit = (unsigned)(*c - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return lb_raise(err, LB_ERR_INPUT, "%s must be below 2^64, not %.100s",
                            key->name, text);
        value = value * 10 + digit;
    }
    LB_TRY(check_range(key, (double)value, text, err));
    *out = value;
    return LB_OK;
}

static bool parse_united(const unit *units, const char *text, double *out)
{
    const size_t n = lb_number_span(text, strlen(text));
    double value;

    if (!lb_number_parse(text, n, &value))
        return false;
    for (const unit *u = units; u->name; u++) {
        if (strcmp(u->name, text + n) == 0) {
            *out = value * u->times / u->over;
            return isfinite(*out) && *out >= 0;
        }
    }
    *out = 0;
    return value == 0 && text[n] == '\0'; /* nothing needs no unit */
}

static lb_code parse_choice(const lb_key *key, const char *text, int *out, lb_error *err)
{
    char all[400] = "";
    size_t used = 0;
    int n = 0;

    for (; key->choices[n]; n++) {
        if (strcmp(key->choices[n], text) == 0) {
            *out = n;
            return LB_OK;
        }
        const char *const between = n == 0 ? "" : key->choices[n + 1] ? ", " : " or ";
        snprintf(all + used, sizeof all - used, "%s%s", between, key->choices[n]);
        used = strlen(all);
    }
    const char *const near = lb_nearest(text, key->choices, n);
    return lb_raise(err, LB_ERR_INPUT, "%s must be %s, not '%.100s'%s%s%s", key->name,
                    all, text, near ? "; did you mean '" : "", near ? near : "",
                    near ? "'?" : "");
}

static lb_code parse_word(const lb_key *key, const char *text, double *out, lb_error *err)
{
    int index = 0;

    LB_TRY(parse_choice(key, text, &index, err));
    *out = index;
    return LB_OK;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* "[1, 2]", "1, 2" or "1". */
static lb_code parse_numbers(const lb_key *key, const char *text, lb_numbers *out,
                             lb_error *err)
{
    const char *at = text, *end = text + strlen(text);
    lb_numbers list = {0};

    while (at < end && is_space(*at))
        at++;
    while (at < end && is_space(end[-1]))
        end--;
    if (end - at >= 2 && *at == '[' && end[-1] == ']') {
        at++;
        end--;
    }
    while (at < end && is_space(*at))
        at++;
    while (at < end) {
        const char *stop = at;
        while (stop < end && *stop != ',')
            stop++;
        const char *last = stop;
        while (at < last && is_space(*at))
            at++;
        while (at < last && is_space(last[-1]))
            last--;
        double value;
        if (list.n == 16 || !lb_number_parse(at, (size_t)(last - at), &value))
            return not_a(key, text, err);
        LB_TRY(check_range(key, value, text, err));
        list.value[list.n++] = value;
        if (stop + 1 == end)
            return not_a(key, text, err); /* a comma with nothing behind */
        at = stop < end ? stop + 1 : end;
    }
    *out = list;
    return LB_OK;
}

static lb_code parse_text(const lb_key *key, const char *text, lb_arena *arena,
                          const char **out, lb_error *err)
{
    if (!*text)
        return lb_raise(err, LB_ERR_INPUT, "%s must not be empty", key->name);
    const char *const copy = lb_arena_copy_text(arena, text);
    if (!copy)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for %s", key->name);
    *out = copy;
    return LB_OK;
}

static lb_code parse_bool(const lb_key *key, const char *text, bool *out, lb_error *err)
{
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return not_a(key, text, err);
    *out = text[0] == 't';
    return LB_OK;
}

static lb_code parse_double(const lb_key *key, const char *text, double *out,
                            lb_error *err)
{
    double value;
    const bool ok = key->type == LB_KEY_FLOAT
                        ? lb_number_parse(text, strlen(text), &value)
                        : parse_united(units_of(key->type), text, &value);

    if (!ok)
        return not_a(key, text, err);
    LB_TRY(check_range(key, value, text, err));
    *out = value;
    return LB_OK;
}

lb_code lb_key_set(const lb_key *key, void *options, const char *text, lb_arena *arena,
                   lb_error *err)
{
    void *const field = (char *)options + key->offset;

    switch (key->type) {
    case LB_KEY_INT:
        return parse_int(key, text, field, err);
    case LB_KEY_BOOL:
        return parse_bool(key, text, field, err);
    case LB_KEY_TEXT:
    case LB_KEY_PATH:
        return parse_text(key, text, arena, field, err);
    case LB_KEY_CHOICE:
        return parse_choice(key, text, field, err);
    case LB_KEY_WORD:
        return parse_word(key, text, field, err);
    case LB_KEY_FLOAT:
    case LB_KEY_BYTES:
    case LB_KEY_SECONDS:
    case LB_KEY_JOULES:
        return parse_double(key, text, field, err);
    case LB_KEY_NUMBERS:
        return parse_numbers(key, text, field, err);
    case LB_KEY_UNSIGNED:
        return parse_unsigned(key, text, field, err);
    }
    return lb_bug(err, "key '%s' has no type", key->name);
}

lb_code lb_keys_defaults(const lb_key *keys, void *options, lb_arena *arena,
                         lb_error *err)
{
    for (const lb_key *key = keys; key->name; key++)
        if (key->usual && *key->usual)
            LB_TRY(lb_key_set(key, options, key->usual, arena, err));
    return LB_OK;
}

/* With the largest unit that gives a whole number, else the exact number in the base
 * unit (bytes have "" in their table, the others their first row). */
static const char *united_text(lb_key_type type, double value, lb_arena *arena)
{
    const unit *const units = units_of(type);
    char number[LB_NUMBER_TEXT];

    for (const unit *u = units; u->name && value > 0; u++) {
        const double count = round(value / u->times * u->over);
        if (count >= 1 && count < 1e15 && count * u->times / u->over == value)
            return lb_arena_text(arena, "%s%s", lb_number_text(count, number), u->name);
    }
    return lb_arena_text(arena, "%s%s", lb_number_text(value, number),
                         type == LB_KEY_BYTES ? "" : units[0].name);
}

static const char *numbers_text(const lb_numbers *numbers, lb_arena *arena)
{
    char number[LB_NUMBER_TEXT];
    lb_text text;

    lb_text_init(&text, arena);
    lb_text_add_char(&text, '[');
    for (int i = 0; i < numbers->n; i++)
        lb_text_add(&text, "%s%s", i ? ", " : "",
                    lb_number_text(numbers->value[i], number));
    lb_text_add_char(&text, ']');
    return text.failed ? NULL : text.chars;
}

const char *lb_key_text(const lb_key *key, const void *options, lb_arena *arena)
{
    const void *const field = (const char *)options + key->offset;
    char number[LB_NUMBER_TEXT];

    switch (key->type) {
    case LB_KEY_INT:
        return lb_arena_text(arena, "%d", *(const int *)field);
    case LB_KEY_FLOAT:
        return lb_arena_copy_text(arena, lb_number_text(*(const double *)field, number));
    case LB_KEY_BOOL:
        return lb_arena_copy_text(arena, *(const bool *)field ? "true" : "false");
    case LB_KEY_TEXT:
    case LB_KEY_PATH: {
        const char *const text = *(const char *const *)field;
        return lb_arena_copy_text(arena, text ? text : "");
    }
    case LB_KEY_CHOICE:
        return lb_arena_copy_text(arena, key->choices[*(const int *)field]);
    case LB_KEY_WORD:
        return lb_arena_copy_text(arena, key->choices[(int)*(const double *)field]);
    case LB_KEY_BYTES:
    case LB_KEY_SECONDS:
    case LB_KEY_JOULES:
        return united_text(key->type, *(const double *)field, arena);
    case LB_KEY_NUMBERS:
        return numbers_text(field, arena);
    case LB_KEY_UNSIGNED:
        return lb_arena_text(arena, "%llu", (unsigned long long)*(const uint64_t *)field);
    }
    return NULL;
}

const lb_key *lb_key_find(const lb_key *keys, const char *name)
{
    for (const lb_key *key = keys; key->name; key++)
        if (strcmp(key->name, name) == 0)
            return key;
    return NULL;
}
