/* clock.c: the system's clocks. */
#include "base/clock.h"

#include <time.h>

static double clock_of(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double lb_clock_wall(void)
{
    return clock_of(CLOCK_MONOTONIC);
}

double lb_clock_thread(void)
{
    return clock_of(CLOCK_THREAD_CPUTIME_ID);
}
