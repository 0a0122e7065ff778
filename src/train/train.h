/* train.h: the training loop: optimiser, schedule, validation, checkpoints.
 *
 * The loop knows nothing of recipes or reports: it tells what happens through lb_watch.
 */
#ifndef LB_TRAIN_TRAIN_H
#define LB_TRAIN_TRAIN_H

#include "base/log.h"
#include "distill/loss.h"
#include "distill/teacher.h"
#include "engine/timing.h"

typedef enum lb_schedule_kind {
    LB_SCHEDULE_CONSTANT,
    LB_SCHEDULE_COSINE,
    LB_SCHEDULE_STEP
} lb_schedule_kind;

typedef struct lb_sgd_options {
    double lr, momentum, weight_decay;
    double clip_norm; /* longest gradient, of all parameters together; 0: any */
    bool nesterov;
} lb_sgd_options;
extern const lb_key lb_sgd_keys[];

typedef struct lb_schedule_options {
    int kind;      /* lb_schedule_kind */
    double warmup; /* epochs of linear warm-up */
    lb_numbers at; /* step: epochs at which the rate falls */
    double factor; /* step: what it is multiplied by; usual 0.1 */
    double floor;  /* cosine: final rate as a share of lr; usual 0 */
} lb_schedule_options;
extern const lb_key lb_cosine_keys[], lb_step_keys[];

typedef enum lb_precision { LB_PRECISION_FLOAT32, LB_PRECISION_FLOAT64 } lb_precision;

typedef struct lb_train_options {
    int epochs, batch;
    lb_sgd_options sgd;
    lb_schedule_options schedule;
    const char *order; /* path of an .npy, or NULL */
    int precision;     /* lb_precision */
    int loader_threads;
} lb_train_options;
extern const lb_key lb_train_keys[]; /* epochs, batch, order, precision, loader_threads */

/* The key of the optimiser's learning rate in recipes, for what tunes it; and the rate.
 */
const char *lb_train_rate_key(const lb_train_options *options, double *rate);

enum { LB_MAX_FREEZE = 32, LB_MAX_STAGES = 32 };

/* Layers and parameters by name; `*` stands for any characters. */
typedef struct lb_freeze {
    int n;
    const char *pattern[LB_MAX_FREEZE];
} lb_freeze;

/* One part of a training: what teaches, for how long, and what of the student learns. */
typedef struct lb_stage {
    const char *name;
    lb_train_options train;
    lb_term term[LB_MAX_TERMS];
    int n_terms;
    lb_freeze freeze; /* parameters that stay; a norm whose scale and bias stay keeps its
                         running statistics and works by them */
    const char
        *until;    /* layer that the student runs to, and no further; NULL: all of it */
    bool fresh;    /* begins with new weights: the next of setup.fresh */
    bool previous; /* taught by the student as the stage before left it */
    int cut;       /* of all times that the student is cut, the one that it begins with,
                      from 1; 0: none */
    int line, column; /* in the recipe; 0: not known */
} lb_stage;

/* Of a training that goes on from where another has ended: a cosine from that rate,
 * without a warm-up, in the loader's own order. */
lb_train_options lb_train_further(const lb_train_options *ended, int epochs, double lr);

/* The rate at a step, a pure function. */
double lb_schedule_rate(const lb_schedule_options *schedule, double lr, int epochs,
                        int64_t step, int64_t steps_per_epoch);

typedef struct lb_epoch_report {
    int stage, epoch;            /* from 0; epoch: of the stage */
    double lr, loss;             /* mean over the epoch */
    double term[LB_MAX_TERMS];   /* each term's mean, unweighted */
    double weight[LB_MAX_TERMS]; /* of each term, at the epoch's last step */
    double share[LB_MAX_TERMS];  /* of each term in the gradient: the length of its
                                    weighted gradient over the student's parameters, at
                                    the epoch's first batch, over the sum of all terms'
                                    lengths; NaN: not known */
    double train_accuracy, validation_accuracy, validation_loss;
    double seconds, images_per_second, idle_share;
    bool judged; /* the stage's best epoch is looked for; false: its last one counts */
    bool best;
} lb_epoch_report;

typedef struct lb_step_report {
    int stage, stages;
    const char *name;    /* of the stage; NULL without stages */
    int epoch, epochs;   /* of the stage */
    int64_t step, steps; /* within the run */
    double loss, images_per_second, seconds_left;
} lb_step_report;

/* Callbacks; any may be NULL. */
typedef struct lb_watch {
    void *arg;
    void (*step)(void *arg,
                 const lb_step_report *report); /* after every step: be quick */
    void (*epoch)(void *arg, const lb_epoch_report *report);
    bool (*stop)(void *arg); /* asked after every step; true ends with LB_ERR_STOPPED */
} lb_watch;

/* A teacher as float64 asks it: live, in float64. graph: logits first; the terms' taps
 * are values of it; borrowed. */
typedef struct lb_voice {
    const lb_graph *graph;
    lb_input_options input;
} lb_voice;

