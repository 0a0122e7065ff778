/* device_int.h: what the kernels cost on each core that is known, and in which measures.
 *
 * cost_CORE.def holds the figures of one core. bench/calibrate.c finds and writes them.
 */
#ifndef LB_DEVICE_DEVICE_INT_H
#define LB_DEVICE_DEVICE_INT_H

#include "device/device.h"

/* What a step does. Its instructions are a sum over these, each at its cost. */
typedef enum lb_effort {
    LB_EFFORT_TAP,      /* a multiply-add, or a value in the window of a pool */
    LB_EFFORT_BLOCK,    /* taps that kernels take at once: see lb_step_effort */
    LB_EFFORT_INPUT,    /* a value read */
    LB_EFFORT_OUTPUT,   /* a value written */
    LB_EFFORT_POSITION, /* of the map that is written */
    LB_EFFORT_STEP,     /* 1 */
    LB_EFFORT_GATHERED, /* values under all windows of a convolution, brought together */
    LB_EFFORT_WIDE,     /* taps of depthwise kernels that are not three wide */
    LB_N_EFFORTS
} lb_effort;

/* Depthwise: a block is up to three taps of a row; else up to 16 values that lie side by
 * side under one row of the window. */
void lb_step_effort(const lb_low *low, const lb_low_step *step,
                    double effort[LB_N_EFFORTS]);
/* Of the function that calls the steps: the input and the output, which it copies, and
 * the steps (as LB_EFFORT_POSITION). */
void lb_driver_effort(const lb_low *low, double effort[LB_N_EFFORTS]);

/* What the code of a network is made of: the kernel of each kind of step, and these. */
enum {
    LB_N_LOW_KINDS = LB_LOW_AFFINE + 1,
    LB_PART_DOT = LB_N_LOW_KINDS, /* of int8: what convolution and pointwise have in
                                     common */
    LB_PART_CALL,                 /* of each step, with the constants of its shape */
    LB_PART_RUN, /* the function that calls the steps, with the C library's memcpy */
    LB_N_PARTS,
    LB_COSTS_OF_DRIVER = LB_N_LOW_KINDS
};

/* How often a network needs each: a kernel once, a call for each step. */
void lb_low_parts(const lb_low *low, int count[LB_N_PARTS]);

/* The first index is 0 for float32, 1 for int8. */
typedef struct lb_core_costs {
    double step[2][LB_N_LOW_KINDS + 1][LB_N_EFFORTS]; /* instructions */
    double code[2][LB_N_PARTS];                       /* bytes, as compiled with -O2 */
    /* Bytes of all that is called within, from the caller of the network on. */
    double stack[2][LB_N_PARTS];
} lb_core_costs;

extern const lb_core_costs lb_core_costs_of[LB_N_CORES];

#endif
