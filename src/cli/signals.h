/* signals.h: Ctrl-C and SIGTERM end a run cleanly; a second one ends it at once. */
#ifndef LB_CLI_SIGNALS_H
#define LB_CLI_SIGNALS_H

/* Installs the handlers; *result becomes 1 when a signal has come. */
const volatile int *lb_signals_watch(void);

#endif
