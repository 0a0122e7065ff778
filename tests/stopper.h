/* stopper.h: stops a training at a step, as a user would, and goes on with it. */
#ifndef LB_TESTS_STOPPER_H
#define LB_TESTS_STOPPER_H

#include "train/train.h"

#include <stdio.h>

typedef struct stopper {
    int64_t step, at; /* at: of the run, from 1; 0: never */
} stopper;

static inline void stopper_counts(void *arg, const lb_step_report *report)
{
    ((stopper *)arg)->step = report->step;
}

static inline bool stopper_stops(void *arg)
{
    const stopper *const s = arg;

    return s->at > 0 && s->step >= s->at;
}

static inline lb_watch stopper_watch(stopper *s)
{
    return (lb_watch){.arg = s, .step = stopper_counts, .stop = stopper_stops};
}

/* Removes the checkpoint of a run. */
static inline void forget(const char *of)
{
    char path[256];

    snprintf(path, sizeof path, "%s/checkpoint.lbk", of);
    remove(path);
}

#endif
