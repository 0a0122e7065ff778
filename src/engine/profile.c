/* profile.c: where the time of a plan goes, step by step. */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include "engine/plan_int.h"

#include <time.h>

static double thread_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void run_timed(const lb_plan *plan, int i, int group, double *seconds)
{
    const double start = thread_clock();

    lb_step_run(plan, &plan->steps[i], group, 0);
    seconds[i] += thread_clock() - start;
}

void lb_plan_profile(lb_plan *plan, double *seconds)
{
    for (int s = 0; s < plan->n_segments; s++) {
        const lb_segment *const seg = &plan->segments[s];
        for (int g = 0; g < (seg->grouped ? plan->n_groups : 1); g++)
            for (int i = seg->first; i < seg->first + seg->n; i++)
                run_timed(plan, i, g, seconds);
    }
}
