/* timing.h: how long each step of a plan takes, and how much it does in that time; for
 * people, who ask where the time goes. */
#ifndef LB_ENGINE_TIMING_H
#define LB_ENGINE_TIMING_H

#include "engine/plan.h"

typedef struct lb_timing_row {
    const char *name;   /* of the layer; of a gradient or an update, its parameter's */
    const char *op;     /* its operator; "" where there is no node */
    const char *kernel; /* "native Conv (wino)", "onednn Conv", "sum" */
    double seconds;     /* processor time of one thread for the whole batch */
    lb_work work;
} lb_timing_row;

/* The rows are in run order and live in the arena, texts too. */
typedef struct lb_timing {
    lb_timing_row *row;
    int n;
    double seconds; /* of one thread, for all rows */
    lb_work work;
    lb_plan_stats plan;
} lb_timing;

/* Runs the plan again and again for about so many seconds, at least once, and takes each
 * step's median. The inputs stay as they are; a plan that updates its parameters does so.
 */
lb_code lb_plan_time(lb_plan *plan, double seconds, lb_arena *arena, lb_timing *out,
                     lb_error *err) LB_MUST_USE;

/* Seconds of a run with all threads: the median over about so many seconds. */
double lb_plan_wall(lb_plan *plan, double seconds);

#endif
