/* alignment.h: how alike the layers of a teacher and of its student see the same samples:
 * centred kernel alignment (train/cka.h) of every layer of the one with every layer of
 * the other.
 *
 * At most LB_ALIGN_SAMPLES samples of a split are asked, as they are, in batches of one
 * size. Both the samples and those of each batch are spread evenly over the split, so
 * that no batch is of one class where a source has them sorted. Sums run in double and in
 * a fixed order: the same bits for any number of threads. */
#ifndef LB_TRAIN_ALIGNMENT_H
#define LB_TRAIN_ALIGNMENT_H

#include "train/train.h"

enum { LB_ALIGN_SAMPLES = 1024, LB_ALIGN_BATCH = 64, LB_MAX_ALIGNED = 64, LB_TRUNK = 12 };

/* All borrowed. */
typedef struct lb_align_setup {
    const lb_voice *teacher, *student; /* graphs: not folded, so that names are those that
                                          users know */
    const lb_tap *pair; /* from lb_align_auto, or as lb_taps_find left them */
    int n_pairs;        /* at least 1 */
    bool trunk; /* compare the trunks of both (lb_taps_trunk), too: up to LB_TRUNK layers
                 */
    const lb_data *data;
    lb_split split;
    lb_pool *pool;
    lb_kernels kernels;
    bool conv_direct; /* no Winograd */
} lb_align_setup;

/* In the arena. */
typedef struct lb_alignment {
    int samples, batch;       /* that were asked; those of a batch */
    int n_teacher, n_student; /* layers, each once, in the order of the networks */
    const lb_value *teacher, *student;
    const double *cka; /* [n_teacher, n_student]; NaN where a layer says the same of all
                          samples, where something is not finite, and of fewer than 4
                          samples */
} lb_alignment;

/* The pairs to look at where nobody named any: the last map of every spatial size that
 * both have, and what the last layer of each is given. out has room for LB_MAX_PAIRS + 1.
 * Returns how many: 0 where the networks have nothing of the kind in common. */
int lb_align_auto(const lb_graph *student, const lb_graph *teacher, lb_arena *arena,
                  lb_tap *out);

/* The two answers as a pair: logits. */
lb_tap lb_align_answers(const lb_graph *student, const lb_graph *teacher);

/* Adds a pair unless it is there; false where there is no room for one more. */
bool lb_align_add(lb_tap *list, int *n, int most, const lb_tap *pair);

lb_code lb_align(const lb_align_setup *setup, lb_arena *arena, lb_alignment *out,
                 lb_error *err) LB_MUST_USE;

/* Of one of the pairs. */
double lb_alignment_of(const lb_alignment *alignment, const lb_tap *pair);

#endif
