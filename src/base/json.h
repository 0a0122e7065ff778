/* json.h: writes JSON (RFC 8259) into an lb_text. Commas and nesting are looked after;
 * numbers that are not finite become null. Keys are NULL inside arrays. */
#ifndef LB_BASE_JSON_H
#define LB_BASE_JSON_H

#include "base/text.h"

typedef struct lb_json {
    lb_text text;
    int depth;
    bool comma[32];
} lb_json;

void lb_json_init(lb_json *json, lb_arena *arena);
void lb_json_open(lb_json *json, const char *key, char bracket);      /* '{' or '[' */
void lb_json_close(lb_json *json, char bracket);                      /* '}' or ']' */
void lb_json_text(lb_json *json, const char *key, const char *value); /* NULL: null */
void lb_json_number(lb_json *json, const char *key, double value);
void lb_json_int(lb_json *json, const char *key, int64_t value);
void lb_json_bool(lb_json *json, const char *key, bool value);
void lb_json_null(lb_json *json, const char *key);
/* A list of n numbers. */
void lb_json_ints(lb_json *json, const char *key, const int *values, int n);
/* {"low": .., "mid": .., "high": ..} */
void lb_json_range(lb_json *json, const char *key, double low, double mid, double high);

/* json_edit.c: of JSON that is there. Keys without escapes; the outermost object alone.
 */
/* The text of a key's value, or NULL. */
const char *lb_json_get(lb_arena *arena, const char *object, const char *key);
/* A copy in which the key has this value (which is JSON, too): in its place, or last.
 * NULL if `object` is none, or without memory. */
const char *lb_json_set(lb_arena *arena, const char *object, const char *key,
                        const char *value);

#endif
