/* loss.h: what a distillation loss is, and the table of them all.
 *
 * A loss is a recipe for graph nodes. It never sees a number: build() adds nodes to the
 * training graph, and autodiff derives the gradient from them. To add one, write
 * src/distill/loss_NAME.c and add the line LB_LOSS(NAME) to losses.def; the build, the
 * help text, the docs and the gradient checks follow from that. */
#ifndef LB_DISTILL_LOSS_H
#define LB_DISTILL_LOSS_H

#include "base/key.h"
#include "ops/build.h"

typedef enum lb_loss_needs {
    LB_NEEDS_TEACHER = 1 << 0, /* the teacher's logits */
    LB_NEEDS_HINTS = 1 << 1,   /* at least one pair of layers */
    LB_NEEDS_LABELS = 1 << 2,
} lb_loss_needs;

/* A value of the student and the value of the teacher that it learns from. The teacher's
 * side is constant: no gradient flows into it. */
typedef struct lb_pair {
    lb_value student, teacher;
} lb_pair;

enum { LB_MAX_KNOBS = 8 };

/* All that a loss may look at. Borrowed; it outlives the call. */
typedef struct lb_loss_in {
    lb_pair logits;       /* [N,C]; teacher {0} without one */
    const lb_pair *hints; /* in the recipe's order */
    int n_hints;
    lb_value labels;     /* [N] int32, -1: no label; {0} if the loss needs none */
    const double *knobs; /* one for each row of lb_loss.knobs */
} lb_loss_in;

/* A number that a recipe may set, as in `temperature: 4`. */
typedef struct lb_knob {
    const char *name, *help;
    double usual, min, max;
} lb_knob;

typedef struct lb_loss {
    const char *name; /* as recipes spell it */
    const char *help; /* one line, for `limbeck losses` */
    const char *source;
    unsigned needs;       /* lb_loss_needs, checked before build() */
    const lb_knob *knobs; /* ends with a row without a name, or NULL */
    lb_value (*build)(lb_builder *b, const lb_loss_in *in); /* a scalar */
} lb_loss;

/* Returns NULL if no loss has that name. */
const lb_loss *lb_loss_find(const char *name);

/* Every loss, in the table's order; ends with NULL. */
extern const lb_loss *const lb_losses[];

/* One line of a recipe's `distill` list. */
typedef struct lb_term {
    const lb_loss *loss;
    double weight;
    double knobs[LB_MAX_KNOBS];
} lb_term;
enum { LB_MAX_TERMS = 16 };

/* The weighted sum of the terms; each term's own value (unweighted) into value[i]. */
lb_value lb_terms_build(lb_builder *b, const lb_term *terms, int n, const lb_loss_in *in,
                        lb_value *value);

#endif
