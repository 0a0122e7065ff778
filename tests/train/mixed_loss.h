/* mixed_loss.h: cross-entropy behind a dense layer of the loss's own: a loss that trains
 * a helper. Without training it, or without keeping what it has learnt, the student would
 * get other weights. */
#ifndef LB_TESTS_MIXED_LOSS_H
#define LB_TESTS_MIXED_LOSS_H

#include "distill/loss.h"
#include "ops/build.h"

static inline lb_value mixed_build(lb_builder *b, const lb_loss_in *in)
{
    const int classes = lb_dim(b, in->logits.student, 1), axis[] = {1};
    const lb_dtype dtype = lb_type_of(b, in->logits.student).dtype;
    const lb_shape square = lb_shape_of(2, classes, classes),
                   row = lb_shape_of(1, classes);
    const lb_value w =
        lb_loss_param(b, in, "mix/weight", &square, (lb_init){.kind = LB_INIT_GLOROT});
    const lb_value bias = lb_loss_param(b, in, "mix/bias", &row,
                                        (lb_init){.value = 0.25, .no_decay = true});
    const lb_value y = lb_gemm(b, in->logits.student, w, bias, false, true, NULL);
    const lb_value log_p = lb_log_softmax(b, y, 1);
    const lb_value target = lb_one_hot(b, in->labels, dtype, classes, 1, 0);
    const lb_value hits = lb_mul(b, target, log_p);
    const lb_value of_sample = lb_reduce_sum(b, hits, axis, 1, false);
    const lb_value mean = lb_mean_all(b, of_sample);

    return lb_scale(b, mean, -1);
}

static const lb_loss mixed = {.name = "mixed",
                              .help = "cross-entropy behind a layer",
                              .needs = LB_NEEDS_LABELS | LB_NEEDS_HELPER,
                              .build = mixed_build};

#endif
