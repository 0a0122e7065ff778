/* clock.h: how long something takes; for reports and limits, never for results. */
#ifndef LB_BASE_CLOCK_H
#define LB_BASE_CLOCK_H

/* Seconds of a clock that only runs forward, and of this thread's processor time. */
double lb_clock_wall(void);
double lb_clock_thread(void);

#endif
