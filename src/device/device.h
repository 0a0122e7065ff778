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

/* Instructions of a step on a Cortex-M4; of a whole inference on a device, NaN unless its
 * core executes about the same: Cortex-M4F, M33, M7. */
double lb_device_step_instructions(const lb_low *low, const lb_low_step *step);
double lb_device_instructions(const lb_low *low, const lb_device *device);

void lb_device_estimate(const lb_low *low, const lb_device *device, lb_estimate *out);

/* LB_OK if it fits (latency and energy by their high ends); else LB_ERR_BUDGET, naming
 * the limit, by how much, and the layer that breaks it. */
lb_code lb_device_check(const lb_low *low, const lb_device *device,
                        const lb_device_options *limits, const lb_estimate *estimate,
                        lb_error *err) LB_MUST_USE;

/* How a network becomes steps, if not by lb_lower: in int8, say. */
typedef struct lb_lowerer {
    lb_code (*lower)(const void *arg, const lb_graph *graph, lb_arena *arena,
                     lb_low **out, lb_error *err);
    const void *arg;
} lb_lowerer;

/* The widest width (in steps of 1/16) of a model that fits. LB_ERR_BUDGET if none does.
 * lowerer: NULL for lb_lower. */
lb_code lb_device_fit(const lb_model *model, const lb_model_options *options,
                      const lb_device *device, const lb_device_options *limits,
                      const lb_lowerer *lowerer, double *width,
                      lb_error *err) LB_MUST_USE;

#endif
