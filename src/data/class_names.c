/* class_names.c: what the classes are called, for reports: "T-shirt, trouser, pullover".
 */
#include "data/data_int.h"

#include <string.h>

static const char *next_name(const char **at, lb_arena *arena)
{
    const char *const first = *at + strspn(*at, " ");
    const size_t length = strcspn(first, ",");
    size_t n = length;

    while (n > 0 && first[n - 1] == ' ')
        n--;
    *at = first + length + (first[length] == ',');
    return lb_arena_copy_chars(arena, first, n);
}

static int count_names(const char *text)
{
    int n = 1;

    for (; *text; text++)
        n += *text == ',';
    return n;
}

lb_code lb_data_name_classes(const char *text, lb_arena *arena, lb_content *content,
                             lb_error *err)
{
    const char *at = text;

    if (!text || !*text)
        return LB_OK;
    const int n = count_names(text);
    if (n != content->n_classes)
        return lb_raise(err, LB_ERR_INPUT,
                        "class_names has %d names, but the data has %d classes", n,
                        content->n_classes);
    const char **const names = LB_TAKE_ARRAY(arena, n, const char *);
    for (int i = 0; names && i < n; i++) {
        names[i] = next_name(&at, arena);
        if (!names[i])
            return lb_raise(err, LB_ERR_MEMORY, "no memory for the names of classes");
        if (!*names[i])
            return lb_raise(err, LB_ERR_INPUT, "class_names: name %d is empty", i);
    }
    if (!names)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the names of classes");
    content->class_names = names;
    return LB_OK;
}
