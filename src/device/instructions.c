/* instructions.c: how many instructions a network takes on the cores that are known.
 *
 * A step costs so much for each tap, each value that it reads or writes, each position of
 * the map, and once. Whole networks come out within a few percent; a test holds 15. */
#include "device/device_int.h"

#include <math.h>
#include <string.h>

enum { DEEP_BLOCK = 3, BLOCK = 16 };

static double up(double n, double block)
{
    return ceil(n / block);
}

void lb_step_effort(const lb_low *low, const lb_low_step *step,
                    double effort[LB_N_EFFORTS])
{
    const lb_low_dims *const from = &low->buffer[step->in[0]].dims;
    const lb_low_dims *const to = &low->buffer[step->out].dims;
    const double outputs = (double)lb_low_count(to), rows = outputs * step->kernel_h;
    const double inputs = (double)lb_low_count(from);
    const double positions = (double)to->h * (double)to->w;
    const bool deep = step->kind == LB_LOW_DEPTHWISE, three = step->kernel_w == 3;
    double taps = 0, blocks = 0;

    switch (step->kind) {
    case LB_LOW_CONV:
    case LB_LOW_POINTWISE:
        taps = step->macs;
        blocks = rows * up((double)step->kernel_w * from->c, BLOCK);
        break;
    case LB_LOW_DENSE:
        taps = step->macs;
        blocks = outputs * up(inputs, BLOCK);
        break;
    case LB_LOW_DEPTHWISE:
    case LB_LOW_MAX_POOL:
    case LB_LOW_AVERAGE_POOL:
        taps = rows * step->kernel_w;
        blocks = rows * up(step->kernel_w, DEEP_BLOCK);
        break;
    case LB_LOW_ADD:
    case LB_LOW_SOFTMAX:
    case LB_LOW_ACTIVATION:
    case LB_LOW_PAD:
    case LB_LOW_CONCAT:
    case LB_LOW_COPY:
    case LB_LOW_AFFINE:
        break;
    }
    effort[LB_EFFORT_TAP] = taps;
    effort[LB_EFFORT_BLOCK] = blocks;
    effort[LB_EFFORT_INPUT] = inputs;
    effort[LB_EFFORT_OUTPUT] = outputs;
    effort[LB_EFFORT_POSITION] = positions;
    effort[LB_EFFORT_STEP] = 1;
    effort[LB_EFFORT_GATHERED] =
        step->kind == LB_LOW_CONV
            ? positions * step->kernel_h * step->kernel_w * (double)from->c
            : 0;
    effort[LB_EFFORT_WIDE] = deep && !three ? taps : 0;
}

void lb_driver_effort(const lb_low *low, double effort[LB_N_EFFORTS])
{
    memset(effort, 0, LB_N_EFFORTS * sizeof *effort);
    for (int i = 0; i < low->n_inputs; i++)
        effort[LB_EFFORT_INPUT] += (double)lb_low_count(&low->input[i].dims);
    effort[LB_EFFORT_OUTPUT] = (double)lb_low_count(&low->output);
    effort[LB_EFFORT_POSITION] = low->n_steps;
    effort[LB_EFFORT_STEP] = 1;
}

void lb_low_parts(const lb_low *low, int count[LB_N_PARTS])
{
    memset(count, 0, LB_N_PARTS * sizeof *count);
    for (int i = 0; i < low->n_steps; i++)
        count[low->step[i].kind] = 1;
    if (low->dtype == LB_I8 && (count[LB_LOW_CONV] || count[LB_LOW_POINTWISE]))
        count[LB_PART_DOT] = 1;
    count[LB_PART_CALL] = low->n_steps;
    count[LB_PART_RUN] = 1;
}

lb_core lb_device_core(const lb_device *device)
{
    static const struct {
        const char *name;
        lb_core core;
    } alike[] = {{"Cortex-M0+", LB_CORE_M0}, {"Cortex-M3", LB_CORE_M3},
                 {"Cortex-M4F", LB_CORE_M4}, {"Cortex-M33", LB_CORE_M4},
                 {"Cortex-M7", LB_CORE_M4},  {"Cortex-M55", LB_CORE_M55},
                 {"RV32IMC", LB_CORE_RV32}};

    for (size_t i = 0; i < sizeof alike / sizeof *alike; i++)
        if (strcmp(device->core, alike[i].name) == 0)
            return alike[i].core;
    return LB_N_CORES;
}

static double sum_of(const double *cost, const double *effort)
{
    double sum = 0;

    for (int k = 0; k < LB_N_EFFORTS; k++)
        sum += cost[k] * effort[k];
    return sum;
}

/* Of a weight of 4 bits, with the copies around it; on a Cortex-M4. */
#define UNPACKING 1.6

double lb_device_step_instructions(const lb_low *low, const lb_low_step *step,
                                   lb_core core)
{
    double effort[LB_N_EFFORTS];

    if (core == LB_N_CORES)
        return (double)NAN;
    lb_step_effort(low, step, effort);
    return sum_of(lb_core_costs_of[core].step[low->dtype == LB_I8][step->kind], effort) +
           UNPACKING * lb_low_unpacked(low, step);
}

double lb_device_instructions(const lb_low *low, lb_core core)
{
    double effort[LB_N_EFFORTS];

    if (core == LB_N_CORES)
        return (double)NAN;
    lb_driver_effort(low, effort);
    double sum = sum_of(
        lb_core_costs_of[core].step[low->dtype == LB_I8][LB_COSTS_OF_DRIVER], effort);
    for (int i = 0; i < low->n_steps; i++)
        sum += lb_device_step_instructions(low, &low->step[i], core);
    return sum;
}
