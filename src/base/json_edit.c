/* json_edit.c: finds and replaces a value within JSON text, and leaves the rest byte for
 * byte. Only as much of the grammar is read as is needed to step over values. */
#include "base/json.h"

#include <string.h>

static const char *skip_blanks(const char *s)
{
    return s + strspn(s, " \t\r\n");
}

/* s is at a quote; behind the other, or NULL. */
static const char *skip_text(const char *s)
{
    for (s++; *s && *s != '"'; s++)
        if (*s == '\\' && !*++s)
            return NULL;
    return *s ? s + 1 : NULL;
}

/* Behind the value at s, or NULL. */
static const char *skip_value(const char *s)
{
    int depth = 0;

    if (*s != '"' && *s != '{' && *s != '[') {
        const size_t n = strcspn(s, ",]} \t\r\n\"[{");
        return n > 0 ? s + n : NULL;
    }
    do {
        if (*s == '"') {
            s = skip_text(s);
            if (!s)
                return NULL;
            continue;
        }
        depth += *s == '{' || *s == '[' ? 1 : *s == '}' || *s == ']' ? -1 : 0;
        s++;
    } while (depth > 0 && *s);
    return depth == 0 ? s : NULL;
}

typedef struct place {
    const char *first, *end; /* of the value; both NULL: the key is not there */
    const char *brace;       /* the object's last */
    bool empty;
} place;

static bool find(const char *object, const char *key, place *out)
{
    const size_t n = strlen(key);
    const char *s = skip_blanks(object);

    *out = (place){.empty = true};
    if (*s++ != '{')
        return false;
    for (s = skip_blanks(s); *s != '}'; s = skip_blanks(s)) {
        if (!out->empty) {
            if (*s != ',')
                return false;
            s = skip_blanks(s + 1);
        }
        out->empty = false;
        const char *const name = s;
        s = *s == '"' ? skip_text(s) : NULL;
        if (!s)
            return false;
        const bool is_it = (size_t)(s - name) == n + 2 && memcmp(name + 1, key, n) == 0;
        s = skip_blanks(s);
        if (*s++ != ':')
            return false;
        const char *const value = skip_blanks(s);
        s = skip_value(value);
        if (!s)
            return false;
        if (is_it && !out->first) {
            out->first = value;
            out->end = s;
        }
    }
    out->brace = s;
    return true;
}

const char *lb_json_get(lb_arena *arena, const char *object, const char *key)
{
    place at;

    if (!find(object, key, &at) || !at.first)
        return NULL;
    return lb_arena_copy_chars(arena, at.first, (size_t)(at.end - at.first));
}

const char *lb_json_set(lb_arena *arena, const char *object, const char *key,
                        const char *value)
{
    lb_text t;
    place at;

    if (!find(object, key, &at))
        return NULL;
    const char *const to = at.first ? at.first : at.brace;
    lb_text_init(&t, arena);
    lb_text_add_chars(&t, object, (size_t)(to - object));
    if (!at.first)
        lb_text_add(&t, "%s\"%s\": ", at.empty ? "" : ", ", key);
    lb_text_add_chars(&t, value, strlen(value));
    lb_text_add_chars(&t, at.first ? at.end : to, strlen(at.first ? at.end : to));
    return t.failed ? NULL : t.chars;
}