/* Makes the student smaller where a stage begins with a cut. What parts it has and which
 * of them go is another room's knowledge: whoever runs the training fills this in. Each
 * call is about the student as the last `open` saw it, and depends on nothing but that
 * and on what was looked at since. */
typedef struct lb_cutter {
    void *arg;
    int batches;      /* whose gradients are looked at before a choice; 0: none */
    lb_graph *sketch; /* about what is left after the last cut, with the student's value
                         numbers: for checks and timing; borrowed, NULL: the student */
    lb_code (*open)(void *arg, const lb_graph *student, int *n_parts, lb_error *err);
    /* grad: [n_values] of the loss over one batch, by each parameter; NULL: none. */
    lb_code (*look)(void *arg, const lb_graph *student, const lb_tensor *const *grad,
                    lb_error *err);
    /* How many parts are tried: for each the loss over one batch is told to `tried` less
     * what it is with all of them, while `mute` has it add nothing; on: false ends that.
     * NULL: none. */
    int (*trials)(void *arg);
    lb_code (*mute)(void *arg, const lb_graph *student, int trial, bool on,
                    lb_error *err);
    void (*tried)(void *arg, int trial, double change);
    /* frozen: [n_values] parameters that the stage does not train. gone: [n_parts], set
     * for those that go with this cut. */
    lb_code (*choose)(void *arg, const lb_graph *student, const bool *frozen, int cut,
                      bool *gone, lb_error *err);
    /* Value numbers stay; parameters get tensors of their own in the graph's arena. */
    lb_code (*cut)(void *arg, lb_graph *student, const bool *gone, lb_error *err);
} lb_cutter;

/* What is trained, and by what. With stages, options, terms and teacher are those of the
 * stage under way: lb_train_stage fills them in. */
typedef struct lb_train_setup {
    const lb_stage *stages; /* NULL: one, of the options and terms below */
    int n_stages;
    const lb_graph *const *fresh; /* [n_stages] like the student, where a stage begins
                                     with new weights; borrowed */
    lb_teacher *const *teachers;  /* [n_stages]; NULL: `teacher` for all of them */
    const lb_stage *stage;        /* under way; NULL without stages */
    int number;                   /* of the stage, from 0 */
    const lb_train_options *options;
    const lb_term *terms;
    int n_terms;
    lb_graph *student; /* float32, BatchNormalization not folded; its params are trained
                          in place, and it is cut in place; borrowed */
    lb_input_options input;      /* what the student wants */
    const lb_ensemble *ensemble; /* how several teachers answer as one; NULL: one alone */
    lb_teacher *teacher;     /* its voices are those of the ensemble; NULL without one,
                                or for float64 */
    const lb_voice *voices;  /* as many, for float64; NULL without a teacher */
    const lb_cutter *cutter; /* where stages begin with a cut; else NULL */
    int views;               /* fixed views, as in the loader's options */
    const lb_data *data;
    uint64_t seed;
    lb_pool *pool;
    lb_kernels kernels;
    bool conv_direct;   /* no Winograd */
    const char *folder; /* of the run: checkpoints lie there; NULL: none are written */
    const char *key; /* what the run is, by content: a checkpoint of another is refused */
    bool resume;
    int pause; /* epochs to train now, over all stages; a checkpoint ends them; 0: all.
                  The schedule stays that of all epochs. */
    lb_watch watch;
    lb_log log;
} lb_train_setup;

typedef struct lb_train_result {
    int best_epoch, epochs_done; /* over all stages; best_epoch: of the last one */
    double best_accuracy; /* on the validation split; of the last epoch without one */
    bool paused;          /* `pause` came before the last epoch: the figures are those of
                             the epochs before it, the weights are in the checkpoint alone */
    lb_tensor **last; /* the last epoch's weights, in the order of the student's params;
                         NULL: the last epoch is the best, or the run is paused */
    double seconds, images_per_second;
    lb_epoch_report *epoch; /* [epochs_done], in the arena */
} lb_train_result;

/* What can be told of a stage before it is opened, its losses' layers found: the names
 * of `freeze` and `until` are the student's, and something is left to train. */
lb_code lb_stage_check(const lb_stage *stage, const lb_graph *student,
                       lb_error *err) LB_MUST_USE;

/* Parameters that the stage freezes are no longer marked as trained. */
lb_code lb_stage_freeze(const lb_stage *stage, lb_graph *graph,
                        lb_error *err) LB_MUST_USE;

/* The same setup for one of its stages. */
lb_train_setup lb_train_stage(const lb_train_setup *setup, int number);
/* At least one. */
int lb_train_stages(const lb_train_setup *setup);

/* Of an epoch (an odd rest of the samples is left out), and of all of them. */
int lb_train_batches(const lb_data *data, const lb_train_options *options);
int64_t lb_train_steps(const lb_data *data, const lb_train_options *options);

/* Builds the training graph of every stage and drops it: whether the losses can work on
 * the student, the data and the batch is known before any work is done. */
