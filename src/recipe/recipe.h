/* recipe.h: reads a recipe (YAML) into the rooms' option structs. Strict: every mistake
 * is reported at once, each with line and column and the nearest valid name. */
#ifndef LB_RECIPE_RECIPE_H
#define LB_RECIPE_RECIPE_H

#include "compress/prune.h"
#include "compress/qat.h"
#include "compress/quantize.h"
#include "device/device.h"
#include "emit/emit.h"
#include "train/train.h"

typedef enum lb_head { LB_HEAD_OWN, LB_HEAD_TEACHER } lb_head;

enum { LB_DEPTH_FIT = -1 };

typedef struct lb_student_options {
    const char *model; /* built-in name, or NULL */
    const char *onnx;  /* path, or NULL */
    double width;      /* 0: fit */
    int depth;         /* 0: usual; LB_DEPTH_FIT */
    const char *init;  /* path of an .onnx with initial weights, or NULL */
    int head;          /* lb_head; of built-in models */
    int reduction;     /* of the projector before the teacher's head */
    lb_input_options input;
} lb_student_options;

typedef enum lb_export {
    LB_EXPORT_ONNX = 1,
    LB_EXPORT_C = 2,
    LB_EXPORT_REPORT = 4,
    LB_EXPORT_USUAL = 7, /* where nothing is said */
    LB_EXPORT_TFLITE = 8 /* of the student in int8 */
} lb_export;

typedef struct lb_recipe {
    const char *path; /* of the file; relative paths inside were taken from its folder */
    const char *name;
    uint64_t seed;
    lb_data_options data;
    bool has_teacher;
    lb_teacher_options teacher[LB_MAX_TEACHERS];
    lb_ensemble ensemble; /* n of them, at least 1 with a teacher */
    lb_student_options student;
    lb_device_options device;
    lb_term term[LB_MAX_TERMS];
    int n_terms; /* without a teacher and a distill list: one `ce` of weight 1 */
    lb_train_options train;
    lb_stage *stage; /* [n_stages]; with stages, term and train are those of the last one
                        that pruning has not added */
    int n_stages;    /* 0: the recipe has none */
    int n_taught;    /* of them, before those that pruning adds: all without */
    lb_prune_options prune; /* amount 0: nothing is pruned */
    bool int8;              /* the student becomes int8 when it is trained */
    lb_quantize_options quantize;
    lb_qat_options qat;
    unsigned exports;             /* lb_export */
    lb_firmware_options firmware; /* of LB_EXPORT_C */
} lb_recipe;

/* sets: "train.epochs=3" overrides, n_sets of them; mistakes in them are reported as
 * "--set train.epohs=3: ...". Lives in the arena. */
lb_code lb_recipe_load(const char *path, const char *const *sets, int n_sets,
                       lb_arena *arena, lb_recipe **out, lb_error *err) LB_MUST_USE;
/* The same from memory; `path` is for messages, and for what relative paths begin at. */
lb_code lb_recipe_parse(const char *path, const char *chars, size_t n,
                        const char *const *sets, int n_sets, lb_arena *arena,
                        lb_recipe **out, lb_error *err) LB_MUST_USE;

/* The recipe with every default written out; loading it gives the same recipe. Paths are
 * made absolute. NULL without memory. */
const char *lb_recipe_text(const lb_recipe *recipe, lb_arena *arena);

/* A training as the value of `train`: "{epochs: 3, ..., schedule: {cosine: {...}}}". NULL
 * without memory. */
const char *lb_recipe_train_text(const lb_train_options *train, lb_arena *arena);

/* Of all its stages. */
int lb_recipe_epochs(const lb_recipe *recipe);

/* For help, docs and completion: calls `row` for every key with its full name
 * ("train.optimizer.sgd.lr"). */
void lb_recipe_each_key(void (*row)(void *arg, const char *full_name, const lb_key *key),
                        void *arg);

#endif
