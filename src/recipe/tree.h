/* tree.h: YAML as a plain tree with places, for the recipe reader; JSON is YAML, so
 * limbeck's own small results are read by it, too.
 *
 * Only what a recipe needs: scalars, lists and maps with scalar keys. Anchors, aliases,
 * tags and several documents are refused, so that nothing can expand or refer. Size,
 * depth and number of nodes are limited. */
#ifndef LB_RECIPE_TREE_H
#define LB_RECIPE_TREE_H

#include "base/findings.h"

enum {
    LB_TREE_MOST_BYTES = 1 << 20,
    LB_TREE_MOST_NODES = 50000,
    LB_TREE_MOST_DEPTH = 24
};

typedef enum lb_tree_kind { LB_TREE_SCALAR, LB_TREE_LIST, LB_TREE_MAP } lb_tree_kind;

typedef struct lb_tree {
    lb_tree_kind kind;
    int line, column; /* from 1 */
    const char *set;  /* the --set that it came from, or NULL: it stands in the file */
    const char *text; /* of a scalar */
    bool plain;       /* a scalar without quotes */
    struct lb_tree **key, **child; /* key: of maps alone; scalars */
    int n, key_capacity, capacity;
} lb_tree;

/* Parses; lives in the arena. Mistakes go to the findings, with `set` before them where
 * it is not NULL. NULL if there is no tree to go on with. An empty text is an empty
 * map if it is a file, an empty scalar if it is a --set. */
lb_tree *lb_tree_parse(const char *chars, size_t n, const char *set,
                       lb_findings *findings);

/* The value of a map's key, or NULL; also for a tree that is NULL or no map. */
lb_tree *lb_tree_find(const lb_tree *map, const char *key);

/* Puts the value of "a.b.0.c=VALUE" where it belongs, making maps on the way. */
void lb_tree_set(lb_tree *root, const char *set, lb_findings *findings);

/* Adds a finding at the place of `at`, cleaned of control characters. */
void lb_tree_complain(lb_findings *findings, const lb_tree *at, const char *format, ...)
    LB_PRINTF(3, 4);

#endif
