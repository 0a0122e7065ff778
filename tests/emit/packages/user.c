/* user.c: a program that runs the packed network. */
#include <tiny_Net.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
    static char in[8 * TINY_NET_INPUT_SIZE], out[8 * TINY_NET_OUTPUT_SIZE];

    memset(tiny_Net_input(), 0, TINY_NET_INPUT_SIZE);
    tiny_Net_run((const void *)in, (void *)out);
    printf("ran %d outputs\n", TINY_NET_OUTPUT_SIZE);
    return 0;
}
