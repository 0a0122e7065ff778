/* fit_run.h: the most capable student inside a device's limits, of a built-in
 * architecture, for some data or for a recipe: `limbeck fit`. */
#ifndef LB_RUN_FIT_RUN_H
#define LB_RUN_FIT_RUN_H

#include "device/fit.h"
#include "run/run.h"

enum { LB_MOST_FITS = 16 };

typedef struct lb_fit_options {
    /* A model with the shape [C,H,W] and the classes of its data ... */
    const lb_model *model;
    lb_shape sample;
    int classes;
    bool int8; /* or in float32 */
    /* ... or, where model is NULL, what this recipe's student is, on its data. */
    lb_run_options recipe;

    lb_device_options device; /* a profile of NULL and limits of 0: the recipe's */
    double width;             /* 0: the widest that fits */
    int depth[LB_MOST_FITS];
    int n_depths;                 /* 0: all that the model's searches try */
    lb_shape input[LB_MOST_FITS]; /* [C,H,W] */
    int n_inputs; /* 0: the data's own, and of pictures three quarters and half of it */
} lb_fit_options;

/* What was found; lives in the arena. */
typedef struct lb_fit_result {
    const lb_model *model;
    const lb_device *device;
    lb_device_options limits;
    lb_shape sample; /* of the data */
    int classes;
    bool int8, ends_in_teacher; /* head: teacher */
    lb_fit *fit;                /* as lb_fit_all has it */
    int n, best;                /* best -1: none fits */
} lb_fit_result;

/* LB_ERR_BUDGET, with out filled, if none fits. */
lb_code lb_fit_run(const lb_fit_options *options, lb_arena *arena, lb_fit_result *out,
                   lb_error *err) LB_MUST_USE;

#endif
