/* serial_main.c: a main for a board on a serial line, for `limbeck prove --on
 * serial:...`.
 *
 * Compile selftest.c with -Dmain=selftest, and this beside it. stdin and stdout must be
 * the line, as the C libraries of boards have them once a board's package is set up. A
 * board with a cycle counter may print `cycles N` (of one inference) and `step K N`
 * before the end. */
#include <stdio.h>
#include <string.h>

int selftest(void);

int main(void)
{
    char line[32];

    while (fgets(line, sizeof line, stdin)) {
        if (strncmp(line, "prove", 5) != 0)
            continue;
        printf("begin\n");
        selftest();
        printf("end\n");
        fflush(stdout);
    }
    return 0;
}
