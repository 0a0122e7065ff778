/* reader.h: walks maps of a recipe by the rooms' key tables. */
#ifndef LB_RECIPE_READER_H
#define LB_RECIPE_READER_H

#include "base/key.h"
#include "recipe/tree.h"

typedef struct lb_reader {
    lb_arena *arena;
    lb_findings findings;
    const char *folder; /* where relative paths begin: the recipe's */
} lb_reader;

/* A key table and the struct that it describes. */
typedef struct lb_section {
    const lb_key *keys;
    void *options;
} lb_section;

/* Reads a map. The keys of the sections go into their structs, after the usual values;
 * `forms` (may be NULL) are further keys that the caller reads, a NULL ends them, and
 * `later` are keys that the contract knows and this version does not. Everything else
 * is a finding, and so is a key without a usual value that is missing. where: what the
 * map is called in messages ("train"). map: NULL if it was left out: `at` is then the
 * place of what is missing. */
void lb_read_map(lb_reader *r, const lb_tree *map, const lb_tree *at, const char *where,
                 const lb_section *sections, int n_sections, const char *const *forms,
                 const char *const *later);

/* One value by its row; false after a finding. */
bool lb_read_value(lb_reader *r, const lb_key *key, void *options, const lb_tree *value);

/* The text of a scalar that is not empty; else a finding and NULL. */
const char *lb_read_word(lb_reader *r, const char *name, const lb_tree *value);

/* "; did you mean 'x'?", or "; known: a, b", or "". Lives in the arena. */
const char *lb_read_hint(lb_reader *r, const char *word, const char *const *names, int n);

/* The name and the value of a map with one key, or of a lone word (then *inner is NULL):
 * `{sgd: {lr: 1}}` and `sgd`. False after a finding. */
bool lb_read_choice(lb_reader *r, const char *what, const lb_tree *value,
                    const lb_tree **name, const lb_tree **inner);

#endif
