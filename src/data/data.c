/* data.c: opens a source, splits it by the seed, and hands out samples and views. */
#include "data/data_int.h"

#include <string.h>

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
