/* phase.c: the time of day, and what a run is doing now. */
#include "run/run_int.h"

#include <time.h>

const char *lb_run_time_text(lb_arena *arena)
{
    const time_t now = time(NULL);
    struct tm utc;
    char text[32];

    if (!gmtime_r(&now, &utc) ||
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
        return "";
    return lb_arena_copy_text(arena, text);
}

void lb_run_phase(const lb_run *run, const char *text)
{
    if (run->options->phase)
        run->options->phase(run->options->watch.arg, text);
}
