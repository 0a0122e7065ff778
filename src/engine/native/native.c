/* native.c: the table of native kernels. */
#include "engine/kernel.h"

#include <string.h>

#define LB_KERNEL(stem, symbol) extern const lb_kernel lb_nat_##symbol;
#include "engine/native/kernels.def"
#undef LB_KERNEL

const lb_kernel *const lb_native_kernels[] = {
#define LB_KERNEL(stem, symbol) &lb_nat_##symbol,
#include "engine/native/kernels.def"
#undef LB_KERNEL
    NULL,
};

static const char *const stems[] = {
#define LB_KERNEL(stem, symbol) #stem,
#include "engine/native/kernels.def"
#undef LB_KERNEL
};

const char *lb_native_way(const lb_kernel *kernel)
{
    const char *way = NULL;
    int n = 0;

    for (int i = 0; lb_native_kernels[i]; i++) {
        const lb_kernel *const k = lb_native_kernels[i];
        if (k == kernel)
            way = stems[i];
        n += k->op && kernel->op && strcmp(k->op, kernel->op) == 0;
    }
    return n > 1 ? way : NULL;
}
