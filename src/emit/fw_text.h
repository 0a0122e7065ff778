/* fw_text.h: the texts of the kernels, embedded when limbeck is built. */
#ifndef LB_EMIT_FW_TEXT_H
#define LB_EMIT_FW_TEXT_H

#include "lower/lower.h"

/* The headers: fw.h of the kernels in fp32; the others of those in int8. */
extern const char lb_fw_text_fw[], lb_fw_text_fw8[], lb_fw_text_fw8_rounding[],
    lb_fw_text_fw8_eight[], lb_fw_text_fw8_ending[], lb_fw_text_fw8_wide[];

extern const char lb_fw_text_conv[], lb_fw_text_pointwise[], lb_fw_text_depthwise[],
    lb_fw_text_dense[], lb_fw_text_pool[], lb_fw_text_elementwise[], lb_fw_text_softmax[],
    lb_fw_text_move[];
extern const char lb_fw_text_conv8[], lb_fw_text_pointwise8[], lb_fw_text_depthwise8[],
    lb_fw_text_dense8[], lb_fw_text_pool8[], lb_fw_text_elementwise8[],
    lb_fw_text_softmax8[], lb_fw_text_move8[], lb_fw_text_dot8[];
/* Of instruction sets. */
extern const char lb_fw_text_wide8[], lb_fw_text_wide_dot8[],
    lb_fw_text_wide_depthwise8[];
extern const char lb_fw_text_packed_dot8[], lb_fw_text_packed_depthwise8[],
    lb_fw_text_packed_v6m8[], lb_fw_text_packed_v7m8[];
extern const char lb_fw_text_conv4[], lb_fw_text_pointwise4[], lb_fw_text_depthwise4[],
    lb_fw_text_dense4[], lb_fw_text_unpack8[];

/* Those of instruction sets. */
extern const char lb_fw_text_mve_dot8[], lb_fw_text_mve_depthwise8[];

typedef struct lb_fw_file {
    const char *stem, *text;
} lb_fw_file;

/* A row of kernels.def. */
typedef struct lb_fw {
    lb_dtype dtype;
    lb_low_kind kind;
    bool packed; /* for weights of 4 bits */
    const char *function;
    lb_fw_file file[2]; /* the function's, and one that it needs or the same again */
} lb_fw;

/* NULL if there is no firmware for the kind. A packed step's row needs the files of this
 * one as well. */
const lb_fw *lb_fw_find(lb_dtype dtype, lb_low_kind kind);
/* The row whose function runs the step. */
const lb_fw *lb_fw_of(const lb_low *low, const lb_low_step *step);

/* The k-th file that an instruction set has for int8 steps of the kind; NULL beyond. */
const lb_fw_file *lb_fw_find_set(lb_low_kind kind, int k);

#endif
