/* signals.c: the one mutable global of the program: a handler has no argument. */
#include "cli/signals.h"

#include <signal.h>
#include <stddef.h>

/* sig_atomic_t is int with every C library here */
static volatile sig_atomic_t asked;

static void ask(int number)
{
    (void)number;
    asked = 1;
}

const volatile int *lb_signals_watch(void)
{
    /* the handler is used once: the next signal of the kind ends the program at once */
    struct sigaction action = {.sa_handler = ask};

    action.sa_flags = (int)SA_RESETHAND | SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return &asked;
}
