/* session_int.h: a training under way, as session.c opens it stage by stage and loop.c
 * runs it. */
#ifndef LB_TRAIN_SESSION_INT_H
#define LB_TRAIN_SESSION_INT_H

#include "train/train_int.h"

typedef struct lb_session {
    const lb_train_setup *all;   /* as the caller gave it */
    lb_train_setup now;          /* the same, for the stage under way */
    const lb_train_setup *setup; /* &now */
    lb_arena *arena;
    lb_graph *student; /* of the precision that is trained in */
    bool own_student;
    lb_feed feed;
    lb_tester *tester; /* NULL: no validation split */
    lb_ledger ledger;
    lb_tensor **previous;  /* the student as the stage before left it; NULL: none teaches
                            */
    const char *path;      /* of the checkpoint, or NULL */
    double saved_at;       /* clock */
    double began_at;       /* clock, of this sitting */
    int64_t steps, before; /* of all stages; of those that are done */
    int64_t images_before; /* samples that the steps before have seen */
    int64_t began_step;
    int epochs, until; /* of all stages; to train in this sitting */
    lb_masks masks;    /* how the student has been cut so far */
    lb_tensor **last;  /* the last epoch's weights, if the best epoch's are another's */

    /* of the stage */
    lb_arena *stage_arena;
    lb_lesson lesson;
    lb_probe probe;   /* of several terms; one alone has all of the gradient */
    lb_oracle oracle; /* of float64 */
    lb_graph *prior;  /* the student of the stage before, as a teacher */
    lb_voice own_voice;
    lb_teacher *own; /* what asks it */
    lb_loader *loader;
    float *teacher_logits;
    int batches; /* of an epoch */
    int end;     /* epochs of it to train in this sitting */
} lb_session;

/* s->all and s->arena are set. Checks every stage; what is of one stage stays shut. */
lb_code lb_session_open(lb_session *s, lb_error *err) LB_MUST_USE;
/* Closes the stage, too; whatever is open. */
void lb_session_close(lb_session *s);

/* Opens a stage at its first step, or at what the checkpoint says. */
lb_code lb_session_open_stage(lb_session *s, int number, bool resumed,
                              lb_error *err) LB_MUST_USE;
void lb_session_close_stage(lb_session *s);

/* Whether there is a checkpoint to go on from. */
bool lb_session_resumes(const lb_session *s);
lb_code lb_session_save(lb_session *s, lb_error *err) LB_MUST_USE;

/* hear.c: the lesson is told what the teachers say of a batch. */
void lb_session_hear(lb_session *s, const lb_batch *batch);

/* shrink.c: stages that begin with a cut. */
/* Cuts the student as it had been when the checkpoint was written, in that stage. */
lb_code lb_session_replay(lb_session *s, int stage, lb_error *err) LB_MUST_USE;
/* Before a stage is opened: looks at some batches, chooses, cuts. Nothing for a stage
 * that begins without a cut. */
lb_code lb_session_shrink(lb_session *s, int stage, lb_error *err) LB_MUST_USE;

/* balance_terms.c: weights that are found. */
/* Whether one is looked for at that time, beside a term whose weight is fixed. */
bool lb_session_balances(const lb_session *s, double epoch);
/* norm: of each term's gradient, as lb_probe_run has it, before the step is run. */
void lb_session_balance(lb_session *s, double epoch, const double *norm);
/* The lesson takes what the ledger has found so far. */
void lb_session_take_weights(lb_session *s);

/* weights.c: the parameters of graphs of one shape, whose precisions may differ. */
void lb_weights_copy(const lb_graph *to, const lb_graph *from);
/* Copies of a graph's parameters, in value order, to the graph or from it; of one
 * precision. */
void lb_weights_store(const lb_graph *graph, lb_tensor **copies);
void lb_weights_restore(const lb_graph *graph, lb_tensor *const *copies);

#endif
