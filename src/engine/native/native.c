/* native.c: the table of native kernels. */
#include "engine/kernel.h"

#define LB_KERNEL(stem, symbol) extern const lb_kernel lb_nat_##symbol;
#include "engine/native/kernels.def"
#undef LB_KERNEL

const lb_kernel *const lb_native_kernels[] = {
#define LB_KERNEL(stem, symbol) &lb_nat_##symbol,
#include "engine/native/kernels.def"
#undef LB_KERNEL
    NULL,
};
