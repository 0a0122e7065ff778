/* tree.c: libyaml's events made into a tree. */
#include "recipe/tree.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

typedef struct parse {
    yaml_parser_t yaml;
    lb_findings *findings;
    const char *set;
    lb_tree
        *open[LB_TREE_MOST_DEPTH];    /* lists and maps not closed yet, outermost first */
    lb_tree *key[LB_TREE_MOST_DEPTH]; /* of an open map: the key that waits for a value */
    int depth, n_nodes;
    lb_tree *root;
    bool stop;
} parse;

void lb_tree_complain(lb_findings *findings, const lb_tree *at, const char *format, ...)
{
    char text[700];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    /* the texts quote what was written in a file: no escape sequence gets through */
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    if (at->set)
        lb_findings_add(findings, -1, 0, "--set %.200s: %s", at->set, text);
    else
        lb_findings_add(findings, at->line, at->column, "%s", text);
}

static lb_tree *new_node(parse *p, lb_tree_kind kind, const yaml_mark_t *mark)
{
    lb_tree *const node = LB_TAKE(p->findings->arena, lb_tree);

    if (!node) {
        p->findings->failed = true;
        p->stop = true;
        return NULL;
    }
    node->kind = kind;
    node->set = p->set;
    node->line = mark->line < INT_MAX ? (int)mark->line + 1 : INT_MAX;
    node->column = mark->column < INT_MAX ? (int)mark->column + 1 : INT_MAX;
    if (++p->n_nodes > LB_TREE_MOST_NODES) {
        lb_tree_complain(p->findings, node, "more than %d values; a recipe is smaller",
                         LB_TREE_MOST_NODES);
        p->stop = true;
    }
    return node;
}

static bool add_child(lb_arena *arena, lb_tree *parent, lb_tree *key, lb_tree *child)
{
    void *children = parent->child, *keys = parent->key;

    if (!lb_arena_grow(arena, &children, &parent->capacity, parent->n, sizeof child))
        return false;
    parent->child = children;
    if (parent->kind == LB_TREE_MAP) {
        if (!lb_arena_grow(arena, &keys, &parent->key_capacity, parent->n, sizeof key))
            return false;
        parent->key = keys;
        parent->key[parent->n] = key;
    }
    parent->child[parent->n++] = child;
    return true;
}

/* A key of the innermost open map. Many keys are refused, so that looking for a twin
 * takes no endless time. */
static void take_key(parse *p, lb_tree *node)
{
    lb_tree *const map = p->open[p->depth - 1];

    if (node->kind != LB_TREE_SCALAR) {
        lb_tree_complain(p->findings, node, "a key must be a word, not a list or a map");
        p->stop = true;
        return;
    }
    if (map->n >= 1000) {
        lb_tree_complain(p->findings, node, "more than 1000 keys in one map");
        p->stop = true;
        return;
    }
    for (int i = 0; i < map->n; i++)
        if (strcmp(map->key[i]->text, node->text) == 0) {
            lb_tree_complain(p->findings, node,
                             "'%.60s' is given twice, first in line %d", node->text,
                             map->key[i]->line);
            break;
        }
    p->key[p->depth - 1] = node;
}

/* Puts a new node where it belongs: root, list item, key or value. */
static void place(parse *p, lb_tree *node)
{
    if (p->depth == 0) {
        p->root = node;
        return;
    }
    lb_tree *const parent = p->open[p->depth - 1];
    lb_tree *const key = p->key[p->depth - 1];
    if (parent->kind == LB_TREE_MAP && !key) {
        take_key(p, node);
        return;
    }
    if (!add_child(p->findings->arena, parent, key, node)) {
        p->findings->failed = true;
        p->stop = true;
    }
    p->key[p->depth - 1] = NULL;
}

static void refuse(parse *p, const yaml_mark_t *mark, const char *text)
{
    lb_tree *const at = new_node(p, LB_TREE_SCALAR, mark);

    if (at)
        lb_tree_complain(p->findings, at, "%s", text);
    p->stop = true;
}

