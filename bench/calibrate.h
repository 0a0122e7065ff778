/* calibrate.h: what the files of bench-calibrate share. */
#ifndef LB_BENCH_CALIBRATE_H
#define LB_BENCH_CALIBRATE_H

#include "device/device_int.h"

/* The efforts of a step are fewer. */
enum { MOST_FEATURES = LB_N_PARTS };

/* A network of the calibration. */
typedef struct calibration_net {
    const char *name;
    bool int8;
    bool whole;         /* a network as people have them: what must come out right */
    const char *tflite; /* a file of MLPerf Tiny, or NULL */
    const char *model;  /* of `limbeck models`, or NULL */
    lb_value (*build)(lb_builder *b, lb_value x); /* or some layers of one kind */
    int input[3];                                 /* C, H, W */
    int classes, depth;
    double width;
} calibration_net;

extern const calibration_net calibration_nets[]; /* ends with a row without a name */

/* LB_ERR_IO if its file is not there; LB_ERR_UNSUPPORTED if no kernels exist for it. */
lb_code calibration_lower(const calibration_net *net, lb_arena *arena, lb_low **out,
                          lb_error *err) LB_MUST_USE;

/* x = the n numbers >= 0 that minimise the sum of squares of (row . x - target) / scale,
 * one row of features each; of all subsets of features (n is small) the best whose
 * solution is not negative. */
typedef struct calibration_row {
    double feature[MOST_FEATURES], target, scale;
} calibration_row;
void calibration_fit(const calibration_row *row, int n_rows, int n, double *x);

#endif
