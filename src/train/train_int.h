/* train_int.h: what the files of train/ share.
 *
 * feed.c writes samples into a plan, lesson.c makes the plan of one training step, step.c
 * runs it, probe.c one that tells how much each loss pulls, ledger.c keeps what happened,
 * checkpoint.c stores the ledger and the weights, evaluate.c measures, weights.c copies
 * weights, session.c opens it all, shrink.c
 * cuts the student between stages, loop.c runs it. Beside it extract.c reads layers of a
 * network, cka.c and alignment.c compare them. */
#ifndef LB_TRAIN_TRAIN_INT_H
#define LB_TRAIN_TRAIN_INT_H

#include "engine/plan.h"
#include "train/train.h"

/* feed.c: samples on their way into a plan's input, spread over a pool. */
typedef struct lb_feed {
    lb_input_options options;
    lb_shape shape; /* of a sample, as the data has it */
    size_t n;       /* its elements */
    lb_dtype dtype; /* of the plan's input */
    lb_pool *pool;
    float *scratch; /* [threads][2][n] */
} lb_feed;

lb_code lb_feed_init(lb_feed *feed, const lb_graph *graph,
                     const lb_input_options *options, const lb_data *data, lb_pool *pool,
                     lb_arena *arena, lb_error *err) LB_MUST_USE;
/* Sample i of the plan's input becomes pixels + i * n, for i below n_samples. */
void lb_feed_pixels(const lb_feed *feed, lb_plan *plan, lb_value input,
                    const float *pixels, int n_samples);
/* The plan's samples 0..n_samples-1 become those of the split from `first` on. */
void lb_feed_split(const lb_feed *feed, lb_plan *plan, lb_value input,
                   const lb_data *data, lb_split split, int first, int n_samples);

/* A layer of a teacher that the losses look at. */
typedef struct lb_feature {
    int voice, tap; /* the teacher's number; its place among that teacher's taps */
    lb_value of;    /* of the teacher's graph */
    lb_value input; /* of the lesson's */
    size_t n;       /* elements of a sample */
} lb_feature;

/* stage.c: what of the student a stage teaches. */
/* Refuses losses that look at layers behind the one that the student runs to. */
lb_code lb_stage_check_until(const lb_stage *stage, const lb_graph *student,
                             lb_error *err) LB_MUST_USE;

/* lesson.c, step.c: one training step, compiled. */
typedef struct lb_lesson {
    lb_graph *graph; /* the student and all that trains it */
    lb_plan *plan;
    lb_dtype dtype;
    int batch, classes, n_terms;
    int n_voices;                              /* teachers that are heard, at least 1 */
    lb_value input, labels, rate;              /* {0}: not used */
    lb_value voice[LB_MAX_TEACHERS];           /* their logits; the first {0}: not used */
    lb_value logits, loss, term[LB_MAX_TERMS]; /* logits {0}: the losses do without */
    const lb_term *terms;                      /* borrowed */
    lb_dials dials;
    double found[LB_MAX_TERMS]; /* weights that are found while training goes on */
    int n_features;
    lb_feature *feature; /* teacher by teacher, in the order of lb_taps_of_teacher */
    int n_params, n_velocities;
    int n_helpers;      /* of the params, the last ones: the losses' own, no student's */
    lb_tensor **param;  /* of the student, trained or not, in value order */
    lb_tensor **before; /* as they were before the step that is under way */
    lb_tensor **velocity; /* of the trained ones, in value order */
} lb_lesson;

/* student: of the precision that is trained in; borrowed. */
lb_code lb_lesson_open(const lb_train_setup *setup, const lb_graph *student, int classes,
                       lb_arena *arena, lb_lesson *out, lb_error *err) LB_MUST_USE;
void lb_lesson_close(lb_lesson *lesson);
/* Whether the losses look at the teacher at all. */
bool lb_lesson_listens(const lb_lesson *lesson);
/* What the teachers say of each sample: voice k of row i at
 * rows + (i * n_voices + k) * classes. */
void lb_lesson_hear(lb_lesson *lesson, const float *rows);
/* Takes over what the teachers' layers gave for the batch that they were asked last. */
void lb_lesson_see(lb_lesson *lesson, const lb_teacher *teacher, lb_pool *pool);
/* The input has been fed, and the teacher heard. labels: [batch]. epoch: of the stage, in
 * fractions, for what changes with it. Returns the loss. */
