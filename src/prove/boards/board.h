/* board.h: what the files around firmware on an emulated board share. */
#ifndef LB_PROVE_BOARDS_BOARD_H
#define LB_PROVE_BOARDS_BOARD_H

#include <stdint.h>

/* Semihosting: the debugger, here the emulator, does operation `op` for the program. */
long board_call(long op, const void *argument);

/* Runs the self-test and ends the emulator with its exit status. */
void board_start(void);

/* Says why, and ends the emulator with status 99. */
void board_fault(void);

/* Of the linker script. */
extern uint32_t board_stack_bottom[], board_stack_top[];
extern uint32_t board_data_load[], board_data_start[], board_data_end[];
extern uint32_t board_bss_start[], board_bss_end[];

#endif
