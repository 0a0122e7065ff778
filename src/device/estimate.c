/* estimate.c: flash, SRAM, latency and energy of a lowered network on a device.
 *
 * Code and stack of a core that is not known are those of a Cortex-M4F; cores differ
 * little beside the weights. */
#include "device/device_int.h"

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

/* Code that weights of 4 bits need besides, and stack. */
static void add_unpacking(const lb_low *low, double *code, double *stack)
{
    static const double code_of[] = {[LB_LOW_CONV] = 364,
                                     [LB_LOW_POINTWISE] = 372,
                                     [LB_LOW_DEPTHWISE] = 76,
                                     [LB_LOW_DENSE] = 244};
    bool used[sizeof code_of / sizeof *code_of] = {false};
    bool any = false;

    for (int i = 0; i < low->n_steps; i++) {
        const lb_low_step *const s = &low->step[i];
        if (!s->q || !s->q->packed)
            continue;
        *code += used[s->kind] ? 0 : code_of[s->kind];
        used[s->kind] = any = true;
    }
    *code += any ? 500 : 0;
    *stack += any ? 260 : 0;
}

static void estimate_memory(const lb_low *low, lb_core core, lb_estimate *out)
{
    const lb_core_costs *const costs =
        &lb_core_costs_of[core < LB_N_CORES ? core : LB_CORE_M4];
    const int type = low->dtype == LB_I8;
    int count[LB_N_PARTS];
    double code = 0, stack = 0;
    size_t peak = 0;

    lb_low_parts(low, count);
    for (int f = 0; f < LB_N_PARTS; f++) {
        code += count[f] * costs->code[type][f];
        if (count[f] > 0 && costs->stack[type][f] > stack)
            stack = costs->stack[type][f];
    }
    for (int i = 0; i < low->n_steps; i++) {
        const size_t alive = lb_low_live_bytes(low, i);
        if (alive > peak) {
            peak = alive;
            out->peak_step = i;
        }
    }
    add_unpacking(low, &code, &stack);
    out->code_bytes = (size_t)code;
    out->weight_bytes = low->weight_bytes;
    out->flash_bytes = out->weight_bytes + out->code_bytes;
    out->arena_bytes = low->arena_bytes;
    out->stack_bytes = (size_t)stack;
    out->sram_bytes = out->arena_bytes + out->stack_bytes;
}

void lb_device_estimate(const lb_low *low, const lb_device *device, lb_estimate *out)
{
    lb_range cycles = {0};

    *out = (lb_estimate){0};
    estimate_memory(low, lb_device_core(device), out);
    for (int i = 0; i < low->n_steps; i++) {
        const lb_range c = lb_device_step_cycles(&low->step[i], device);
        cycles.low += c.low;
        cycles.mid += c.mid;
        cycles.high += c.high;
    }
    out->instructions = lb_device_instructions(low, lb_device_core(device));
    const double ms = 1e3 / device->clock_hz;
    out->latency_ms = (lb_range){cycles.low * ms, cycles.mid * ms, cycles.high * ms};
    /* mJ to uJ */
    out->energy_uj = (lb_range){out->latency_ms.low * device->watts.low * 1e3,
                                out->latency_ms.mid * device->watts.mid * 1e3,
                                out->latency_ms.high * device->watts.high * 1e3};
}
