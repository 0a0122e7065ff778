/* board_int.h: the emulated boards, and the files that go around the firmware on them. */
#ifndef LB_PROVE_BOARD_INT_H
#define LB_PROVE_BOARD_INT_H

#include "base/error.h"

/* A row of boards.def. Words of flags are divided by single blanks. */
typedef struct lb_board {
    const char *name; /* behind "qemu:" */
    const char *core; /* one line */
    const char *compiler, *compiler_package, *library_package;
    const char *emulator, *emulator_package;
    const char *flags;   /* of the compiler, for every call */
    const char *link;    /* more of them to link */
    const char *machine; /* the emulator's */
    const char *script;  /* text of the linker script */
    const char *start;   /* text of the start-up code */
    const char *start_file;
} lb_board;

extern const lb_board lb_boards[]; /* ends with a row without a name */

/* LB_ERR_INPUT with the nearest name if there is no such board. */
lb_code lb_board_find(const char *name, const lb_board **out, lb_error *err) LB_MUST_USE;

/* The files of boards/, embedded when limbeck is built. */
extern const char lb_board_text_board_c[], lb_board_text_board_h[],
    lb_board_text_start_arm_c[], lb_board_text_start_riscv_c[], lb_board_text_mps2_ld[],
    lb_board_text_mps3_ld[], lb_board_text_virt_ld[], lb_board_text_count_c[];

#endif
