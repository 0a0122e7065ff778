/* taylor.h: what the parts of a network are worth by the gradient of a loss, without a
 * recipe. */
#ifndef LB_RUN_TAYLOR_H
#define LB_RUN_TAYLOR_H

#include "compress/prune.h"
#include "train/train.h"

/* All borrowed. */
typedef struct lb_taylor_setup {
    lb_graph *graph;         /* as its file has it: norms are not folded away here; its
                                weights stay as they are */
    const lb_prune_map *map; /* of it */
    lb_input_options input;
    const lb_graph *teacher; /* inference form, the data's classes; NULL: none */
    lb_input_options teacher_input;
    const lb_data *data;
    int samples; /* of the training split, in batches; at least 1 */
    lb_pool *pool;
    lb_kernels kernels;
    lb_log log;
} lb_taylor_setup;

enum { LB_TAYLOR_SAMPLES = 2048, LB_TAYLOR_BATCH = 64 }; /* usually; at most */

/* Fills score, [map->n_parts], from zeros, as pruning in a recipe does: by 0.9 kd + 0.1
 * ce at the usual temperature under a teacher, by ce without one, in batches of at
 * most 64. *looked: how many samples were looked at, whole batches. LB_ERR_INPUT if
 * network, teacher and data do not fit together, or nothing in the network can be
 * trained. */
lb_code lb_taylor_score(const lb_taylor_setup *setup, lb_arena *arena, double *score,
                        int *looked, lb_error *err) LB_MUST_USE;

#endif
