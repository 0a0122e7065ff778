/* class_names.c: what the classes are called: "T-shirt, trouser, pullover"; and which of
 * them a recipe speaks of. */
#include "data/data_int.h"

#include "base/number.h"

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

/* By name first: a name may be a number. */
static int find_class(const char *word, const lb_content *content)
{
    int64_t number;

    for (int i = 0; content->class_names && i < content->n_classes; i++)
        if (strcmp(word, content->class_names[i]) == 0)
            return i;
    if (lb_number_parse_int(word, strlen(word), &number) && number >= 0 &&
        number < content->n_classes)
        return (int)number;
    return -1;
}

static lb_code no_such_class(const char *key, const char *word, const lb_content *content,
                             lb_error *err)
{
    const char *const near =
        content->class_names ? lb_nearest(word, content->class_names, content->n_classes)
                             : NULL;

    if (near)
        return lb_raise(err, LB_ERR_INPUT,
                        "%s: no class is called '%.60s'; did you mean '%s'?", key, word,
                        near);
    return lb_raise(err, LB_ERR_INPUT,
                    "%s: no class is called '%.60s'; classes have the numbers 0 to %d%s",
                    key, word, content->n_classes - 1,
                    content->class_names ? "" : ", and names if class_names gives them");
}

lb_code lb_data_mark_classes(const lb_class_words *words, const char *key,
                             const lb_content *content, lb_arena *arena, const bool **out,
                             lb_error *err)
{
    if (words->n == 0)
        return LB_OK;
    bool *const marked = LB_TAKE_ARRAY(arena, content->n_classes + 1, bool);
    if (!marked)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the classes of %s", key);
    for (int i = 0; i < words->n; i++) {
        const int c = find_class(words->word[i], content);
        if (c < 0)
            return no_such_class(key, words->word[i], content, err);
        marked[c] = true;
    }
    *out = marked;
    return LB_OK;
}
