/* source.c: the table of sources, SOURCE:PATH, and what every source is held to. */
#include "data/data_int.h"

#include <string.h>

#define LB_SOURCE(name) extern const lb_source lb_source_##name;
#include "data/sources.def"
#undef LB_SOURCE

const lb_source *const lb_sources[] = {
#define LB_SOURCE(name) &lb_source_##name,
#include "data/sources.def"
#undef LB_SOURCE
    NULL,
};

const lb_source *lb_source_find(const char *name)
{
    for (const lb_source *const *source = lb_sources; *source; source++)
        if (strcmp((*source)->name, name) == 0)
            return *source;
    return NULL;
}

lb_code lb_data_find_source(const char *name, const lb_source **out, lb_error *err)
{
    const char *names[16];
    int n = 0;

    *out = lb_source_find(name);
    if (*out)
        return LB_OK;
    for (; lb_sources[n] && n < 16; n++)
        names[n] = lb_sources[n]->name;
    const char *const near = lb_nearest(name, names, n);
    return lb_raise(err, LB_ERR_INPUT, "no data source is called '%.100s'%s%s%s", name,
                    near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

lb_code lb_data_parse(const char *word, lb_arena *arena, lb_data_options *out,
                      lb_error *err)
{
    const char *const colon = strchr(word, ':');
    const lb_source *source;

    if (!colon || !colon[1])
        return lb_raise(err, LB_ERR_INPUT,
                        "'%.200s' names no data; write SOURCE:PATH, as in "
                        "idx:data/fashion-mnist",
                        word);
    const char *const name = lb_arena_copy_chars(arena, word, (size_t)(colon - word));
    const char *const path = lb_arena_copy_text(arena, colon + 1);
    if (!name || !path)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for '%.200s'", word);
    LB_TRY(lb_data_find_source(name, &source, err));
    lb_data_options options = {.labels = 1};
    LB_TRY(lb_keys_defaults(lb_data_keys, &options, arena, err));
    options.source = source->name;
    options.path = path;
    *out = options;
    return LB_OK;
}

static int largest(const lb_part *part, int *at)
{
    int most = -1;

    for (int i = 0; i < part->n; i++) {
        if (part->label[i] > most) {
            most = part->label[i];
            *at = i;
        }
    }
    return most;
}

static lb_code check_signs(const lb_part *part, const char *name, lb_error *err)
{
    for (int i = 0; i < part->n; i++)
        if (part->label[i] < 0)
            return lb_raise(err, LB_ERR_INPUT,
                            "%s: label %d at index %d is out of range; labels count "
                            "from 0",
                            name, part->label[i], i);
    return LB_OK;
}

/* How many different labels there are below `most` + 1. */
static lb_code count_used(const lb_part *part, int most, int *used, lb_error *err)
{
    uint8_t *const seen = lb_heap_take((size_t)most + 1);

    if (!seen)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to count %d classes", most + 1);
    *used = 0;
    for (int i = 0; i < part->n; i++) {
        *used += !seen[part->label[i]];
        seen[part->label[i]] = 1;
    }
    lb_heap_give(seen);
    return LB_OK;
}

lb_code lb_content_count_classes(lb_content *content, const char *train_name,
                                 const char *test_name, lb_error *err)
{
    enum { MOST_CLASSES = 65536 };
    int at_train = 0, at_test = 0, used = 0;

    LB_TRY(check_signs(&content->train, train_name, err));
    LB_TRY(check_signs(&content->test, test_name, err));
    const int train = largest(&content->train, &at_train);
    const int test = largest(&content->test, &at_test);
    if (train >= MOST_CLASSES)
        return lb_raise(err, LB_ERR_INPUT,
                        "%s: label %d at index %d is out of range; it must be below %d",
                        train_name, train, at_train, MOST_CLASSES);
    if (test > train)
        return lb_raise(err, LB_ERR_INPUT,
                        "%s: label %d at index %d is out of range; the training labels "
                        "are 0 to %d",
                        test_name, test, at_test, train);
    LB_TRY(count_used(&content->train, train, &used, err));
    if (used < (train + 1 + 1) / 2)
        return lb_raise(err, LB_ERR_INPUT,
                        "%s: label %d at index %d is out of range; only %d of the %d "
                        "classes up to it occur",
                        train_name, train, at_train, used, train + 1);
    content->n_classes = train + 1;
    return LB_OK;
}

lb_code lb_data_check_content(const lb_content *content, const char *path, lb_error *err)
{
    enum { MOST_VALUES = 1 << 26 };
    char text[LB_SHAPE_TEXT];
    size_t n;

    if (!lb_shape_count(&content->shape, &n) || n == 0 || n > MOST_VALUES)
        return lb_raise(err, LB_ERR_INPUT, "%s: samples of shape %s are not possible",
                        path, lb_shape_text(&content->shape, text));
    if (content->train.n < 1)
        return lb_raise(err, LB_ERR_INPUT, "%s: there is no training sample", path);
    return LB_OK;
}
