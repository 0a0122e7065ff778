/* recipe_int.h: what the files of this room share. */
#ifndef LB_RECIPE_RECIPE_INT_H
#define LB_RECIPE_RECIPE_INT_H

#include "recipe/reader.h"
#include "recipe/recipe.h"

extern const lb_key lb_recipe_keys[];  /* name, seed: into lb_recipe */
extern const lb_key lb_student_keys[]; /* model, onnx, depth, init */
extern const lb_key lb_head_keys[];    /* head, reduction */
extern const lb_key lb_width_key;      /* a number; `fit` is the reader's */
extern const lb_key lb_depth_key;      /* the same */
extern const lb_key lb_labels_key;     /* a share; `all`, `none` are the reader's */
extern const lb_key lb_shift_key, lb_crop_key, lb_flip_key; /* into lb_augment */
extern const lb_key lb_weight_key;                          /* into lb_term */

extern const lb_key lb_first_key, lb_end_key; /* of a term's epochs */

/* recipe_taps.c: the layers of a term, `of`, `teacher` and `student`; after the teachers.
 */
void lb_read_taps(lb_reader *r, const lb_tree *item, const lb_recipe *recipe,
                  lb_term *term);

/* recipe_ramp.c: numbers that change while training goes on. */
/* The keys of a number that changes: those of lb_ramp, with the range of `key`. */
typedef struct lb_ramp_rows {
    lb_key key[6];
} lb_ramp_rows;
lb_ramp_rows lb_ramp_rows_of(const lb_key *key);
/* {from: 1, to: 0, over: 10} or {warmup: 20}. `key` is the number's own row; usual: where
 * it ends if nothing is said. */
void lb_read_ramp(lb_reader *r, const lb_tree *map, const lb_key *key, double usual,
                  lb_ramp *ramp);
/* A term's `epochs: 0..5`. */
void lb_read_epochs(lb_reader *r, const lb_tree *value, lb_term *term);

/* recipe_weight.c: a term's weight that is no number: a map, or the word auto. */
bool lb_weight_is_word(const lb_tree *value);
void lb_read_weight(lb_reader *r, const lb_tree *map, const lb_key *key, lb_term *term);
/* A weight that is found needs a loss beside it whose weight is not. list: of the n
 * terms.
 */
void lb_check_balance(lb_reader *r, const lb_tree *list, const lb_term *terms, int n);
/* Sets the weight by its preset, after all other settings of the term have been read. */
void lb_weigh_preset(lb_reader *r, const lb_tree *item, lb_term *term);

typedef struct lb_export_name {
    const char *name;
    lb_export bit;
} lb_export_name;
extern const lb_export_name lb_export_names[]; /* ends with a row without a name */

/* A finding if the map names a file by this key that is not there. */
void lb_check_file(lb_reader *r, const lb_tree *map, const char *key, const char *path);

/* Each reads one part of the tree into the recipe, findings for every mistake. */
void lb_read_data(lb_reader *r, const lb_tree *root, lb_recipe *recipe);
void lb_read_teacher(lb_reader *r, const lb_tree *root, lb_recipe *recipe);
void lb_read_student(lb_reader *r, const lb_tree *root, lb_recipe *recipe);
void lb_read_device(lb_reader *r, const lb_tree *root, lb_recipe *recipe);
void lb_read_terms(lb_reader *r, const lb_tree *root, lb_recipe *recipe);
void lb_read_train(lb_reader *r, const lb_tree *root, lb_recipe *recipe);
/* After all of the above. */
void lb_read_stages(lb_reader *r, const lb_tree *root, lb_recipe *recipe);
/* Whether the losses at the top are read: they are somebody's. */
bool lb_stages_need_top(const lb_tree *root);
/* recipe_prune.c: `prune` of it; after the stages, to which it adds. */
void lb_read_prune(lb_reader *r, const lb_tree *value, lb_recipe *recipe);
/* recipe_compress.c: after the stages. */
void lb_read_compress(lb_reader *r, const lb_tree *root, lb_recipe *recipe);
void lb_read_exports(lb_reader *r, const lb_tree *root, lb_recipe *recipe);

#endif
