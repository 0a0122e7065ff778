/* fw_packed_v7m8.c: sums on ARMv7-M without DSP instructions: Cortex-M3; see
 * fw_packed_dot8.c. */
#include "fw8.h"

#if FW8_V7M

/* Shifts the upper word of v * factor, adds the zero point and half of the last bit, and
 * drops that; low: a register to spare. */
#define FINISH(v, factor, shift, offset, low) \
    "smull " #low ", " #v ", " #v ", " #factor "\n" \
    "asr " #v ", " #v ", " #shift "\n" \
    "add " #v ", " #v ", " #offset "\n" \
    "ssat " #v ", #8, " #v ", asr #1\n"

#if !FW8_OWN_DOT

/* Two inputs of a channel, 4 multiply-adds in 6 instructions; r12: 2^15, which rounds the
 * upper half, and is in `both` too. */
#define TWO(a, b, x, y, both, high) \
    "ldrsb r6, " a "\n" \
    "mla r7, r6, " #x ", r12\n" \
    "ldrsb r6, " b "\n" \
    "mla r7, r6, " #y ", r7\n" \
    "add.w " #both ", " #both ", r7\n" \
    "add.w " #high ", " #high ", r7, asr #16\n"
#define TWOS(a, b, c, d, both, high) \
    TWO(a, b, r4, r5, both, high) \
    TWO(c, d, r3, r2, both, high)
/* Four inputs of two channels; 100 bytes. */
#define BLOCK \
    "ldm.w r0!, {r2-r5}\n" TWOS("[r1, #9]", "[r1, #11]", "[r1, #3]", "[r1, #1]", r10, \
                                r11) \
        TWOS("[r1, #8]", "[r1, #10]", "[r1, #2]", "[r1], #16", r8, r9)

/* On the stack: the job, but for `end` the bytes of a group's weights less 4; then the
 * way into the loop, so that the number of blocks comes out, twice the number of groups,
 * and what r12 adds up to. Sums of two channels: both in r8 and r10, high in r9 and r11;
 * inputs at r0 up to lr, weights at r1. */
FW8_ASSEMBLY void fw8_run_job(FW8_UNUSED const fw8_job *j)
{
    __asm__ volatile(
        "push {r4-r11, lr}\n"
        "sub sp, #60\n"
        "ldm r0, {r1-r12}\n"
        "stm sp, {r1-r12}\n"
        "mov lr, r2\n"
        "sub r2, r2, r1\n"
        "sub r4, r2, #4\n"
        "str r4, [sp, #4]\n"
        "lsl r4, r2, #12\n"
        "str r4, [sp, #56]\n"
        "lsr r2, r2, #4\n"
        "rsb r2, r2, #0\n"
        "and r2, r2, #3\n"
        "mov r4, #100\n"
        "mul r2, r2, r4\n"
        "adr r4, 2f\n"
        "add r2, r2, r4\n"
        "orr r2, r2, #1\n"
        "str r2, [sp, #48]\n"
        "lsl r11, r11, #1\n"
        "str r11, [sp, #52]\n"
        "mov r12, #32768\n"
        "mov r1, r3\n"
        /* two channels */
        "1:\n"
        "ldr r2, [sp, #12]\n"
        "ldm r2!, {r9, r11}\n"
        "str r2, [sp, #12]\n"
        "ldr r3, [sp, #56]\n"
        "add r8, r9, r9, lsl #16\n"
        "sub r8, r8, r3\n"
        "add r10, r11, r11, lsl #16\n"
        "sub r10, r10, r3\n"
        "ldr r0, [sp]\n"
        "ldr r2, [sp, #48]\n"
        "bx r2\n"
        ".p2align 2\n"
        "2:\n" BLOCK BLOCK BLOCK BLOCK "cmp r0, lr\n"
        "bne.w 2b\n"
        "sub r8, r8, r9, lsl #16\n"
        "sub r10, r10, r11, lsl #16\n"
        "ldr r2, [sp, #44]\n"
        "cbz r2, 3f\n"
        "stm r2!, {r8-r11}\n"
        "str r2, [sp, #44]\n"
        "b 4f\n"
        "3:\n"
        "ldr r2, [sp, #16]\n"
        "ldr r3, [sp, #20]\n"
        "ldr r6, [sp, #32]\n"
        "ldrd r4, r5, [r2], #8\n"
        "str r2, [sp, #16]\n"
        "ldrb r2, [r3], #1\n"
        "ldrb r7, [r3], #1\n"
        "str r3, [sp, #20]\n" FINISH(r8, r4, r2, r6, r0) FINISH(r9, r4, r2, r6, r0)
            FINISH(r10, r5, r7, r6, r0) FINISH(
                r11, r5, r7, r6, r0) "ldr r2, [sp, #24]\n"
                                     "ldr r3, [sp, #28]\n"
                                     "add r3, r3, r2\n"
                                     "strb r8, [r2], #1\n"
                                     "strb r9, [r3], #1\n"
                                     "strb r10, [r2], #1\n"
                                     "strb r11, [r3]\n"
                                     "str r2, [sp, #24]\n"
                                     "4:\n"
                                     "ldr r2, [sp, #52]\n"
                                     "subs r2, r2, #1\n"
                                     "str r2, [sp, #52]\n"
                                     /* c and d of the same blocks, or the next blocks */
                                     "lsls r3, r2, #31\n"
                                     "itte ne\n"
                                     "ldrne r3, [sp, #4]\n"
                                     "subne r1, r1, r3\n"
                                     "subeq r1, r1, #4\n"
                                     "cmp r2, #0\n"
                                     "bne.w 1b\n"
                                     "add sp, #60\n"
                                     "pop {r4-r11, pc}\n");
}