lb_code lb_train_check(const lb_train_setup *setup, lb_arena *arena,
                       lb_error *err) LB_MUST_USE;

/* Trains stage after stage; each ends with the weights of its best epoch, or with its
 * last ones if its losses do not look at the student's answers. Leaves the student with
 * the weights of the last stage. On LB_ERR_STOPPED a checkpoint has been written. */
lb_code lb_train_run(const lb_train_setup *setup, lb_arena *arena, lb_train_result *out,
                     lb_error *err) LB_MUST_USE;

/* Shows setup.cutter what it looks at before a cut: the gradients of the losses over its
 * first batches, an epoch's at most, at the weights as they are. Nothing is trained; the
 * setup has no stages. */
lb_code lb_train_look(const lb_train_setup *setup, lb_arena *arena,
                      lb_error *err) LB_MUST_USE;

/* Exchanges the student's weights with those of lb_train_result.last; twice restores
 * both. */
void lb_train_swap(const lb_graph *student, lb_tensor *const *weights);

/* Seconds of one step, measured over a few on blank samples without a teacher's work; for
 * a dry run. Nothing is changed or written. */
lb_code lb_train_try(const lb_train_setup *setup, lb_arena *arena, double *step_seconds,
                     lb_error *err) LB_MUST_USE;

/* Where the time of training goes, measured over real steps at a rate of zero: batches
 * come through the loader, a live teacher is asked. Without one in the setup its answers
 * are blank, and cost as little as a cache's. */
typedef struct lb_train_profile {
    lb_timing student;
    lb_timing teacher[LB_MAX_TEACHERS]; /* those that were asked live */
    int n_teachers;
    int steps;           /* that were measured */
    double step_seconds; /* median of a whole step, with all threads */
    double idle_share;   /* of it, waiting for the loader */
    lb_plan_stats probe; /* of the plan that tells what each loss pulls; zeros: none */
} lb_train_profile;
/* Takes about so many seconds, with a few steps at least. */
lb_code lb_train_measure(const lb_train_setup *setup, double seconds, lb_arena *arena,
                         lb_train_profile *out, lb_error *err) LB_MUST_USE;

/* Checks that the network has one input that takes samples of this shape, and sets the
 * layout where the input's shape makes it clear: [N,28,28,1] for samples [1,28,28] is
 * channels last. lb_evaluate and lb_train_run do this by themselves. */
lb_code lb_input_match(const lb_graph *graph, const lb_shape *sample,
                       lb_input_options *options, lb_error *err) LB_MUST_USE;

/* n samples of a split, spread evenly over it (all, if it has fewer), as the network's
 * only input wants them: float32 [n, ...], in the arena. */
lb_code lb_samples_read(const lb_graph *graph, const lb_input_options *input,
                        const lb_data *data, lb_split split, int n, lb_arena *arena,
                        lb_tensor **out, lb_error *err) LB_MUST_USE;

/* Figures of a network on a split. Samples without a label count for agreement only; a
 * figure that no sample stands behind is NaN. */
typedef struct lb_metrics {
    int n, classes;
    double accuracy, top5, loss, ece;
    double agreement; /* share of equal answers with another's; -1 without */
    int32_t *answer;  /* [n] argmax */
    float *logits;    /* [n, classes] */
    int *confusion;   /* [classes, classes], row: label */
} lb_metrics;

/* The share of the samples of a class that are answered right, and in *n how many there
 * are (n may be NULL); NaN without one. */
double lb_class_accuracy(const lb_metrics *metrics, int class, int *n);

/* graph: inference form, logits first. other: answers to compare with, or NULL. Ties go
 * to the lower class. ece: 15 equal bins (Guo et al., 2017). */
lb_code lb_evaluate(const lb_graph *graph, const lb_input_options *input,
                    const lb_data *data, lb_split split, lb_pool *pool,
                    lb_kernels kernels, const int32_t *other, lb_arena *arena,
                    lb_metrics *out, lb_error *err) LB_MUST_USE;

/* The same for what anything says: `answer` fills logits [n, classes] for all samples of
 * the split, in order. */
typedef void lb_answer(void *arg, int n, float *logits);
lb_code lb_evaluate_answers(lb_answer *answer, void *arg, int classes,
                            const lb_data *data, lb_split split, const int32_t *other,
                            lb_arena *arena, lb_metrics *out, lb_error *err) LB_MUST_USE;

/* The same for what several networks say together. members: [ensemble->n], of that split,
 * whose classes are the data's. */
lb_code lb_evaluate_ensemble(const lb_ensemble *ensemble, const lb_metrics *members,
                             const lb_data *data, lb_split split, lb_arena *arena,
                             lb_metrics *out, lb_error *err) LB_MUST_USE;

/* KL(teacher || student) at temperature 1 in nats, the mean over all samples, labelled or
 * not (Hinton, Vinyals and Dean, 2015, without their softening). NaN where no sample is,
 * or where the two were not asked about as many samples and classes. */
double lb_divergence(const lb_metrics *teacher, const lb_metrics *student);

#endif