double lb_lesson_run(lb_lesson *lesson, const int32_t *labels, double rate, double epoch);
double lb_lesson_term(const lb_lesson *lesson, int i);
/* Counts the labelled samples of the batch, and those that were answered right. */
void lb_lesson_score(const lb_lesson *lesson, const int32_t *labels, int64_t *labelled,
                     int64_t *correct);
/* After a loss that is not finite: puts the weights back to what they were before the
 * step, and returns the first node with such a value, or NULL. */
const lb_node *lb_lesson_blame(lb_lesson *lesson);
/* The weight of term i at that time, found or its own; 0 outside its epochs. */
double lb_lesson_weight(const lb_lesson *lesson, int i, double epoch);
/* Writes the labels and the numbers that change into the plan, which lb_lesson_run does,
 * too. */
void lb_lesson_set(lb_lesson *lesson, const int32_t *labels, double epoch);

/* What a lesson is made of, for a plan of another purpose over the same losses. */
/* The student in training form, inputs and losses; the graph's outputs are the loss and
 * the terms. b: to go on with. Close the lesson whatever happens. */
lb_code lb_lesson_begin(lb_lesson *lesson, const lb_train_setup *setup,
                        const lb_graph *student, int classes, lb_builder *b,
                        lb_error *err) LB_MUST_USE;
/* Drops what no output needs, and rewrites the backward pass, which is behind
 * lesson->loss. */
lb_code lb_lesson_finish(lb_lesson *lesson, lb_builder *b, lb_error *err) LB_MUST_USE;
lb_code lb_lesson_compile(lb_lesson *lesson, const lb_train_setup *setup,
                          lb_error *err) LB_MUST_USE;

/* probe.c: how long the gradient of each term is, over the student's parameters that are
 * trained: a plan of a training step's size over the same parameters, which it only
 * reads. No running statistic follows it, and no bit of the training depends on it. */
typedef struct lb_probe {
    lb_lesson lesson;            /* whose loss is the masked sum of the terms */
    lb_value mask[LB_MAX_TERMS]; /* 1: the term counts, 0: it does not */
    int n_grads;
    lb_value *grad, *of; /* of each parameter that some term reaches; and which it is */
    double *row;         /* room for the largest of them */
} lb_probe;

/* lesson: opened with the same setup and student; its parameters are borrowed. */
lb_code lb_probe_open(const lb_train_setup *setup, const lb_graph *student,
                      const lb_lesson *lesson, lb_arena *arena, lb_probe *out,
                      lb_error *err) LB_MUST_USE;
void lb_probe_close(lb_probe *probe);
/* For the batch that the lesson has been fed and has heard, and that lb_lesson_set was
 * told of: norm[i] becomes the Euclidean length of the gradient of term i, without its
 * weight, where wanted[i]; else 0. */
void lb_probe_run(lb_probe *probe, const lb_lesson *lesson, const bool *wanted,
                  double *norm);

/* The same, but returns the weighted sum of the terms; grad[v] becomes its gradient by
 * the parameter v of the student, for those in probe->of. Tensors of the lesson's
 * precision; NULL: the sum alone is wanted. */
double lb_probe_gradient(lb_probe *probe, const lb_lesson *lesson, double epoch,
                         lb_tensor *const *grad);

/* The logits of a network: its first output, or what a closing Softmax, held in int8 or
 * not, makes it from. */
lb_value lb_logits_of(const lb_graph *graph);

/* oracle.c: the teacher in float64, for precision: float64. */
typedef struct lb_oracle {
    int n; /* voices; 0: there is no oracle */
    struct lb_oracle_voice {
        lb_graph *graph;
        lb_plan *plan;
        lb_feed feed;
        lb_value in, out; /* out {0}: only the taps are wanted; no plan: not even those
                           */
    } * voice;
} lb_oracle;
/* lesson: whom it is going to tell. */
lb_code lb_oracle_open(const lb_train_setup *setup, const lb_lesson *lesson,
                       lb_arena *arena, lb_oracle *out, lb_error *err) LB_MUST_USE;
/* Tells the lesson what the teacher says of the batch. */
void lb_oracle_ask(const lb_oracle *oracle, const lb_batch *batch,
                   const lb_lesson *lesson);
void lb_oracle_close(lb_oracle *oracle);