/* An input for four outputs; 32 bytes. */
#define OF_INPUT(x, a, b, c, d) \
    "ldrsb r3, " d "\n" \
    "mla r7, r3, " #x ", r7\n" \
    "ldrsb r3, " c "\n" \
    "mla r6, r3, " #x ", r6\n" \
    "ldrsb r3, " b "\n" \
    "mla r5, r3, " #x ", r5\n" \
    "ldrsb r3, " a "\n" \
    "mla r4, r3, " #x ", r4\n"
/* 144 bytes. */
#define FOUR \
    "ldrsh r8, [r0], #8\n" \
    "ldrsh r9, [r0, #-6]\n" \
    "ldrsh r10, [r0, #-4]\n" \
    "ldrsh r11, [r0, #-2]\n" OF_INPUT(r9, "[r1, #2]", "[r1, #3]", "[r1, #6]", \
                                      "[r1, #7]") \
        OF_INPUT(r10, "[r1, #8]", "[r1, #9]", "[r1, #12]", "[r1, #13]") \
            OF_INPUT(r11, "[r1, #10]", "[r1, #11]", "[r1, #14]", "[r1, #15]") \
                OF_INPUT(r8, "[r1], #16", "[r1, #1]", "[r1, #4]", "[r1, #5]")

/* As above; sums in r4..r7, inputs at r0 up to r2, weights at r1. */
FW8_ASSEMBLY void fw8_run_dense_job(FW8_UNUSED const fw8_dense_job *j)
{
    __asm__ volatile(
        "push {r4-r11, lr}\n"
        "sub sp, #52\n"
        "ldm r0, {r1-r11}\n"
        "stm sp, {r1-r11}\n"
        "sub r1, r2, r1\n"
        "lsr r1, r1, #3\n"
        "rsb r1, r1, #0\n"
        "and r1, r1, #3\n"
        "mov r4, #144\n"
        "mul r1, r1, r4\n"
        "adr r4, 2f\n"
        "add r1, r1, r4\n"
        "orr r1, r1, #1\n"
        "str r1, [sp, #44]\n"
        "mov r1, r3\n"
        "1:\n"
        "ldr r3, [sp, #12]\n"
        "ldm r3!, {r4-r7}\n"
        "str r3, [sp, #12]\n"
        "ldr r0, [sp]\n"
        "ldr r3, [sp, #44]\n"
        "bx r3\n"
        ".p2align 2\n"
        "2:\n" FOUR FOUR FOUR FOUR "cmp r0, r2\n"
        "bne.w 2b\n"
        "ldr r3, [sp, #36]\n"
        "cbz r3, 3f\n"
        "stm r3!, {r4-r7}\n"
        "str r3, [sp, #36]\n"
        "b 4f\n"
        "3:\n"
        "ldr r8, [sp, #16]\n"
        "ldm r8!, {r9-r12}\n"
        "str r8, [sp, #16]\n"
        "ldr r0, [sp, #20]\n"
        "ldr r8, [sp, #28]\n"
        "ldrb r3, [r0], #1\n" FINISH(r4, r9, r3, r8, lr) "ldrb r3, [r0], #1\n" FINISH(
            r5, r10, r3, r8,
            lr) "ldrb r3, [r0], #1\n" FINISH(r6, r11, r3, r8,
                                             lr) "ldrb r3, [r0], "
                                                 "#1\n" FINISH(r7, r12, r3, r8,
                                                               lr) "str r0, "
                                                                   "[sp, "
                                                                   "#20]\n"
                                                                   "ldr r0, "
                                                                   "[sp, "
                                                                   "#24]\n"
                                                                   "strb "
                                                                   "r4, "
                                                                   "[r0], "
                                                                   "#1\n"
                                                                   "strb "
                                                                   "r5, "
                                                                   "[r0], "
                                                                   "#1\n"
                                                                   "strb "
                                                                   "r6, "
                                                                   "[r0], "
                                                                   "#1\n"
                                                                   "strb "
                                                                   "r7, "
                                                                   "[r0], "
                                                                   "#1\n"
                                                                   "str r0, "
                                                                   "[sp, "
                                                                   "#24]\n"
                                                                   "4:\n"
                                                                   "ldr r3, "
                                                                   "[sp, "
                                                                   "#32]\n"
                                                                   "subs "
                                                                   "r3, r3, "
                                                                   "#1\n"
                                                                   "str r3, "
                                                                   "[sp, "
                                                                   "#32]\n"
                                                                   "bne.w "
                                                                   "1b\n"
                                                                   "add sp, "
                                                                   "#52\n"
                                                                   "pop "
                                                                   "{r4-r11,"
                                                                   " pc}\n");
}

