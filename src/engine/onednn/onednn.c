/* onednn.c: the table of onednn kernels. */
#include "engine/kernel.h"

#define LB_KERNEL(stem, symbol) extern const lb_kernel lb_dnn_##symbol;
#include "engine/onednn/kernels.def"
#undef LB_KERNEL

const lb_kernel *const lb_onednn_kernels[] = {
#define LB_KERNEL(stem, symbol) &lb_dnn_##symbol,
#include "engine/onednn/kernels.def"
#undef LB_KERNEL
    NULL,
};
