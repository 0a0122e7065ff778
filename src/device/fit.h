/* fit.h: the most capable network of an architecture inside a device's limits. */
#ifndef LB_DEVICE_FIT_H
#define LB_DEVICE_FIT_H

#include "device/device.h"

/* How a network becomes steps, if not by lb_lower: in int8, say. */
typedef struct lb_lowerer {
    lb_code (*lower)(const void *arg, const lb_graph *graph, lb_arena *arena,
                     lb_low **out, lb_error *err);
    const void *arg;
} lb_lowerer;

/* All borrowed. */
typedef struct lb_fit_search {
    const lb_model *model;
    lb_model_options options; /* width 0: the widest is looked for, in steps of 1/16 */
    const int *depth;         /* those that are tried; n_depths 0: that of the options */
    int n_depths;
    const lb_shape *input; /* sizes [C,H,W] that are tried, the data's own first; n_inputs
                              0: that of the options */
    int n_inputs;
    const lb_device *device;
    const lb_device_options *limits;
    const lb_lowerer *lowerer; /* NULL: lb_lower */
} lb_fit_search;

/* One depth and one size of the input, at the width that was asked for, or the widest
 * that fits; if not even the least width does, what that costs. */
typedef struct lb_fit {
    int depth;
    lb_shape input;
    bool fits;
    double width;
    size_t parameters;
    double macs;
    lb_estimate estimate;
} lb_fit;

/* How many lb_fit_all fills. */
int lb_fit_count(const lb_fit_search *search);

/* The most capable of some that fits; -1 if none does.
 *
 * Most capable is what computes most: within one kind of network accuracy grows with the
 * multiply-adds (Tan and Le 2019, "EfficientNet"; Lin et al. 2020, "MCUNet", choose the
 * space of their search by it), and at like cost wide networks do as well as deep ones
 * (Zagoruyko and Komodakis 2016). A smaller input shows less, and the device has to make
 * it: it must compute as much more as its sides are shorter. What is within 5 % of the
 * most is alike: of that the larger input is taken, then the most parameters. */
int lb_fit_best(const lb_fit *fit, int n);

/* out: inputs outside, depths inside. *best: the most capable; if none fits, -1 and
 * LB_ERR_BUDGET, with what the least of them breaks. */
lb_code lb_fit_all(const lb_fit_search *search, lb_fit *out, int *best,
                   lb_error *err) LB_MUST_USE;

#endif
