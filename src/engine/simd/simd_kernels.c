/* simd_kernels.c: the table of the instruction set that this file is compiled for. */
#include "engine/simd/simd_protos.h"

extern const lb_simd LB_SIMD(simd);

const lb_simd LB_SIMD(simd) = {
    .block = LB_BLOCK,
#define LB_SIMD_KERNEL(result, name, arguments) .name = LB_SIMD(name),
#include "engine/simd/simd_kernels.def"
#undef LB_SIMD_KERNEL
};
