/* key.h: a setting as a row of a table.
 *
 * Each room owns its options struct and a table of lb_key that describes it: name, type,
 * range, usual value, help and where in the struct it lives. The recipe reader, the
 * help, the docs and 'did you mean' only walk these tables, so that a setting is one
 * row. A table ends with a row without a name. */
#ifndef LB_BASE_KEY_H
#define LB_BASE_KEY_H

#include "base/arena.h"

typedef enum lb_key_type {
    LB_KEY_INT,      /* int */
    LB_KEY_FLOAT,    /* double */
    LB_KEY_BOOL,     /* bool */
    LB_KEY_TEXT,     /* const char *; lives in the arena */
    LB_KEY_PATH,     /* const char *; relative paths are taken from the recipe's folder */
    LB_KEY_CHOICE,   /* int: the index in `choices` */
    LB_KEY_WORD,     /* double: the index in `choices`, where numbers stand, too */
    LB_KEY_BYTES,    /* double: 64K, 2M, 1000 */
    LB_KEY_SECONDS,  /* double: 50ms, 2s, 300us */
    LB_KEY_JOULES,   /* double: 2mJ, 40uJ */
    LB_KEY_NUMBERS,  /* lb_numbers: [0.485, 0.456, 0.406] */
    LB_KEY_UNSIGNED, /* uint64_t */
} lb_key_type;

typedef struct lb_numbers {
    int n;
    double value[16];
} lb_numbers;

typedef struct lb_key {
    const char *name;
    lb_key_type type;
    size_t offset;     /* in the owner's struct */
    double min, max;   /* of numbers; both 0: no range */
    const char *usual; /* default in the recipe's spelling; NULL: must be given; "": may
                          be left out, the field stays zero */
    const char *const *choices; /* of LB_KEY_CHOICE, LB_KEY_WORD; ends with NULL */
    const char *help;           /* one line */
} lb_key;

/* Parses `text` into the field that the key describes. The message names the value and
 * what is allowed, not the place: callers put that before it. */
lb_code lb_key_set(const lb_key *key, void *options, const char *text, lb_arena *arena,
                   lb_error *err) LB_MUST_USE;

/* Sets every key that has a usual value. */
lb_code lb_keys_defaults(const lb_key *keys, void *options, lb_arena *arena,
                         lb_error *err) LB_MUST_USE;

/* The field's value in the recipe's spelling; lives in the arena, NULL without memory. */
const char *lb_key_text(const lb_key *key, const void *options, lb_arena *arena);

/* NULL if the table has no such key. */
const lb_key *lb_key_find(const lb_key *keys, const char *name);

/* The name among n names that `word` most likely meant; NULL if none is near. */
const char *lb_nearest(const char *word, const char *const *names, int n);

#endif
