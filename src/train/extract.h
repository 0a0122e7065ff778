/* extract.h: what layers of a network give for samples of the data.
 *
 * The network runs in inference form, folded and fused; the layers keep the values that
 * they have in the graph as it is given. Samples do not see each other. */
#ifndef LB_TRAIN_EXTRACT_H
#define LB_TRAIN_EXTRACT_H

#include "train/train.h"

/* All borrowed; they outlive the extractor. */
typedef struct lb_extractor_setup {
    const lb_voice *network; /* one input [N,...], which takes the data's samples */
    const lb_value *layers; /* values of its graph for which lb_is_tap holds, each once */
    int n_layers;           /* at least 1 */
    int batch;              /* the most samples that are asked for at a time */
    const lb_data *data;
    lb_split split;
    lb_pool *pool;
    lb_kernels kernels;
    bool conv_direct; /* no Winograd */
} lb_extractor_setup;

typedef struct lb_extractor lb_extractor;

/* It lives in the arena, its plan does not: close it first. */
lb_code lb_extractor_open(const lb_extractor_setup *setup, lb_arena *arena,
                          lb_extractor **out, lb_error *err) LB_MUST_USE;
void lb_extractor_close(lb_extractor *extractor); /* takes NULL */

/* Asks for samples of the split by number, n of them, n at most the batch. */
void lb_extractor_ask(lb_extractor *extractor, const int *sample, int n);

/* What layer k gave for the i-th of them: plain and contiguous, of the layer's shape and
 * element type; borrowed until the next question. */
const void *lb_extractor_row(const lb_extractor *extractor, int k, int i);

#endif
