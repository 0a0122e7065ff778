/* start_arm.c: a Cortex-M from reset to board_start, and its semihosting. */
#include "board.h"

void board_reset(void);

long board_call(long op, const void *argument)
{
    register long r0 __asm__("r0") = op;
    register const void *r1 __asm__("r1") = argument;

    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void board_reset(void)
{
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    /* CPACR: the floating-point and vector units are off at reset */
    *(volatile uint32_t *)0xe000ed88u |= 0xfu << 20;
    __asm__ volatile("dsb\n\tisb");
#endif
#if defined(__ARM_FEATURE_MVE)
    /* CCR.LOB: low-overhead loops */
    *(volatile uint32_t *)0xe000ed14u |= 1u << 19;
    __asm__ volatile("dsb\n\tisb");
#endif
    board_start();
}

typedef void (*handler)(void);

typedef struct vector_table {
    uint32_t *stack;
    handler handlers[15];
} vector_table;

__attribute__((section(".vectors"), used)) static const vector_table vectors = {
    board_stack_top,
    {board_reset, board_fault, board_fault, board_fault, board_fault, board_fault,
     board_fault, board_fault, board_fault, board_fault, board_fault, board_fault,
     board_fault, board_fault, board_fault}};
