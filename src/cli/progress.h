/* progress.h: what a run shows on stderr: bars on a terminal, a line now and then on a
 * pipe, nothing if quiet. */
#ifndef LB_CLI_PROGRESS_H
#define LB_CLI_PROGRESS_H

#include "cli/command.h"
#include "train/train.h"

typedef struct lb_progress {
    bool quiet, terminal, colour;
    bool bar;                /* a bar stands on the terminal's last line */
    double shown;            /* when something was last shown, in seconds */
    double accuracy;         /* of the last epoch; negative: none yet */
    int epochs;              /* of the stage, as the last step said */
    int stage, stages;       /* likewise */
    const char *name;        /* of the stage; NULL without stages */
    const volatile int *ask; /* not 0: stop; NULL: never */
} lb_progress;

void lb_progress_init(lb_progress *progress, const lb_args *args,
                      const volatile int *ask);
/* Takes the bar away. */
void lb_progress_end(lb_progress *progress);

/* The hooks of a run; arg is the lb_progress. */
lb_watch lb_progress_watch(lb_progress *progress);
lb_log lb_progress_log(lb_progress *progress);
bool lb_progress_cache(void *arg, int done, int total);
void lb_progress_phase(void *arg, const char *text);

#endif
