/* machine.h: what this machine can do at most, measured: the roof that kernels are held
 * against. Times are processor times of threads, so that other programs on the machine
 * disturb them little. */
#ifndef LB_ENGINE_MACHINE_H
#define LB_ENGINE_MACHINE_H

#include "base/pool.h"

#include <stddef.h>

/* n > 0 numbers, which are put in order. */
double lb_median(double *x, int n);

enum { LB_MACHINE_LEVELS = 3 };

/* One level of the memory: how fast a thread adds two streams into a third. */
typedef struct lb_machine_level {
    const char *name; /* "L2", "L3", "DRAM" */
    size_t bytes;     /* of the three streams */
    double bytes_per_second;
} lb_machine_level;

typedef struct lb_machine {
    int threads;
    double thread_flops; /* fp32 multiply-adds count two; of one thread that is alone */
    double flops;        /* of all threads at once */
    lb_machine_level level[LB_MACHINE_LEVELS]; /* from near to far */
} lb_machine;

/* Takes about a third of a second. */
lb_code lb_machine_measure(lb_pool *pool, lb_machine *out, lb_error *err) LB_MUST_USE;

#endif
