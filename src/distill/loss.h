/* loss.h: what a distillation loss is, and the table of them all.
 *
 * A loss is a recipe for graph nodes. It never sees a number: build() adds nodes to the
 * training graph, and autodiff derives the gradient from them. To add one, write
 * src/distill/loss_NAME.c and add the line LB_LOSS(NAME) to losses.def; the build, the
 * help text, the docs and the gradient checks follow from that. */
#ifndef LB_DISTILL_LOSS_H
#define LB_DISTILL_LOSS_H

#include "distill/balance.h"
#include "distill/ensemble.h"
#include "distill/preset.h"
#include "distill/ramp.h"
#include "distill/taps.h"

typedef enum lb_loss_needs {
    LB_NEEDS_TEACHER = 1 << 0, /* the teacher's logits */
    LB_NEEDS_HINTS = 1 << 1,   /* at least one pair of layers */
    LB_NEEDS_LABELS = 1 << 2,
    LB_TAKES_LABELS = 1 << 4, /* does more where there are labels, works without */
    LB_NEEDS_HELPER = 1 << 3, /* parameters of its own (lb_loss_param): a recipe's run */
    LB_NEEDS_HEAD = 1 << 5,   /* a student that ends in the teacher's classifier */
} lb_loss_needs;

/* A value of the student and the value of the teacher that it learns from. The teacher's
 * side is constant: no gradient flows into it. */
struct lb_pair {
    lb_value student, teacher;
};

enum { LB_MAX_KNOBS = 12, LB_MAX_TERMS = 16, LB_REFUSAL_TEXT = 320 };

/* A number of a term that changes while training goes on: a scalar input of the training
 * graph, written before each step. */
typedef struct lb_dial {
    lb_value input;
    int term;
    int knob; /* -1: the term's weight */
} lb_dial;

typedef struct lb_dials {
    int n;
    lb_dial dial[LB_MAX_TERMS * (LB_MAX_KNOBS + 1)];
} lb_dials;

/* All that a loss may look at. Borrowed; it outlives the call. */
struct lb_loss_in {
    lb_pair logits; /* [N,C]; teacher {0} without one */
    /* Of several teachers whose answer depends on the temperature: each one's logits
     * [N,C]. logits.teacher is then their answer at 1. NULL: it is all there is. */
    const lb_ensemble *ensemble;
    const lb_value *members;
    const lb_value *member_shares; /* beside members: [N,1] each, what counts of them in
                                      each sample; NULL: ensemble->weight */
    const double *shares; /* of several teachers, by number: what the layers of each count
                             in a term that learns from all; NULL: there is one */
    const lb_pair *hints; /* in the recipe's order, as lb_loss.match asks for them */
    int n_hints;
    lb_value labels;      /* [N] int32, -1: no label; {0} if the loss needs none */
    bool all_labelled;    /* no label is ever -1: none are counted then */
    int batch;            /* samples of the whole batch, the N of every run */
    const double *knobs;  /* one for each row of lb_loss.knobs */
    const lb_value *live; /* beside knobs: the input that has the number instead of the
                             knob; {0}: the knob is constant; NULL: all are */
    lb_dials *dials;      /* takes the inputs that lb_terms_build adds; NULL: none may be
                             needed */
    uint64_t seed;        /* of the run, for lb_loss_param */
    const char *scope;    /* tells the recipe's terms apart in names, as in "hint2" */
};

/* How a parameter begins. The fans of a weight [M,K,...] are K and M times what follows.
 */
typedef enum lb_init_kind {
    LB_INIT_CONSTANT,
    LB_INIT_HE,     /* normal, variance 2 / fan in (He et al., 2015) */
    LB_INIT_GLOROT, /* uniform, variance 2 / (fan in + fan out) (Glorot, Bengio, 2010) */
} lb_init_kind;

typedef struct lb_init {
    lb_init_kind kind;
    double value;  /* of LB_INIT_CONSTANT */
    bool no_decay; /* spared by weight decay: biases, norms */
    bool fixed;    /* stays as it began */
} lb_init;

/* A parameter that is trained beside the student: it has a gradient, an update and a
 * place in the checkpoint, and is in no export, for it is never part of the student's
 * graph. Of the student's float type. It begins as a function of the run's seed and of
 * its name, which must differ from the others of the term ("query/weight"). */
lb_value lb_loss_param(lb_builder *b, const lb_loss_in *in, const char *name,
                       const lb_shape *shape, lb_init init);

/* A number that a recipe may set, as in `temperature: 4`; or one of a few words, as in
 * `form: published`, whose value is then the word's index. */
