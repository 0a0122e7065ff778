/* firmware_child.c: runs the emitted network `net`; compiled together with it by
 * bench-firmware. Prints "ready", then answers `run - 1 - N` with the seconds of N runs.
 */
#define _POSIX_C_SOURCE 200809L
#include "net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int main(void)
{
    static int8_t in[NET_INPUT_SIZE], out[NET_OUTPUT_SIZE];
    char line[200];
    long i;

    for (i = 0; i < (long)NET_INPUT_SIZE; i++)
        in[i] = (int8_t)(i * 37 % 256 - 128);
    net_run(in, out);
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        const char *const last = strrchr(line, ' ');
        const long n = last ? strtol(last, NULL, 10) : 0;
        const double start = now();
        for (i = 0; i < n; i++)
            net_run(in, out);
        printf("%.9f\n", now() - start);
        fflush(stdout);
    }
    return 0;
}
