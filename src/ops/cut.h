/* cut.h: which part of an array Slice takes and Pad keeps, for reference and kernels. */
#ifndef LB_OPS_CUT_H
#define LB_OPS_CUT_H

#include "graph/builder.h"

/* Element i of axis k of the part is element start[k] + i step[k] of the whole. */
typedef struct lb_cut {
    int64_t start[LB_MAX_RANK], step[LB_MAX_RANK];
    int count[LB_MAX_RANK];
} lb_cut;

/* What a Slice takes, by ONNX's rules of clamping (starts, ends, axes and steps are
 * constants). Works for bound and for batched types. */
lb_code lb_cut_of_slice(const lb_view *view, lb_cut *out, lb_error *err) LB_MUST_USE;

/* The pads of a Pad: before each axis, then behind each; negative ones cut. */
lb_code lb_pads_of(const lb_view *view, int64_t pads[2 * LB_MAX_RANK],
                   lb_error *err) LB_MUST_USE;

#endif