static void take_scalar(parse *p, const yaml_event_t *event)
{
    const char *const chars = (const char *)event->data.scalar.value;
    const size_t n = event->data.scalar.length;

    if (event->data.scalar.anchor) {
        refuse(p, &event->start_mark, "anchors (&name) have no place in a recipe");
        return;
    }
    if (event->data.scalar.tag) {
        refuse(p, &event->start_mark, "tags (!name) have no place in a recipe");
        return;
    }
    if (memchr(chars, 0, n)) {
        refuse(p, &event->start_mark, "a zero byte has no place in a recipe");
        return;
    }
    lb_tree *const node = new_node(p, LB_TREE_SCALAR, &event->start_mark);
    if (!node)
        return;
    node->text = lb_arena_copy_chars(p->findings->arena, chars, n);
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (!node->text) {
        p->findings->failed = true;
        p->stop = true;
        return;
    }
    place(p, node);
}

static void open_node(parse *p, lb_tree_kind kind, const yaml_event_t *event,
                      bool anchored, bool tagged)
{
    if (anchored) {
        refuse(p, &event->start_mark, "anchors (&name) have no place in a recipe");
        return;
    }
    if (tagged) {
        refuse(p, &event->start_mark, "tags (!name) have no place in a recipe");
        return;
    }
    if (p->depth == LB_TREE_MOST_DEPTH) {
        refuse(p, &event->start_mark, "lists and maps are nested too deep");
        return;
    }
    lb_tree *const node = new_node(p, kind, &event->start_mark);
    if (!node)
        return;
    place(p, node);
    p->open[p->depth] = node;
    p->key[p->depth] = NULL;
    p->depth++;
}

static void take_event(parse *p, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        take_scalar(p, event);
        break;
    case YAML_ALIAS_EVENT:
        refuse(p, &event->start_mark, "aliases (*name) have no place in a recipe");
        break;
    case YAML_SEQUENCE_START_EVENT:
        open_node(p, LB_TREE_LIST, event, event->data.sequence_start.anchor != NULL,
                  event->data.sequence_start.tag != NULL);
        break;
    case YAML_MAPPING_START_EVENT:
        open_node(p, LB_TREE_MAP, event, event->data.mapping_start.anchor != NULL,
                  event->data.mapping_start.tag != NULL);
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        p->depth--;
        break;
    case YAML_DOCUMENT_START_EVENT:
        if (p->root)
            refuse(p, &event->start_mark, "a recipe is one document, not several");
        break;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
}

static void syntax_mistake(parse *p)
{
    const yaml_parser_t *const y = &p->yaml;
    const char *const problem = y->problem ? y->problem : "cannot be read";

    if (y->error == YAML_MEMORY_ERROR)
        p->findings->failed = true;
    else if (y->error == YAML_READER_ERROR)
        lb_findings_add(p->findings, 0, 0, "%s%s%snot a text in UTF-8: %s at byte %zu",
                        p->set ? "--set " : "", p->set ? p->set : "", p->set ? ": " : "",
                        problem, y->problem_offset);
    else
        refuse(p, &y->problem_mark,
               lb_arena_text(p->findings->arena, "not valid YAML: %s", problem));
    p->stop = true;
}

