/* data_int.h: what the files of this room share. */
#ifndef LB_DATA_DATA_INT_H
#define LB_DATA_DATA_INT_H

#include "base/file.h"
#include "data/data.h"

/* Above this no file of a data set is read. */
#define LB_DATA_MOST_BYTES ((size_t)1 << 34)

/* Checks both label arrays and counts the classes: none below 0, none in the test part
 * that training does not reach, and most of the classes in use (one broken label would
 * otherwise make hundreds). The names are for messages. */
lb_code lb_content_count_classes(lb_content *content, const char *train_name,
                                 const char *test_name, lb_error *err) LB_MUST_USE;

/* An idx file in memory: the path is for messages and set by the caller. */
typedef struct lb_idx {
    const char *path;
    int rank, dim[4];
    const uint8_t *data;
    size_t n; /* bytes of data */
} lb_idx;
lb_code lb_idx_parse(lb_bytes bytes, lb_idx *out, lb_error *err) LB_MUST_USE;

/* Whether this shape can be augmented so; NULL, or what is wrong with it. */
const char *lb_augment_problem(const lb_augment *augment, const lb_shape *shape);

/* Writes the augmented sample: source is one sample as stored. */
void lb_augment_write(const lb_augment *augments, int n, const lb_shape *shape,
                      lb_rng *rng, lb_dtype dtype, const void *source, float *out);

/* One sample of a part, widened. */
void lb_part_sample(const lb_part *part, size_t sample_size, int i, float *out);

/* The row of the table of sources; else a message with the nearest name. */
lb_code lb_data_find_source(const char *name, const lb_source **out,
                            lb_error *err) LB_MUST_USE;
/* Samples of this shape are possible, and there is one to train with. */
lb_code lb_data_check_content(const lb_content *content, const char *path,
                              lb_error *err) LB_MUST_USE;

/* split.c: which samples are for what, and which labels are told: fills in n, sample,
 * train_label, n_unlabelled and unlabelled. */
lb_code lb_data_split(lb_data *data, lb_arena *arena, lb_error *err) LB_MUST_USE;

/* unlabelled.c: opens further samples and holds them against the data's. *same: they are
 * the data's own; nothing is opened then. */
lb_code lb_data_open_unlabelled(const lb_data *data, lb_arena *arena, lb_part *out,
                                bool *same, lb_error *err) LB_MUST_USE;

/* class_names.c: marks the classes that the words name: [n_classes], NULL for no words.
 * key: what the list is called in messages. */
lb_code lb_data_mark_classes(const lb_class_words *words, const char *key,
                             const lb_content *content, lb_arena *arena, const bool **out,
                             lb_error *err) LB_MUST_USE;

/* class_names.c: comma-separated names, one for each class; none if text is empty. */
lb_code lb_data_name_classes(const char *text, lb_arena *arena, lb_content *content,
                             lb_error *err) LB_MUST_USE;

#endif
