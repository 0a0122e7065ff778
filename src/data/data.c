/* data.c: opens a source, splits it by the seed, and hands out samples and views. */
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

static lb_code check_augments(const lb_data_options *options, const lb_shape *shape,
                              lb_error *err)
{
    static const char *const names[] = {"shift", "flip", "crop"};
    char text[LB_SHAPE_TEXT];

    for (int i = 0; i < options->n_augment; i++) {
        const lb_augment *const augment = &options->augment[i];
        const char *const problem = lb_augment_problem(augment, shape);
        if (problem)
            return lb_raise(err, LB_ERR_INPUT,
                            "augment: %s does not fit samples of shape %s: %s",
                            names[augment->kind], lb_shape_text(shape, text), problem);
    }
    return LB_OK;
}

static size_t sample_size(const lb_data *data)
{
    size_t n = 0;

    (void)lb_shape_count(&data->content.shape, &n); /* checked by lb_data_open */
    return n;
}

/* The part that sample i of a split lies in, and where it lies there. */
static const lb_part *part_of(const lb_data *data, lb_split split, int i, int *at)
{
    const int own = data->content.train.n;

    *at = data->sample[split][i];
    if (split == LB_TEST)
        return &data->content.test;
    if (*at < own)
        return &data->content.train;
    *at -= own;
    return &data->unlabelled;
}

static lb_digest digest_of(const lb_data *data)
{
    const lb_data_options *const o = &data->options;
    const lb_dtype dtype = data->content.train.dtype;
    const size_t bytes = sample_size(data) * lb_dtype_size(dtype);
    char shape[LB_SHAPE_TEXT];
    lb_hash hash;

    lb_hash_init(&hash);
    lb_hash_add_text(&hash, "limbeck data 1");
    lb_hash_add_text(&hash, lb_dtype_name(dtype));
    lb_hash_add_text(&hash, lb_shape_text(&data->content.shape, shape));
    lb_hash_add(&hash, &data->content.n_classes, sizeof data->content.n_classes);
    lb_hash_add(&hash, &data->seed, sizeof data->seed);
    lb_hash_add(&hash, &data->n[LB_TRAIN], sizeof data->n[LB_TRAIN]);
    for (int i = 0; i < o->n_augment; i++) {
        const int32_t row[3] = {(int32_t)o->augment[i].kind, o->augment[i].pixels,
                                (int32_t)o->augment[i].flip};
        lb_hash_add(&hash, row, sizeof row);
    }
    for (int i = 0; i < data->n[LB_TRAIN]; i++) {
        int at;
        const lb_part *const part = part_of(data, LB_TRAIN, i, &at);
        lb_hash_add(&hash, &data->sample[LB_TRAIN][i], sizeof data->sample[LB_TRAIN][i]);
        lb_hash_add(&hash, &data->train_label[i], sizeof data->train_label[i]);
        lb_hash_add(&hash, (const char *)part->value + (size_t)at * bytes, bytes);
    }
    return lb_hash_end(&hash);
}

lb_code lb_data_open(const lb_data_options *options, uint64_t seed, lb_arena *arena,
                     lb_data **out, lb_error *err)
{
    const lb_source *source;
    lb_data *const data = LB_TAKE(arena, lb_data);

    if (!data)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for data");
    if (!options->source || !options->path)
        return lb_raise(err, LB_ERR_INPUT, "data needs a source and a path");
    data->options = *options;
    data->seed = seed;
    LB_TRY(lb_data_find_source(options->source, &source, err));
    LB_TRY(source->open(options->path, arena, &data->content, err));
    LB_TRY(lb_data_check_content(&data->content, options->path, err));
    LB_TRY(check_augments(options, &data->content.shape, err));
    LB_TRY(lb_data_name_classes(options->class_names, arena, &data->content, err));
    LB_TRY(lb_data_mark_classes(&options->hidden, "hidden_classes", &data->content, arena,
                                &data->hidden, err));
    LB_TRY(lb_data_mark_classes(&options->omitted, "omitted_classes", &data->content,
                                arena, &data->omitted, err));
    LB_TRY(lb_data_split(data, arena, err));
    data->digest = digest_of(data);
    *out = data;
    return LB_OK;
}

int lb_data_label(const lb_data *data, lb_split split, int i)
{
    int at;

    if (split == LB_TRAIN)
        return data->train_label[i];
    const lb_part *const part = part_of(data, split, i, &at);
    const int label = part->label ? part->label[at] : -1;
    const bool hidden = split == LB_VALIDATION && data->hidden && label >= 0;
    return hidden && data->hidden[label] ? -1 : label;
}

int lb_data_labelled(const lb_data *data)
{
    int n = 0;

    for (int i = 0; i < data->n[LB_TRAIN]; i++)
        n += data->train_label[i] >= 0;
    return n;
}

void lb_part_sample(const lb_part *part, size_t size, int i, float *out)
{
    const size_t at = (size_t)i * size;

    if (part->dtype == LB_F32) {
        memcpy(out, (const float *)part->value + at, size * sizeof *out);
        return;
    }
    for (size_t k = 0; k < size; k++)
        out[k] = (float)((const uint8_t *)part->value)[at + k];
}

void lb_data_sample(const lb_data *data, lb_split split, int i, float *out)
{
    int at;
    const lb_part *const part = part_of(data, split, i, &at);

    lb_part_sample(part, sample_size(data), at, out);
}

void lb_data_view(const lb_data *data, int i, int view, float *out)
{
    int at;
    const lb_part *const part = part_of(data, LB_TRAIN, i, &at);
    const size_t bytes = sample_size(data) * lb_dtype_size(part->dtype);
    const uint64_t number = (uint64_t)data->sample[LB_TRAIN][i];

    if (data->options.n_augment == 0) {
        lb_data_sample(data, LB_TRAIN, i, out);
        return;
    }
    lb_rng rng = lb_rng_make(data->seed, LB_RNG_VIEW, (uint64_t)view, number);
    lb_augment_write(data->options.augment, data->options.n_augment, &data->content.shape,
                     &rng, part->dtype, (const char *)part->value + (size_t)at * bytes,
                     out);
}