/* ledger.c: what has happened so far; with the weights it is all that a run needs to go
 * on to the same bits. */
typedef struct lb_ledger {
    int stage, first;                          /* under way; epochs of those before */
    bool judged;                               /* the stage's best epoch is looked for */
    int epoch, batch;                          /* of the stage's step that comes next */
    int64_t step;                              /* steps of the stage done */
    double seconds, epoch_seconds, epoch_idle; /* over all sittings */
    double loss_sum, term_sum[LB_MAX_TERMS];   /* of the epoch under way */
    double norm[LB_MAX_TERMS]; /* of the terms' gradients at the epoch's first batch */
    lb_balancing balancing[LB_MAX_TERMS]; /* of the weights that are found */
    int64_t labelled, correct;
    int best_epoch; /* -1: none yet */
    double best_accuracy, best_loss;
    int n_reports;
    lb_epoch_report *report; /* room for every epoch */
    lb_tensor **best;        /* [n_params of the lesson] */
} lb_ledger;

/* epochs: of all stages. */
lb_code lb_ledger_init(lb_ledger *ledger, int epochs, lb_arena *arena,
                       lb_error *err) LB_MUST_USE;
/* A stage begins; first: epochs of those before. arena: lives as long as the stage. */
lb_code lb_ledger_begin(lb_ledger *ledger, const lb_lesson *lesson,
                        const lb_train_setup *setup, int first, lb_arena *arena,
                        lb_error *err) LB_MUST_USE;
void lb_ledger_step(lb_ledger *ledger, const lb_lesson *lesson, const int32_t *labels,
                    double loss);
/* The best of the first n epochs over all stages, n > 0; of those in the last one's
 * stage. */
int lb_ledger_best(const lb_ledger *ledger, int n);
/* What an epoch is judged by: validation accuracy; without that split, the training's. */
double lb_ledger_score(const lb_epoch_report *report);
/* Closes the epoch; validation may be NULL. Keeps the weights if they are the best. */
const lb_epoch_report *lb_ledger_epoch(lb_ledger *ledger, const lb_lesson *lesson,
                                       double rate, const lb_metrics *validation);

/* checkpoint.c: everything in one file, replaced atomically. */
enum { LB_CHECKPOINT_VERSION = 5 };
/* For each cut so far, which units went. */
typedef struct lb_mask {
    int n;
    bool *gone;
} lb_mask;
typedef struct lb_masks {
    int n;
    lb_mask mask[LB_MAX_STAGES];
} lb_masks;
typedef struct lb_checkpoint {
    const char *path, *key;
    const lb_lesson *lesson;
    lb_ledger *ledger;
    int epochs, batches;  /* of the stage: bounds for what is read */
    lb_tensor **previous; /* the student as the stage before left it; NULL: not needed */
    lb_masks *masks;
} lb_checkpoint;
/* The stage in which a checkpoint was written, to be opened before it is loaded; 0 if
 * that cannot be told, and loading says why. */
int lb_checkpoint_stage(const char *path, int n_stages);
/* How the student had been cut by then, before any stage is opened; none if that cannot
 * be told, and loading says why. */
lb_code lb_checkpoint_masks(const char *path, const char *key, lb_arena *arena,
                            lb_masks *out, lb_error *err) LB_MUST_USE;
lb_code lb_checkpoint_save(const lb_checkpoint *checkpoint, lb_error *err) LB_MUST_USE;
/* On failure weights and ledger may be half changed. */
lb_code lb_checkpoint_load(const lb_checkpoint *checkpoint, lb_error *err) LB_MUST_USE;

/* evaluate.c: a network, compiled to be measured on a split again and again. */
typedef struct lb_tester lb_tester;
typedef struct lb_tester_setup {
    const lb_graph *graph; /* its params may change between runs */
    const lb_input_options *input;
    const lb_data *data;
    lb_split split;
    lb_pool *pool;
    lb_kernels kernels;
} lb_tester_setup;
lb_code lb_tester_open(const lb_tester_setup *setup, lb_arena *arena, lb_tester **out,
                       lb_error *err) LB_MUST_USE;
/* Borrowed until the next run. other: as in lb_evaluate. */
const lb_metrics *lb_tester_run(lb_tester *tester, const int32_t *other);
void lb_tester_close(lb_tester *tester); /* takes NULL */

#endif
