/* data.h: data sets, their splits, and reproducible views of samples.
 *
 * A source is opened whole into memory (or mapped). Training and validation samples are
 * drawn from the source's training part by the seed; the test part is only for the final
 * figures. A *view* of a sample is the sample after augmentation: a function of (seed,
 * view number, sample number) alone, whatever thread or order. */
#ifndef LB_DATA_DATA_H
#define LB_DATA_DATA_H

#include "base/hash.h"
#include "base/key.h"
#include "base/rng.h"
#include "tensor/tensor.h"

typedef enum lb_split { LB_TRAIN, LB_VALIDATION, LB_TEST, LB_N_SPLITS } lb_split;

typedef enum lb_flip { LB_FLIP_NONE, LB_FLIP_HORIZONTAL, LB_FLIP_VERTICAL } lb_flip;

/* What is done to a training view, in the recipe's order. */
typedef enum lb_augment_kind {
    LB_AUGMENT_SHIFT,
    LB_AUGMENT_FLIP,
    LB_AUGMENT_CROP
} lb_augment_kind;
typedef struct lb_augment {
    lb_augment_kind kind;
    int pixels; /* shift: at most this many each way; crop: padding before a random crop
                   back to the size */
    lb_flip flip;
} lb_augment;
enum { LB_MAX_AUGMENTS = 8 };

/* Further samples to train with, whose labels are not read. */
typedef struct lb_unlabelled {
    const char *source; /* NULL or empty: that of the data */
    const char *path;   /* NULL: there are none */
    double fraction;    /* of its training part */
} lb_unlabelled;

/* Classes, each by its name or its number. */
typedef struct lb_class_words {
    int n;
    const char *const *word;
} lb_class_words;

typedef struct lb_data_options {
    const char *source; /* "idx", "npy" */
    const char *path;
    const char *class_names; /* comma-separated, or NULL */
    double fraction;         /* of the training part that is used, 0..1 */
    double validation; /* below 1 a share of what is used, else a number of samples */
    double labels; /* share of training samples that keep their label: all is 1, none 0 */
    lb_unlabelled unlabelled;
    lb_class_words hidden;  /* their samples keep their place, without a label */
    lb_class_words omitted; /* their samples are neither trained with nor validated */
    lb_augment augment[LB_MAX_AUGMENTS];
    int n_augment;
} lb_data_options;

/* Rows: source, path, fraction, validation. `labels`, `unlabelled`, the lists of classes
 * and `augment` have forms of their own and are read by the recipe. */
extern const lb_key lb_data_keys[];
extern const lb_key lb_unlabelled_keys[]; /* source, path, fraction: into lb_unlabelled */

/* One part of a source, in memory. Values as stored: 0..255 for images. */
typedef struct lb_part {
    int n;
    lb_dtype dtype;       /* LB_U8 or LB_F32 */
    const void *value;    /* [n, sample shape] */
    const int32_t *label; /* [n], -1: none; NULL: no labels at all */
} lb_part;

/* A kind of source; rows of sources.def. */
typedef struct lb_content {
    lb_shape shape;                 /* of a sample: [C,H,W], [C,L] or [D] */
    int n_classes;                  /* 0 if there are no labels */
    const char *const *class_names; /* NULL: numbers */
    lb_part train, test;
    bool is_image; /* values are 0..255 */
} lb_content;
typedef struct lb_source {
    const char *name, *help;
    /* Everything lives in the arena. Messages start with the file's path. */
    lb_code (*open)(const char *path, lb_arena *arena, lb_content *out, lb_error *err);
    /* The training samples alone, without labels: no other file need be there. */
    lb_code (*open_samples)(const char *path, lb_arena *arena, lb_content *out,
                            lb_error *err);
} lb_source;
extern const lb_source *const lb_sources[]; /* ends with NULL */
const lb_source *lb_source_find(const char *name);

typedef struct lb_data {
    lb_content content;
    lb_data_options options;
    uint64_t seed;
    int n[LB_N_SPLITS];
    const int32_t *sample[LB_N_SPLITS]; /* index within the part, in split order */
    const int32_t *train_label; /* of each training sample, -1 where it was taken away */
    int n_unlabelled;   /* that options.unlabelled brought: the last of the training
                           samples. All others are in the source's order before them */
    lb_part unlabelled; /* where they are from; numbered behind content.train. Empty if
                           they are what was left of content.train itself */
    const bool *hidden, *omitted; /* [n_classes]; NULL: no class is */
    lb_digest digest; /* of the content, the split and the augmentation: names a cache */
} lb_data;

/* Opens, splits by the seed and checks (labels in range, sizes, names of classes). Lives
 * in the arena. Where options.unlabelled names the data's own folder, its samples are
 * those that neither training nor validation took. */
lb_code lb_data_open(const lb_data_options *options, uint64_t seed, lb_arena *arena,
                     lb_data **out, lb_error *err) LB_MUST_USE;

/* "idx:/usr/share/datasets/fashion-mnist" to options with the usual values. */
lb_code lb_data_parse(const char *word, lb_arena *arena, lb_data_options *out,
                      lb_error *err) LB_MUST_USE;

/* Label of sample i of a split; -1 if it has none. The labels of hidden classes are told
 * of the test split alone. */
int lb_data_label(const lb_data *data, lb_split split, int i);

/* How many training samples have a label. */
int lb_data_labelled(const lb_data *data);

/* Sample i of a split as stored, widened to float: [C,H,W]. */
void lb_data_sample(const lb_data *data, lb_split split, int i, float *out);

/* The view of a training sample: f(seed, view, sample). Other splits are never changed.
 */
void lb_data_view(const lb_data *data, int i, int view, float *out);

/* How a network wants its input: value / 255 or as stored, then (x - mean) / std for each
 * channel, channels first or last. */
typedef enum lb_pixels { LB_PIXELS_UNIT, LB_PIXELS_RAW } lb_pixels;
typedef enum lb_order { LB_CHANNELS_FIRST, LB_CHANNELS_LAST } lb_order;
typedef struct lb_input_options {
    int pixels;           /* lb_pixels */
    lb_numbers mean, std; /* n: 0 (none), 1 or the channels */
    int layout;           /* lb_order; found from the graph's input where it is clear */
} lb_input_options;
extern const lb_key lb_input_keys[]; /* pixels, mean, std, layout */

/* mean and std: none, one, or as many as the samples have channels; std above 0. */
lb_code lb_input_check(const lb_input_options *options, const lb_shape *shape,
                       lb_error *err) LB_MUST_USE;

/* One view as the network wants it. shape: [C,H,W] of `from`. */
void lb_input_write(const lb_input_options *options, const lb_shape *shape,
                    const float *from, float *to);

#endif