typedef struct lb_knob {
    const char *name, *help;
    double usual, min, max; /* min and max: of numbers */
    bool ramps; /* may change while training goes on: build() reads it by lb_by_knob */
    const char *const *words; /* ends with NULL; NULL for a number */
} lb_knob;

/* The row of `standardise`, which every loss over logits has. */
extern const lb_knob lb_standardise_knob;

/* The words of a switch: false, true. */
extern const char *const lb_no_yes[];

struct lb_loss {
    const char *name; /* as recipes spell it */
    const char *help; /* one line, for `limbeck losses` */
    const char *source;
    unsigned needs; /* lb_loss_needs, checked before build() */
    lb_match match; /* of losses with hints: what both sides must have in common */
    /* NULL, or: whether with these knobs the loss trains layers of its own that make the
     * two sides comparable: it asks for no adapter then, and for a recipe's run. */
    bool (*brings_layers)(const double *knobs);
    lb_auto automatic; /* of losses with hints: the layers they look at by themselves */
    const lb_knob *knobs; /* its own; ends with a row without a name, or NULL */
    int min_batch; /* of a loss that compares samples: recipes with fewer in a batch are
                      refused (`limbeck loss` is not); 0: any */
    const char *instead; /* with min_batch: what to use then, as in "'kd' or 'at'" */
    /* NULL, or: whether the loss cannot work on these shapes (the knobs are set); then
     * the reason and a substitute are in `why`: "with two classes ...; use 'kd'". Only
     * questions are put to the builder. */
    bool (*refuse)(const lb_builder *b, const lb_loss_in *in, char why[LB_REFUSAL_TEXT]);
    lb_value (*build)(lb_builder *b, const lb_loss_in *in); /* a scalar */
    const lb_preset *presets; /* weights of the literature; ends with a row without a
                                 name, or NULL */
};

/* Returns NULL if no loss has that name. */
const lb_loss *lb_loss_find(const char *name);

/* Every loss, in the table's order; ends with NULL. */
extern const lb_loss *const lb_losses[];

/* Row i of a loss's knobs, its own first, then `standardise` of every loss that looks at
 * the teacher's logits; NULL behind the last. */
const lb_knob *lb_loss_knob(const lb_loss *loss, int i);

/* x times the knob to a power of -1, 1 or 2, whether the knob is constant or not. */
lb_value lb_by_knob(lb_builder *b, const lb_loss_in *in, lb_value x, int knob, int power);

/* One line of a recipe's `distill` list. */
struct lb_term {
    const lb_loss *loss;
    double weight;
    const lb_preset *preset; /* whose number the weight is; NULL: the recipe's own */
    bool weighed;            /* with a preset: the weight is final */
    lb_balance balance;      /* instead of the weight where on: whoever trains finds it */
    double knobs[LB_MAX_KNOBS];
    int first, end; /* the epochs in which it counts: first to end - 1; end 0: to the last
                     */
    lb_ramp weight_ramp, knob_ramp[LB_MAX_KNOBS]; /* instead of the number where on */
    lb_taps taps;                                 /* of losses with hints */
};

/* A term with every knob at its usual value. */
lb_term lb_term_usual(const lb_loss *loss, double weight);

/* The row of knob i as a setting of an lb_term; false behind the last. */
bool lb_knob_key(const lb_loss *loss, int i, lb_key *out);

/* Whether the term has a weight at that time, in epochs, or may get one on its way. */
bool lb_term_counts(const lb_term *term, double epoch);

/* Of a term with a fixed weight: the weight at that time, in epochs, or, if it changes,
 * the larger of its two ends; 0 outside the term's epochs, and of a weight that is found.
 */
double lb_term_full_weight(const lb_term *term, double epoch);

/* The terms that count at the end of so many epochs, as they stand from there on: what
 * changes has come to where it ends. out: room for n; returns how many they are. */
int lb_terms_settle(const lb_term *terms, int n, int epochs, lb_term *out);

/* What a term's weight or knob (-1: the weight) is at that time, in epochs; a weight is 0
 * outside the term's epochs, and where it has to be found. */
double lb_term_number(const lb_term *term, int knob, double epoch);

/* The weighted sum of the terms; each term's own value (unweighted) into value[i].
 * in->hints: the pairs of all terms that have taps, one after the other, as tapped; each
 * such term sees its own, behind their adapters. Terms without taps see them all. A term
 * with pairs of several teachers is the sum of its loss over each one's pairs, by
 * in->shares; each has its own adapters and helpers. What
 * changes while training goes on becomes an input, listed in in->dials. A loss that
 * refuses, or lacks what it needs, is the builder's error. */
lb_value lb_terms_build(lb_builder *b, const lb_term *terms, int n, const lb_loss_in *in,
                        lb_value *value);

#endif
