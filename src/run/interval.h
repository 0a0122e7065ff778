/* interval.h: what paired measurements say, and how surely. */
#ifndef LB_RUN_INTERVAL_H
#define LB_RUN_INTERVAL_H

/* The p-quantile of Student's t distribution with so many degrees of freedom (at least
 * 1); 0.5 <= p < 1. The distribution's closed form for whole degrees (Abramowitz and
 * Stegun, 1964, 26.7.3 and 26.7.4), turned round by bisection. */
double lb_t_quantile(double p, int freedom);

/* Mean of n paired differences with its 95 % confidence interval, mean +- t s / sqrt(n)
 * (Student, 1908). Low and high are NaN for n = 1. */
typedef struct lb_interval {
    double mean, low, high;
} lb_interval;
lb_interval lb_paired_interval(const double *with, const double *without, int n);

#endif
