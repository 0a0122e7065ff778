/* teacher.h: what the teacher says about a batch, live or from its cache.
 *
 * The cache holds the teacher's logits for a few fixed views of every training sample in
 * one mapped file whose header names teacher, data, preprocessing, augmentation and views
 * by content. They are stored as they are (fp32), or as recipes ask for by name: rounded
 * (fp16), or the `top` K of C classes and a remainder that the other C - K share evenly
 * (teacher_rows.c has the formula). A cache that does not match is made anew, never used;
 * a few rows are checked against the live teacher on every load. */
#ifndef LB_DISTILL_TEACHER_H
#define LB_DISTILL_TEACHER_H

#include "base/log.h"
#include "data/loader.h"
#include "distill/ensemble.h"
#include "engine/plan.h"

typedef enum lb_cache_store {
    LB_CACHE_NONE,
    LB_CACHE_FP32,
    LB_CACHE_FP16
} lb_cache_store;

typedef struct lb_teacher_options {
    const char *onnx;   /* path, or NULL */
    const char *recipe; /* trained by this recipe first if `onnx` is missing; or NULL */
    const char *name;   /* what the recipe calls it; or NULL */
    lb_input_options input;
    int views; /* cache.views; 0: no fixed views */
    int store; /* cache.store: fp32, fp16, or none (live over the same fixed views) */
    int top;   /* cache.top: classes that are kept of each row; 0: all */
    const int *classes; /* [n_classes] which output each class of the data is, all
                           different; NULL: the outputs are the data's classes */
    int n_classes;
    const char *class_file; /* or a file that names the outputs, one a line; or NULL */
    double weight;          /* among several, not normalised */
} lb_teacher_options;
extern const lb_key lb_teacher_keys[]; /* onnx, recipe, name */
extern const lb_key lb_cache_keys[];   /* views, store, top */
extern const lb_key lb_member_keys[];  /* weight */
extern const lb_key
    lb_ensemble_keys[]; /* combine, weights, correct_only: into lb_ensemble
                         */

typedef struct lb_teacher lb_teacher;

/* The logits of a network: its first output, or what a closing Softmax makes it from. */
lb_value lb_teacher_logits_of(const lb_graph *graph);

/* Puts the data's classes in place of the teacher's: the graph's one output becomes
 * logits [N,n], column i being the teacher's logit classes[i]. The other logits are
 * dropped before a closing Softmax, which goes, too. */
lb_code lb_teacher_map_classes(lb_graph *graph, const int *classes, int n,
                               lb_error *err) LB_MUST_USE;

/* The same map by name: [classes of the data], each the number of the line, from 0, that
 * names it in the file. Lives in the arena. */
lb_code lb_teacher_find_classes(const char *path, const lb_content *content,
                                lb_arena *arena, const int **out,
                                lb_error *err) LB_MUST_USE;

/* graph: inference form, one input [N,...], logits [N,classes] first among the outputs
 * (probabilities become log-probabilities); borrowed. cache_folder: where cache files
 * lie. batch: the training batch. */
typedef struct lb_teacher_setup {
    const lb_teacher_options *options;
    const lb_graph *graph;
    const lb_value *taps; /* values of the graph that are wanted, too: the teacher runs
                             live, over the same views, and no cache is made or read */
    int n_taps;
    bool taps_only;         /* nobody wants logits: the network runs up to the last tap */
    lb_digest graph_digest; /* of the teacher's file */
    const lb_data *data;
    lb_pool *pool;
    lb_kernels kernels;
    bool conv_direct; /* no Winograd */
    int batch;
    const char *cache_folder;
    lb_log log;
    /* Called while the cache is being filled; returning false stops. May be NULL. */
    bool (*progress)(void *arg, int done, int total);
    void *progress_arg;
} lb_teacher_setup;
lb_code lb_teacher_open(const lb_teacher_setup *setup, lb_arena *arena, lb_teacher **out,
                        lb_error *err) LB_MUST_USE;
void lb_teacher_close(lb_teacher *teacher); /* takes NULL */

/* Several open teachers of the same data, classes and batch as one, which owns them from
 * now on; after a failure they are still the caller's. One alone is returned as it is. A
 * member may be NULL if it is never asked: no logits are, and no tap of it; not all. */
lb_code lb_teacher_join(lb_teacher *const *members, int n, lb_arena *arena,
                        lb_teacher **out, lb_error *err) LB_MUST_USE;
/* How many there are; 1 for a teacher that was not joined. */
int lb_teacher_voices(const lb_teacher *teacher);

/* Logits for the batch: those of member k for row i at out + (i * voices + k) * classes.
 * With taps_only out is NULL. */
void lb_teacher_logits(lb_teacher *teacher, const lb_batch *batch, float *out);

/* What tap k of setup.taps of that member (0: a teacher alone) gave for sample i of the
 * batch that was asked last: plain and contiguous, of the tap's shape; borrowed until the
 * next call. */
const float *lb_teacher_tap(const lb_teacher *teacher, int member, int k, int i);

/* The plan by which member k answers, to be measured; NULL if its answers come from the
 * cache. */
lb_plan *lb_teacher_live_plan(lb_teacher *teacher, int k);

/* True if the graph ended in Softmax and its log-probabilities are used as logits. */
bool lb_teacher_was_softmax(const lb_teacher *teacher);

#endif
