/* cost.c: costs of the kernels on the cores that are known: instructions, code, stack.
 *
 * They were fitted to what `limbeck prove` counts and the linker makes of the emitted
 * kernels with gcc 12 -O2: see bench/calibrate.c, which writes the files. */
#include "device/device_int.h"

enum { FP32, INT8 };

#define STEP(type, kind, ...) .step[type][LB_LOW_##kind] = {__VA_ARGS__},
#define DRIVER(type, ...) .step[type][LB_COSTS_OF_DRIVER] = {__VA_ARGS__},
#define CODE(type, part, bytes, deep) \
    .code[type][part] = (bytes), .stack[type][part] = (deep),
#define KERNEL(type, kind, bytes, deep) CODE(type, LB_LOW_##kind, bytes, deep)
#define PART(type, name, bytes, deep) CODE(type, LB_PART_##name, bytes, deep)

const lb_core_costs lb_core_costs_of[LB_N_CORES] = {
    [LB_CORE_M0] =
        {
#include "device/cost_m0.def"
        },
    [LB_CORE_M3] =
        {
#include "device/cost_m3.def"
        },
    [LB_CORE_M4] =
        {
#include "device/cost_m4.def"
        },
    [LB_CORE_M55] =
        {
#include "device/cost_m55.def"
        },
    [LB_CORE_RV32] =
        {
#include "device/cost_rv32.def"
        },
};
