/* reader.c: one walk for every table. */
#include "recipe/reader.h"

#include "base/file.h"
#include "base/text.h"

#include <string.h>

enum { MOST_NAMES = 128 };

const char *lb_read_word(lb_reader *r, const char *name, const lb_tree *value)
{
    if (value->kind != LB_TREE_SCALAR) {
        lb_tree_complain(&r->findings, value, "%s must be one value, not a %s", name,
                         value->kind == LB_TREE_LIST ? "list" : "map");
        return NULL;
    }
    if (!*value->text) {
        lb_tree_complain(&r->findings, value, "%s has no value", name);
        return NULL;
    }
    return value->text;
}

const char *lb_read_hint(lb_reader *r, const char *word, const char *const *names, int n)
{
    const char *const near = lb_nearest(word, names, n);
    lb_text text;

    lb_text_init(&text, r->arena);
    if (near) {
        lb_text_add(&text, "; did you mean '%s'?", near);
    } else {
        for (int i = 0; i < n; i++)
            lb_text_add(&text, "%s%s", i ? ", " : "; known: ", names[i]);
    }
    if (text.failed)
        r->findings.failed = true;
    return text.failed ? "" : text.chars;
}

/* [0.4, 0.5] as the text that lb_key_set takes; a lone number is a list of one. */
static const char *numbers_text(lb_reader *r, const lb_key *key, const lb_tree *value)
{
    lb_text text;

    if (value->kind == LB_TREE_MAP) {
        lb_tree_complain(&r->findings, value, "%s must be a list of numbers, not a map",
                         key->name);
        return NULL;
    }
    lb_text_init(&text, r->arena);
    lb_text_add_char(&text, '[');
    if (value->kind == LB_TREE_SCALAR)
        lb_text_add(&text, "%s", value->text);
    for (int i = 0; value->kind == LB_TREE_LIST && i < value->n; i++) {
        const char *const word = lb_read_word(r, key->name, value->child[i]);
        if (!word)
            return NULL;
        lb_text_add(&text, "%s%s", i ? ", " : "", word);
    }
    lb_text_add_char(&text, ']');
    if (text.failed)
        r->findings.failed = true;
    return text.failed ? NULL : text.chars;
}

bool lb_read_value(lb_reader *r, const lb_key *key, void *options, const lb_tree *value)
{
    lb_error err = {0};
    const char *const text = key->type == LB_KEY_NUMBERS
                                 ? numbers_text(r, key, value)
                                 : lb_read_word(r, key->name, value);

    if (!text)
        return false;
    const lb_code code = lb_key_set(key, options, text, r->arena, &err);
    if (code == LB_ERR_MEMORY)
        r->findings.failed = true;
    else if (code != LB_OK)
        lb_tree_complain(&r->findings, value, "%s", err.text);
    if (code == LB_OK && key->type == LB_KEY_PATH) {
        const char **const field = (const char **)((char *)options + key->offset);
        *field = lb_path_join(r->arena, r->folder, *field);
        if (!*field)
            r->findings.failed = true;
    }
    return code == LB_OK;
}

static void set_usual(lb_reader *r, const lb_key *key, void *options, const lb_tree *at,
                      const char *where)
{
    lb_error err = {0};

    if (!key->usual)
        lb_tree_complain(&r->findings, at, "'%s' is missing in '%s'; %s", key->name,
                         where, key->help);
    else if (*key->usual && lb_key_set(key, options, key->usual, r->arena, &err) != LB_OK)
        lb_tree_complain(&r->findings, at, "the usual value of '%s': %s", key->name,
                         err.text);
}

/* Appends the names of a list that ends with NULL. */
static int add_names(const char **names, int n, const char *const *more)
{
    for (; more && *more && n < MOST_NAMES; more++)
        names[n++] = *more;
    return n;
}

static bool is_among(const char *name, const char *const *names)
{
    for (; names && *names; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

static void check_names(lb_reader *r, const lb_tree *map, const char *where,
                        const lb_section *sections, int n_sections,
                        const char *const *forms, const char *const *later)
{
    const char *names[MOST_NAMES];
    int n = add_names(names, 0, forms);

    for (int s = 0; s < n_sections; s++)
        for (const lb_key *key = sections[s].keys; key->name && n < MOST_NAMES; key++)
            names[n++] = key->name;
    for (int i = 0; i < map->n; i++) {
        const lb_tree *const key = map->key[i];
        bool known = is_among(key->text, forms);
        for (int s = 0; s < n_sections && !known; s++)
            known = lb_key_find(sections[s].keys, key->text) != NULL;
        if (known)
            continue;
        if (is_among(key->text, later))
            lb_tree_complain(&r->findings, key,
                             "'%s' in '%s' is not supported yet in this "
                             "version",
                             key->text, where);
        else
            lb_tree_complain(&r->findings, key, "no key is called '%.60s' in '%s'%s",
                             key->text, where, lb_read_hint(r, key->text, names, n));
    }
}

void lb_read_map(lb_reader *r, const lb_tree *map, const lb_tree *at, const char *where,
                 const lb_section *sections, int n_sections, const char *const *forms,
                 const char *const *later)
{
    if (map && map->kind != LB_TREE_MAP) {
        lb_tree_complain(&r->findings, map, "'%s' must be a map of keys, not a %s", where,
                         map->kind == LB_TREE_LIST ? "list" : "value");
        return;
    }
    if (map)
        check_names(r, map, where, sections, n_sections, forms, later);
    for (int s = 0; s < n_sections; s++)
        for (const lb_key *key = sections[s].keys; key->name; key++) {
            const lb_tree *const value = lb_tree_find(map, key->name);
            if (value)
                lb_read_value(r, key, sections[s].options, value);
            else
                set_usual(r, key, sections[s].options, map ? map : at, where);
        }
}

bool lb_read_choice(lb_reader *r, const char *what, const lb_tree *value,
                    const lb_tree **name, const lb_tree **inner)
{
    *inner = NULL;
    if (value->kind == LB_TREE_SCALAR) {
        *name = value;
        return lb_read_word(r, what, value) != NULL;
    }
    if (value->kind == LB_TREE_LIST || value->n != 1) {
        lb_tree_complain(
            &r->findings, value,
            "%s must be a name or a map with one name, as in {sgd: {lr: 0.1}}", what);
        return false;
    }
    *name = value->key[0];
    *inner = value->child[0];
    return true;
}
