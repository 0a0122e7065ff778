/* helper.h: layers that losses train beside the student; only distill/ includes it.
 *
 * Their parameters are those of lb_loss_param: trained by the run's optimiser, kept in
 * its checkpoint, in no export. x is a map [N,C,H,W] or [N,C,L], for the norm and the
 * dense layer also rows [N,D]. */
#ifndef LB_DISTILL_HELPER_H
#define LB_DISTILL_HELPER_H

#include "distill/loss.h"

typedef struct lb_helper {
    const char *name;  /* its parameters are "NAME/weight" and "NAME/bias" */
    int channels;      /* that it puts out */
    int kernel;        /* of convolutions: the same along every axis */
    int stride, pad;   /* stride 0: 1 */
    bool no_bias;      /* where a norm follows */
    bool fixed;        /* the weight stays as it began */
    lb_init_kind init; /* of the weight; a bias begins at 0 */
} lb_helper;

lb_value lb_helper_conv(lb_builder *b, const lb_loss_in *in, lb_value x,
                        const lb_helper *layer);
/* An axis of n becomes (n - 1) stride + kernel - 2 pad long. */
lb_value lb_helper_deconv(lb_builder *b, const lb_loss_in *in, lb_value x,
                          const lb_helper *layer);
/* x [N,D] */
lb_value lb_helper_dense(lb_builder *b, const lb_loss_in *in, lb_value x,
                         const lb_helper *layer);
/* Batch norm over the batch at hand (Ioffe and Szegedy, 2015), with "NAME/scale" from 1
 * and "NAME/bias" from 0. It keeps no running statistics: a helper is never asked outside
 * training. */
lb_value lb_helper_norm(lb_builder *b, const lb_loss_in *in, lb_value x,
                        const char *name);

/* Both sides of pair `number`, flattened, as rows [N,dimension] by a dense layer each.
 * fixed: the teacher's is a random map that stays, which keeps what of its samples is
 * near to what (Johnson and Lindenstrauss, 1984); else it is trained, too. dimension 0:
 * flattened alone. */
lb_pair lb_helper_embed(lb_builder *b, const lb_loss_in *in, lb_pair pair, int number,
                        int dimension, bool fixed);
/* Of a knob that says such a dimension; true if it is no whole number. */
bool lb_refuse_dimension(double dimension, char why[LB_REFUSAL_TEXT]);

#endif
