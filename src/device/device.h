/* device.h: devices, budgets, and estimates before the first training step. */
#ifndef LB_DEVICE_DEVICE_H
#define LB_DEVICE_DEVICE_H

#include "base/key.h"
#include "lower/lower.h"
#include "models/model.h"

typedef struct lb_range {
    double low, mid, high;
} lb_range;

typedef enum lb_work_kind {
    LB_WORK_CONV,
    LB_WORK_POINTWISE,
    LB_WORK_DEPTHWISE,
    LB_WORK_DENSE,
    LB_N_WORK_KINDS
} lb_work_kind;

/* Costs of one element type on a device. */
typedef struct lb_speed {
    lb_range cycles_per_mac[LB_N_WORK_KINDS];
    lb_range cycles_per_element; /* add, pool, activation: each output element */
    lb_range cycles_per_layer;   /* fixed overhead */
} lb_speed;

/* A row of devices.def. */
typedef struct lb_device {
    const char *name, *core, *source; /* where the figures come from, and how sure */
    double clock_hz;
    double flash_bytes, sram_bytes; /* usable */
    lb_range watts;                 /* active */
    lb_speed fp32, int8;
} lb_device;

extern const lb_device lb_devices[]; /* ends with a row without a name */
const lb_device *lb_device_find(const char *name);

/* What a recipe asks for: a profile and limits, which may be tighter than the part. */
typedef struct lb_device_options {
    const char *profile;                 /* NULL: no device, no gate */
    double flash, sram, latency, energy; /* 0: the part's own, or no limit */
} lb_device_options;
extern const lb_key lb_device_keys[]; /* profile, flash, sram, latency, energy */

typedef struct lb_estimate {
    size_t flash_bytes; /* weights, constants and code */
    size_t weight_bytes, code_bytes;
    size_t sram_bytes; /* arena plus stack */
    size_t arena_bytes, stack_bytes;
    lb_range latency_ms, energy_uj;
    double instructions; /* of one inference; NaN if not known for the device's core */
    int peak_step;       /* where the arena is fullest */
} lb_estimate;

/* Cycles of one step. */
lb_range lb_device_step_cycles(const lb_low_step *step, const lb_device *device);

/* Cores whose instructions are known, in the order of docs/proof.md; each stands for
 * those that execute about the same. */
typedef enum lb_core {
    LB_CORE_M0,   /* ARMv6-M: Cortex-M0, M0+ */
    LB_CORE_M3,   /* ARMv7-M without DSP instructions */
    LB_CORE_M4,   /* with them: Cortex-M4F, M33, M7 */
    LB_CORE_M55,  /* Helium vectors (MVE) */
    LB_CORE_RV32, /* RV32IMC */
    LB_N_CORES
} lb_core;

/* By the device's core; LB_N_CORES if nothing is known of it. */
lb_core lb_device_core(const lb_device *device);

/* Instructions of a step; of a whole inference, copies in and out included. NaN for
 * LB_N_CORES. */
double lb_device_step_instructions(const lb_low *low, const lb_low_step *step,
                                   lb_core core);
double lb_device_instructions(const lb_low *low, lb_core core);

void lb_device_estimate(const lb_low *low, const lb_device *device, lb_estimate *out);

/* LB_OK if it fits (latency and energy by their high ends); else LB_ERR_BUDGET, naming
 * the limit, by how much, and the layer that breaks it. */
lb_code lb_device_check(const lb_low *low, const lb_device *device,
                        const lb_device_options *limits, const lb_estimate *estimate,
                        lb_error *err) LB_MUST_USE;

#endif