#endif

#if !FW8_OWN_DEPTHWISE

/* A row of the kernel, for two outputs: both in r7, high in r8; r9: the weights; r10:
 * where in the rows. */
#define ROW(at) \
    "ldr r0, [sp, #" #at "]\n" \
    "add r0, r0, r10\n" \
    "ldm r0, {r0-r2}\n" \
    "ldm r9!, {r3-r5}\n" \
    "mla r6, r3, r0, r11\n" \
    "mla r6, r4, r1, r6\n" \
    "add r7, r7, r6\n" \
    "add r8, r8, r6, asr #16\n" \
    "mla r6, r5, r2, r11\n" \
    "add r7, r7, r6\n" \
    "add r8, r8, r6, asr #16\n"

/* On the stack: the job. r12: offset; lr: y. */
FW8_ASSEMBLY void fw8_run_deep_job(FW8_UNUSED const fw8_deep_job *j)
{
    __asm__ volatile(
        "push {r4-r11, lr}\n"
        "sub sp, #60\n"
        "ldm r0!, {r1-r12}\n"
        "stm sp, {r1-r12}\n"
        "orr r1, r7, r8, lsl #16\n" /* the factor */
        "str r1, [sp, #24]\n"
        "ldm r0, {r1-r3}\n"
        "add r4, sp, #48\n"
        "stm r4, {r1-r3}\n"
        "mov lr, r12\n"
        "mov r12, r10\n"
        "mov r11, #32768\n"
        "mov r10, #0\n"
        "1:\n"
        "ldr r8, [sp, #16]\n"
        "ldr r7, [sp, #20]\n"
        "ldr r9, [sp, #12]\n" ROW(0) ROW(4)
            ROW(8) "sub r7, r7, r8, lsl #16\n"
                   "sub r7, r7, #0x30000\n" /* what r11 adds up to */
                   "ldr r0, [sp, #24]\n"
                   "ldr r1, [sp, #32]\n" FINISH(r7, r0, r1, r12,
                                                r2) "strb r7, [lr]\n"
                                                    "ldr r2, [sp, #56]\n"
                                                    "subs r2, r2, #2\n"
                                                    "bmi 2f\n"
                                                    "str r2, [sp, #56]\n" FINISH(
                                                        r8, r0, r1, r12,
                                                        r3) "ldr r3, [sp, #48]\n"
                                                            "strb r8, [lr, r3]\n"
                                                            "add lr, lr, r3, lsl #1\n"
                                                            "ldr r3, [sp, #52]\n"
                                                            "add r10, r10, r3, lsl #2\n"
                                                            "cmp r2, #0\n"
                                                            "bne.w 1b\n"
                                                            "2:\n"
                                                            "add sp, #60\n"
                                                            "pop {r4-r11, pc}\n");
}

#endif

#endif