lb_tree *lb_tree_parse(const char *chars, size_t n, const char *set,
                       lb_findings *findings)
{
    parse p = {.findings = findings, .set = set};
    bool ended = false;

    if (!yaml_parser_initialize(&p.yaml)) {
        findings->failed = true;
        return NULL;
    }
    yaml_parser_set_encoding(&p.yaml, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&p.yaml, (const unsigned char *)chars, n);
    while (!p.stop && !ended) {
        yaml_event_t event;
        if (!yaml_parser_parse(&p.yaml, &event)) {
            syntax_mistake(&p);
            break;
        }
        take_event(&p, &event);
        ended = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    if (!p.stop && !p.root) {
        const yaml_mark_t start = {0};
        p.root = new_node(&p, set ? LB_TREE_SCALAR : LB_TREE_MAP, &start);
        if (p.root) {
            p.root->text = "";
            p.root->plain = true;
        }
    }
    yaml_parser_delete(&p.yaml);
    return p.stop ? NULL : p.root;
}

lb_tree *lb_tree_find(const lb_tree *map, const char *key)
{
    if (!map || map->kind != LB_TREE_MAP)
        return NULL;
    for (int i = 0; i < map->n; i++)
        if (strcmp(map->key[i]->text, key) == 0)
            return map->child[i];
    return NULL;
}

/* Where the value of one step of a --set's path stands: a slot in the parent. */
static lb_tree **find_slot(lb_tree *parent, const char *step, const lb_tree *like,
                           lb_findings *findings)
{
    lb_arena *const arena = findings->arena;

    if (parent->kind == LB_TREE_LIST) {
        size_t index = 0;
        for (const char *c = step; *c && index <= LB_TREE_MOST_NODES; c++)
            index =
                *c >= '0' && *c <= '9' ? index * 10 + (size_t)(*c - '0') : SIZE_MAX / 16;
        if (*step && index < (size_t)parent->n)
            return &parent->child[index];
        if (!*step || index > (size_t)parent->n) {
            lb_tree_complain(findings, like,
                             "'%.60s' is no item of the list, which has %d (from 0 on)",
                             step, parent->n);
            return NULL;
        }
        return add_child(arena, parent, NULL, NULL) ? &parent->child[index] : NULL;
    }
    for (int i = 0; i < parent->n; i++)
        if (strcmp(parent->key[i]->text, step) == 0)
            return &parent->child[i];
    lb_tree *const key = LB_TAKE(arena, lb_tree);
    if (!key || !add_child(arena, parent, key, NULL)) {
        findings->failed = true;
        return NULL;
    }
    *key = *like;
    key->text = step;
    return &parent->child[parent->n - 1];
}

/* `device: NAME` is short for `device: {profile: NAME}`, so that --set device.sram=64K
 * works on both. */
static lb_tree *as_map(lb_tree *at, const char *name, const lb_tree *like,
                       lb_findings *findings)
{
    if (at && at->kind != LB_TREE_SCALAR)
        return at;
    const bool keep = at && strcmp(name, "device") == 0;
    lb_tree *const map = LB_TAKE(findings->arena, lb_tree);
    lb_tree *const key = LB_TAKE(findings->arena, lb_tree);
    if (!map || !key) {
        findings->failed = true;
        return NULL;
    }
    *map = *like;
    map->kind = LB_TREE_MAP;
    if (keep) {
        *key = *at;
        key->text = "profile";
        if (!add_child(findings->arena, map, key, at))
            findings->failed = true;
    }
    return map;
}

void lb_tree_set(lb_tree *root, const char *set, lb_findings *findings)
{
    lb_tree like = {.kind = LB_TREE_SCALAR, .set = set, .text = ""};
    const char *const equals = strchr(set, '=');

    if (!equals || equals == set) {
        lb_tree_complain(findings, &like, "must be KEY=VALUE, as in train.epochs=3");
        return;
    }
    char *path = lb_arena_copy_chars(findings->arena, set, (size_t)(equals - set));
    lb_tree *const value = lb_tree_parse(equals + 1, strlen(equals + 1), set, findings);
    lb_tree *at = root;
    if (!path)
        findings->failed = true;
    while (path && value && at) {
        char *const dot = strchr(path, '.');
        if (dot)
            *dot = 0;
        lb_tree **const slot = find_slot(at, path, &like, findings);
        if (!slot)
            return;
        *slot = dot ? as_map(*slot, path, &like, findings) : value;
        at = dot ? *slot : NULL;
        path = dot ? dot + 1 : NULL;
    }
}
