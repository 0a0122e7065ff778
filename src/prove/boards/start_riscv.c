/* start_riscv.c: a RISC-V hart from reset to board_start, and its semihosting. */
#include "board.h"

extern char board_tls_start[];

/* Where the emulator begins. gp reaches small data, tp what the C library keeps for each
 * thread (errno). */
void board_reset(void);
__attribute__((naked, section(".text.start"))) void board_reset(void)
{
    __asm__ volatile(".option push\n\t"
                     ".option norelax\n\t"
                     "la gp, __global_pointer$\n\t"
                     ".option pop\n\t"
                     "la sp, board_stack_top\n\t"
                     "la tp, board_tls_start\n\t"
                     "la t0, board_trap\n\t"
                     ".option push\n\t"
                     ".option arch, +zicsr\n\t"
                     "csrw mtvec, t0\n\t"
                     ".option pop\n\t"
                     "j board_start");
}

void board_trap(void);
__attribute__((aligned(4), used)) void board_trap(void)
{
    board_fault();
}

/* The three instructions must be uncompressed, and within one page. */
__attribute__((aligned(64), noinline)) long board_call(long op, const void *argument)
{
    register long a0 __asm__("a0") = op;
    register const void *a1 __asm__("a1") = argument;

    __asm__ volatile(".option push\n\t"
                     ".option norvc\n\t"
                     ".option norelax\n\t"
                     "slli x0, x0, 0x1f\n\t"
                     "ebreak\n\t"
                     "srai x0, x0, 7\n\t"
                     ".option pop"
                     : "+r"(a0)
                     : "r"(a1)
                     : "memory");
    return a0;
}
