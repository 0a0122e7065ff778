/* attr.c: reading and copying the attributes of nodes. */
#include "graph/graph_int.h"

#include <string.h>

const lb_attr *lb_attr_find(const lb_node *node, const char *name)
{
    for (int i = 0; i < node->n_attrs; i++)
        if (strcmp(node->attrs[i].name, name) == 0)
            return &node->attrs[i];
    return NULL;
}

bool lb_attr_has(const lb_node *node, const char *name)
{
    return lb_attr_find(node, name) != NULL;
}

int64_t lb_attr_int(const lb_node *node, const char *name, int64_t usual)
{
    const lb_attr *const a = lb_attr_find(node, name);

    return a && a->kind == LB_ATTR_INT ? a->i : usual;
}

double lb_attr_float(const lb_node *node, const char *name, double usual)
{
    const lb_attr *const a = lb_attr_find(node, name);

    return a && a->kind == LB_ATTR_FLOAT ? a->f : usual;
}

const char *lb_attr_text(const lb_node *node, const char *name, const char *usual)
{
    const lb_attr *const a = lb_attr_find(node, name);

    return a && a->kind == LB_ATTR_TEXT ? a->text : usual;
}

int lb_attr_ints(const lb_node *node, const char *name, int64_t *out, int most)
{
    const lb_attr *const a = lb_attr_find(node, name);

    if (!a || a->kind != LB_ATTR_INTS)
        return 0;
    for (int i = 0; i < a->n && i < most; i++)
        out[i] = a->ints[i];
    return a->n;
}

static bool copy_array(lb_arena *arena, const void *from, size_t n, size_t size,
                       const void **out)
{
    void *const to = lb_arena_take_array(arena, n ? n : 1, size);

    if (!to)
        return false;
    if (n)
        memcpy(to, from, n * size);
    *out = to;
    return true;
}

static bool copy_one(lb_arena *arena, const lb_attr *from, lb_attr *to)
{
    const void *array = NULL;

    *to = *from;
    to->name = lb_arena_copy_text(arena, from->name);
    if (!to->name)
        return false;
    switch (from->kind) {
    case LB_ATTR_TEXT:
        to->text = lb_arena_copy_text(arena, from->text);
        return to->text != NULL;
    case LB_ATTR_INTS:
        if (!copy_array(arena, from->ints, (size_t)from->n, sizeof *from->ints, &array))
            return false;
        to->ints = array;
        return true;
    case LB_ATTR_FLOATS:
        if (!copy_array(arena, from->floats, (size_t)from->n, sizeof *from->floats,
                        &array))
            return false;
        to->floats = array;
        return true;
    case LB_ATTR_INT:
    case LB_ATTR_FLOAT:
    case LB_ATTR_TENSOR:
        return true;
    }
    return false;
}

const lb_attr *lb_attrs_copy(lb_arena *arena, const lb_attr *attrs, int n)
{
    lb_attr *const copy = LB_TAKE_ARRAY(arena, n ? n : 1, lb_attr);

    for (int i = 0; copy && i < n; i++)
        if (!copy_one(arena, &attrs[i], &copy[i]))
            return NULL;
    return copy;
}
