/* estimate.c: flash, SRAM, latency and energy of a lowered network on a device.
 *
 * Code and stack are those of emit/kernels as compiled for a Cortex-M4F with -O2;
 * other cores differ little beside the weights. */
#include "device/device.h"

/* Kernels that live in one file are linked together. */
typedef enum kernel_file {
    FILE_CONV,
    FILE_POINTWISE,
    FILE_DEPTHWISE,
    FILE_DENSE,
    FILE_POOL,
    FILE_ELEMENTWISE,
    FILE_SOFTMAX,
    FILE_MOVE,
    FILE_DOT, /* of int8: what convolution and pointwise have in common */
    N_FILES
} kernel_file;

typedef struct cost {
    size_t code, stack;
} cost;

static const cost costs_fp32[N_FILES] = {
    [FILE_CONV] = {988, 240},      [FILE_POINTWISE] = {720, 152},
    [FILE_DEPTHWISE] = {648, 176}, [FILE_DENSE] = {480, 72},
    [FILE_POOL] = {796, 148},      [FILE_ELEMENTWISE] = {280, 32},
    [FILE_SOFTMAX] = {740, 104}, /* with the C library's expf */
    [FILE_MOVE] = {348, 56},
};
/* With the DSP instructions; stack with that of FILE_DOT, as measured on the emulator. */
static const cost costs_int8[N_FILES] = {
    [FILE_CONV] = {1288, 424},      [FILE_POINTWISE] = {140, 350},
    [FILE_DEPTHWISE] = {1920, 368}, [FILE_DENSE] = {984, 160},
    [FILE_POOL] = {1120, 168},      [FILE_ELEMENTWISE] = {284, 88},
    [FILE_SOFTMAX] = {1100, 112},   [FILE_MOVE] = {452, 112},
    [FILE_DOT] = {1868, 0},
};
enum {
    RUN_CODE = 400,  /* the function that calls the steps, with the C library's memcpy */
    STEP_CODE = 120, /* each call and the constants of its shape */
    RUN_STACK = 32   /* its own and a step's */
};

static kernel_file file_of(lb_low_kind kind)
{
    switch (kind) {
    case LB_LOW_CONV:
        return FILE_CONV;
    case LB_LOW_POINTWISE:
        return FILE_POINTWISE;
    case LB_LOW_DEPTHWISE:
        return FILE_DEPTHWISE;
    case LB_LOW_DENSE:
        return FILE_DENSE;
    case LB_LOW_MAX_POOL:
    case LB_LOW_AVERAGE_POOL:
        return FILE_POOL;
    case LB_LOW_ADD:
    case LB_LOW_ACTIVATION:
    case LB_LOW_AFFINE:
        return FILE_ELEMENTWISE;
    case LB_LOW_SOFTMAX:
        return FILE_SOFTMAX;
    case LB_LOW_PAD:
    case LB_LOW_CONCAT:
    case LB_LOW_COPY:
        break;
    }
    return FILE_MOVE;
}

static lb_work_kind work_of(lb_low_kind kind)
{
    switch (kind) {
    case LB_LOW_POINTWISE:
        return LB_WORK_POINTWISE;
    case LB_LOW_DEPTHWISE:
        return LB_WORK_DEPTHWISE;
    case LB_LOW_DENSE:
        return LB_WORK_DENSE;
    case LB_LOW_CONV:
    case LB_LOW_MAX_POOL:
    case LB_LOW_AVERAGE_POOL:
    case LB_LOW_ADD:
    case LB_LOW_SOFTMAX:
    case LB_LOW_ACTIVATION:
    case LB_LOW_PAD:
    case LB_LOW_CONCAT:
    case LB_LOW_COPY:
    case LB_LOW_AFFINE:
        break;
    }
    return LB_WORK_CONV;
}

lb_range lb_device_step_cycles(const lb_low_step *step, const lb_device *device)
{
    const lb_speed *const speed = step->q ? &device->int8 : &device->fp32;
    const lb_range *const mac = &speed->cycles_per_mac[work_of(step->kind)];
    const lb_range *const element = &speed->cycles_per_element;
    const lb_range *const layer = &speed->cycles_per_layer;

    return (lb_range){
        .low = step->macs * mac->low + step->other * element->low + layer->low,
        .mid = step->macs * mac->mid + step->other * element->mid + layer->mid,
        .high = step->macs * mac->high + step->other * element->high + layer->high,
    };
}

static void estimate_memory(const lb_low *low, lb_estimate *out)
{
    const cost *const costs = low->dtype == LB_I8 ? costs_int8 : costs_fp32;
    bool used[N_FILES] = {false};
    size_t stack = 0, peak = 0;

    out->code_bytes = RUN_CODE + (size_t)low->n_steps * STEP_CODE;
    for (int i = 0; i < low->n_steps; i++) {
        const kernel_file file = file_of(low->step[i].kind);
        const size_t alive = lb_low_live_bytes(low, i);
        if (!used[file])
            out->code_bytes += costs[file].code;
        used[file] = true;
        stack = costs[file].stack > stack ? costs[file].stack : stack;
        if (alive > peak) {
            peak = alive;
            out->peak_step = i;
        }
    }
    if (used[FILE_CONV] || used[FILE_POINTWISE])
        out->code_bytes += costs[FILE_DOT].code;
    out->weight_bytes = low->weight_bytes;
    out->flash_bytes = out->weight_bytes + out->code_bytes;
    out->arena_bytes = low->arena_bytes;
    out->stack_bytes = stack + RUN_STACK;
    out->sram_bytes = out->arena_bytes + out->stack_bytes;
}

void lb_device_estimate(const lb_low *low, const lb_device *device, lb_estimate *out)
{
    lb_range cycles = {0};

    *out = (lb_estimate){0};
    estimate_memory(low, out);
    for (int i = 0; i < low->n_steps; i++) {
        const lb_range c = lb_device_step_cycles(&low->step[i], device);
        cycles.low += c.low;
        cycles.mid += c.mid;
        cycles.high += c.high;
    }
    out->instructions = lb_device_instructions(low, device);
    const double ms = 1e3 / device->clock_hz;
    out->latency_ms = (lb_range){cycles.low * ms, cycles.mid * ms, cycles.high * ms};
    /* mJ to uJ */
    out->energy_uj = (lb_range){out->latency_ms.low * device->watts.low * 1e3,
                                out->latency_ms.mid * device->watts.mid * 1e3,
                                out->latency_ms.high * device->watts.high * 1e3};
}
