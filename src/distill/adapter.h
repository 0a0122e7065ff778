/* adapter.h: makes a layer of the student comparable with one of the teacher.
 *
 * What a pair of layers needs follows from the two shapes and from what the loss asks for
 * (lb_match). Spatial sizes come first: where the student's plane is twice as large, a
 * 3x3 convolution of stride 2 halves it, else the larger plane is averaged down to the
 * smaller; a transposed convolution, which makes the student's larger, has to be asked
 * for. Then channels: a 1x1 convolution, or a dense layer between rows [N,D]. What
 * has weights is on the student's side and is trained with it (lb_loss_param), as in
 * FitNets (Romero et al., 2015); it is in the checkpoint and in no export. */
#ifndef LB_DISTILL_ADAPTER_H
#define LB_DISTILL_ADAPTER_H

#include "ops/build.h"

typedef struct lb_loss_in lb_loss_in;
typedef struct lb_pair lb_pair;

/* What a loss asks of the two sides of a pair. */
typedef enum lb_match {
    LB_MATCH_ANY,   /* nothing */
    LB_MATCH_PLANE, /* maps [N,C,H,W] of equal H and W; their channels may differ */
    LB_MATCH_SHAPE, /* equal shapes */
} lb_match;

typedef enum lb_adapter_kind {
    LB_ADAPTER_AUTO, /* what the shapes and the loss need, and no more */
    LB_ADAPTER_NONE, /* shapes that do not match are a mistake */
    LB_ADAPTER_CONV1X1,
    LB_ADAPTER_CONV3X3,
    LB_ADAPTER_LINEAR,
    LB_ADAPTER_TRANSPOSED, /* the student's plane made as large as the teacher's */
} lb_adapter_kind;

/* All zero: both sides are taken as they are. In the order of the fields: */
typedef struct lb_adapter {
    bool flatten_student, flatten_teacher; /* [N,D,1,1] -> [N,D] */
    int pool_student[2], pool_teacher[2];  /* means over windows: H, W behind; 0: none */
    int kernel, stride, pad;               /* of a convolution of the student; 0: none */
    bool transposed;                       /* that convolution */
    bool linear;                           /* a dense layer of the student */
    int from, to;                          /* channels of the trained layer */
    int n_spatial;                         /* 2: maps, 1: sequences, 0: rows */
} lb_adapter;

/* student, teacher: batched shapes of rank 2 to 4. Fails with LB_ERR_INPUT where no
 * adapter of this kind (lb_adapter_kind) joins them. */
lb_code lb_adapter_plan(lb_match match, int kind, const lb_shape *student,
                        const lb_shape *teacher, lb_adapter *out,
                        lb_error *err) LB_MUST_USE;

/* Of the trained layer, with its bias. */
size_t lb_adapter_parameters(const lb_adapter *adapter);

/* "3x3 convolution of stride 2, 4640 parameters"; "as they are" for none. */
enum { LB_ADAPTER_TEXT = 160 };
const char *lb_adapter_text(const lb_adapter *adapter, char out[LB_ADAPTER_TEXT]);

/* Adds the adapter's nodes; number tells the pairs of a term apart, from 1. Its weights
 * are called "SCOPE/adapterNUMBER/weight" and ".../bias". */
lb_pair lb_adapter_build(lb_builder *b, const lb_loss_in *in, int number,
                         const lb_adapter *adapter, lb_pair pair);

#endif
