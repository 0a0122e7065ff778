/* simd_protos.h: the kernels of this folder, with the name of the instruction set. */
#ifndef LB_ENGINE_SIMD_SIMD_PROTOS_H
#define LB_ENGINE_SIMD_SIMD_PROTOS_H

#include "engine/simd/simd.h"
#include "engine/simd/simd_table.h"

#define LB_SIMD_KERNEL(result, name, arguments) result LB_SIMD(name) arguments;
#include "engine/simd/simd_kernels.def"
#undef LB_SIMD_KERNEL

#endif
