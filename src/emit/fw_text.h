/* fw_text.h: the texts of the kernels, embedded when limbeck is built. */
#ifndef LB_EMIT_FW_TEXT_H
#define LB_EMIT_FW_TEXT_H

#include "lower/lower.h"

/* fw.h, the header of all kernels. */
extern const char lb_fw_text_fw[];

extern const char lb_fw_text_conv[], lb_fw_text_pointwise[], lb_fw_text_depthwise[],
    lb_fw_text_dense[], lb_fw_text_pool[], lb_fw_text_elementwise[], lb_fw_text_softmax[],
    lb_fw_text_move[];

/* A row of kernels.def. */
typedef struct lb_fw {
    lb_low_kind kind;
    const char *stem, *function, *text;
} lb_fw;

/* NULL if there is no firmware for the kind. */
const lb_fw *lb_fw_find(lb_low_kind kind);

#endif
