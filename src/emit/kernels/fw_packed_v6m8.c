/* fw_packed_v6m8.c: sums on ARMv6-M: Cortex-M0, M0+, M23; see fw_packed_dot8.c. */
#include "fw8.h"

#if FW8_V6M

/* A sum in r0 that becomes -128 at once (r11: none); or, 16 bits by 16, its product with
 * the factor, of which LOW and HIGH load the halves into r2; of that the upper word,
 * shifted (r6), rounded (r12: offset) and clamped. Two parts of the product may add up to
 * 2^31, if they are positive. */
#define SCALE(LOW, HIGH) \
    "cmp r0, r11\n" \
    "ble 91f\n" \
    "uxth r1, r0\n" \
    "asrs r0, r0, #16\n" LOW "movs r3, r1\n" \
    "muls r3, r2, r3\n" \
    "lsrs r3, r3, #16\n" \
    "muls r2, r0, r2\n" \
    "adds r3, r3, r2\n" HIGH "muls r1, r2, r1\n" \
    "muls r0, r2, r0\n" \
    "adds r3, r3, r1\n" \
    "asrs r3, r3, #16\n" \
    "bvs 92f\n" \
    "93:\n" \
    "adds r0, r0, r3\n" \
    "asrs r0, r0, r6\n" \
    "add r0, r12\n" \
    "asrs r0, r0, #1\n" \
    "sxtb r1, r0\n" \
    "cmp r0, r1\n" \
    "beq 94f\n" \
    "asrs r0, r0, #31\n" \
    "movs r1, #127\n" \
    "eors r0, r1\n" \
    "b 94f\n" \
    "92:\n" \
    "uxth r3, r3\n" \
    "b 93b\n" \
    "91:\n" \
    "movs r0, #128\n" \
    "94:\n"
/* The factor at r5. */
#define SCALE_BY_POINTER SCALE("ldrh r2, [r5]\n", "ldrh r2, [r5, #2]\n")

#define ENTER \
    "push {r4-r7, lr}\n" \
    "mov r4, r8\n" \
    "mov r5, r9\n" \
    "mov r6, r10\n" \
    "mov r7, r11\n" \
    "push {r4-r7}\n"
#define LEAVE \
    "pop {r4-r7}\n" \
    "mov r8, r4\n" \
    "mov r9, r5\n" \
    "mov r10, r6\n" \
    "mov r11, r7\n" \
    "pop {r4-r7, pc}\n"

#if !FW8_OWN_DOT

/* Two inputs of a channel, 4 multiply-adds in 9 instructions: sums of q in r7 and of the
 * words in r8, inputs at r0, the weights at r0 + r4 and r0 + r5. The carry is the sign of
 * what lies in the lower half. */
#define TWO \
    "ldm r0!, {r1, r2}\n" \
    "ldrsb r3, [r4, r0]\n" \
    "muls r3, r1, r3\n" \
    "ldrsb r1, [r5, r0]\n" \
    "muls r1, r2, r1\n" \
    "adds r3, r3, r1\n" \
    "add r8, r3\n" \
    "asrs r3, r3, #16\n" \
    "adcs r7, r3\n"
/* 36 bytes. */
#define BLOCK TWO TWO
/* On the stack: the job, but for `sum` where to go with the sums of a channel. r4: where
 * the channel's first weight lies, less r0; r9: the end of the inputs; r10: the way into
 * the loop, so that the number of blocks comes out; r11: none; r12: offset. */
FW8_ASSEMBLY void fw8_run_job(FW8_UNUSED const fw8_job *j)
{
    __asm__ volatile(FW8_UNIFIED "push {r4-r7, lr}\n"
                                 "mov r4, r8\n"
                                 "mov r5, r9\n"
                                 "mov r6, r10\n"
                                 "mov r7, r11\n"
                                 "push {r4-r7}\n"
                                 "sub sp, #48\n"
                                 "mov r1, sp\n"
                                 "ldm r0!, {r2-r7}\n"
                                 "stm r1!, {r2-r7}\n"
                                 "ldm r0!, {r2-r7}\n"
                                 "stm r1!, {r2-r7}\n"
                                 "mov r12, r4\n"
                                 "mov r11, r5\n"
                                 "ldr r0, [sp]\n"
                                 "ldr r1, [sp, #4]\n"
                                 "mov r9, r1\n"
                                 "subs r1, r1, r0\n"
                                 "str r1, [sp, #4]\n"
                                 "lsrs r1, r1, #4\n"
                                 "rsbs r1, r1, #0\n"
                                 "movs r2, #3\n"
                                 "ands r1, r2\n"
                                 "movs r2, #36\n"
                                 "muls r1, r2, r1\n"
                                 "adr r2, 4f\n"
                                 "adds r1, r1, r2\n"
                                 "mov r10, r1\n"
                                 "ldr r4, [sp, #8]\n"
                                 "subs r4, r4, r0\n"
                                 "subs r4, #8\n"
                                 /* the channels of a group */
                                 "3:\n"
                                 "bl 5f\n"
                                 "adds r4, #1\n"
                                 "bl 5f\n"
                                 "adds r4, #3\n"
                                 "bl 5f\n"
                                 "adds r4, #1\n"
                                 "bl 5f\n"
                                 "subs r4, #5\n"
                                 "ldr r1, [sp, #4]\n"
                                 "adds r4, r4, r1\n"
                                 "ldr r0, [sp, #40]\n"
                                 "subs r0, #1\n"
                                 "str r0, [sp, #40]\n"
                                 "bne 3b\n"
                                 "add sp, #48\n"
                                 "pop {r4-r7}\n"
                                 "mov r8, r4\n"
                                 "mov r9, r5\n"
                                 "mov r10, r6\n"
                                 "mov r11, r7\n"
                                 "pop {r4-r7, pc}\n"
                                 /* a channel */
                                 "5:\n"
                                 "ldr r0, [sp, #12]\n"
                                 "ldm r0!, {r7}\n"
                                 "str r0, [sp, #12]\n"
                                 "lsls r1, r7, #16\n"
                                 "adds r1, r1, r7\n"
                                 "mov r8, r1\n"
                                 "adds r5, r4, #2\n"
                                 "ldr r0, [sp]\n"
                                 "mov pc, r10\n"
                                 ".p2align 2\n"
                                 "4:\n" BLOCK BLOCK BLOCK BLOCK "cmp r0, r9\n"
                                 "bne 4b\n"
                                 "lsls r1, r7, #16\n"
                                 "mov r0, r8\n"
                                 "subs r0, r0, r1\n"
                                 "ldr r3, [sp, #44]\n"
                                 "cmp r3, #0\n"
                                 "bne 6f\n"
                                 "ldr r5, [sp, #20]\n"
                                 "ldrb r6, [r5]\n"
                                 "adds r5, #1\n"
                                 "str r5, [sp, #20]\n"
                                 "ldr r5, [sp, #16]\n" SCALE_BY_POINTER
                                 "ldr r1, [sp, #24]\n"
                                 "strb r0, [r1]\n"
                                 "mov r0, r7\n" SCALE_BY_POINTER "ldr r1, [sp, #24]\n"
                                 "ldr r2, [sp, #28]\n"
                                 "strb r0, [r1, r2]\n"
                                 "adds r1, #1\n"
                                 "str r1, [sp, #24]\n"
                                 "adds r5, #4\n"
                                 "str r5, [sp, #16]\n"
                                 "bx lr\n"
                                 "6:\n"
                                 "str r0, [r3]\n"
                                 "str r7, [r3, #4]\n"
                                 "adds r3, #8\n"
                                 "str r3, [sp, #44]\n"
                                 "bx lr\n");
}

/* An input for four outputs: 4 multiply-adds in 13 instructions. Sums in r8..r11; the
 * input at r3 + r0, weights at r0 and r4..r7. */
#define TAP \
    "ldrsh r1, [r3, r0]\n" \
    "ldrsb r2, [r4, r0]\n" \
    "muls r2, r1, r2\n" \
    "add r8, r2\n" \
    "ldrsb r2, [r5, r0]\n" \
    "muls r2, r1, r2\n" \
    "add r9, r2\n" \
    "ldrsb r2, [r6, r0]\n" \
    "muls r2, r1, r2\n" \
    "add r10, r2\n" \
    "ldrsb r2, [r7, r0]\n" \
    "muls r2, r1, r2\n" \
    "add r11, r2\n"
#define TAPS TAP "adds r0, #2\n" TAP "adds r0, #6\nsubs r3, #4\n"
/* 116 bytes. */
#define FOUR TAPS TAPS

/* On the stack: the job, but for `end` the bytes of a group's weights; then the way into
 * the loop. */
FW8_ASSEMBLY void fw8_run_dense_job(FW8_UNUSED const fw8_dense_job *j)
{
    __asm__ volatile(FW8_UNIFIED ENTER "sub sp, #48\n"
                                       "mov r1, sp\n"
                                       "ldm r0!, {r2-r7}\n"
                                       "subs r3, r3, r2\n"
                                       "lsls r3, r3, #1\n"
                                       "stm r1!, {r2-r7}\n"
                                       "ldm r0!, {r2, r4-r7}\n"
                                       "stm r1!, {r2, r4-r7}\n"
                                       "movs r0, #16\n"
                                       "ands r0, r3\n"
                                       "beq 1f\n"
                                       "movs r0, #116\n"
                                       "1:\n"
                                       "adr r1, 4f\n"
                                       "adds r0, r0, r1\n"
                                       "str r0, [sp, #44]\n"
                                       /* four outputs */
                                       "3:\n"
                                       "ldr r0, [sp, #12]\n"
                                       "ldm r0!, {r4-r7}\n"
                                       "str r0, [sp, #12]\n"
                                       "mov r8, r4\n"
                                       "mov r9, r5\n"
                                       "mov r10, r6\n"
                                       "mov r11, r7\n"
                                       "ldr r3, [sp]\n"
                                       "ldr r2, [sp, #4]\n"
                                       "mov r12, r2\n"
                                       "ldr r4, [sp, #8]\n"
                                       "adds r2, r2, r4\n"
                                       "str r2, [sp, #8]\n"
                                       "adds r5, r4, #1\n"
                                       "adds r6, r4, #4\n"
                                       "adds r7, r4, #5\n"
                                       "ldr r1, [sp, #44]\n"
                                       "movs r0, #0\n"
                                       "mov pc, r1\n"
                                       ".p2align 2\n"
                                       "4:\n" FOUR FOUR "cmp r0, r12\n"
                                       "bne 4b\n"
                                       "mov r4, r8\n"
                                       "mov r5, r9\n"
                                       "mov r6, r10\n"
                                       "mov r7, r11\n"
                                       "ldr r0, [sp, #36]\n"
                                       "cmp r0, #0\n"
                                       "bne 6f\n"
                                       "ldr r0, [sp, #40]\n"
                                       "mov r11, r0\n"
                                       "ldr r0, [sp, #28]\n"
                                       "mov r12, r0\n"
                                       "mov r9, r5\n"
                                       "mov r10, r6\n"
                                       "ldr r5, [sp, #16]\n"
                                       "mov r0, r4\n"
                                       "ldr r4, [sp, #20]\n"
                                       "bl 5f\n"
                                       "mov r0, r9\n"
                                       "bl 5f\n"
                                       "mov r0, r10\n"
                                       "bl 5f\n"
                                       "mov r0, r7\n"
                                       "bl 5f\n"
                                       "str r4, [sp, #20]\n"
                                       "str r5, [sp, #16]\n"
                                       "b 7f\n"
                                       "6:\n"
                                       "stm r0!, {r4-r7}\n"
                                       "str r0, [sp, #36]\n"
                                       "7:\n"
                                       "ldr r0, [sp, #32]\n"
                                       "subs r0, #1\n"
                                       "str r0, [sp, #32]\n"
                                       "beq 8f\n"
                                       "b 3b\n"
                                       "8:\n"
                                       "add sp, #48\n" LEAVE
                                       /* an output */
                                       "5:\n"
                                       "ldrb r6, [r4]\n" SCALE_BY_POINTER
                                       "ldr r1, [sp, #24]\n"
                                       "strb r0, [r1]\n"
                                       "adds r1, #1\n"
                                       "str r1, [sp, #24]\n"
                                       "adds r4, #1\n"
                                       "adds r5, #4\n"
                                       "bx lr\n");
}

#endif

#if !FW8_OWN_DEPTHWISE

/* A row of the kernel, for two outputs: sums of q in r7 and of the words in r8; r9: where
 * in the rows. */
#define ROW(at) \
    "ldr r0, [sp, #" #at "]\n" \
    "add r0, r9\n" \
    "ldm r0, {r0-r2}\n" \
    "ldm r6!, {r3-r5}\n" \
    "muls r3, r0, r3\n" \
    "muls r4, r1, r4\n" \
    "adds r3, r3, r4\n" \
    "add r8, r3\n" \
    "asrs r3, r3, #16\n" \
    "adcs r7, r3\n" \
    "muls r5, r2, r5\n" \
    "add r8, r5\n" \
    "asrs r5, r5, #16\n" \
    "adcs r7, r5\n"
#define SCALE_BY_STACK SCALE("ldr r2, [sp, #24]\n", "ldr r2, [sp, #28]\n")

/* On the stack: the job. r10: stride, in bytes; lr: y. */
FW8_ASSEMBLY void fw8_run_deep_job(FW8_UNUSED const fw8_deep_job *j)
{
    __asm__ volatile(FW8_UNIFIED ENTER
                     "sub sp, #60\n"
                     "mov r1, sp\n"
                     "ldm r0!, {r2-r7}\n"
                     "stm r1!, {r2-r7}\n"
                     "ldm r0!, {r2-r7}\n"
                     "stm r1!, {r2-r7}\n"
                     "mov r12, r5\n"
                     "mov r11, r6\n"
                     "mov lr, r7\n"
                     "ldm r0!, {r2-r4}\n"
                     "stm r1!, {r2-r4}\n"
                     "lsls r3, r3, #2\n"
                     "mov r10, r3\n"
                     "movs r3, #0\n"
                     "mov r9, r3\n"
                     /* two outputs */
                     "1:\n"
                     "ldr r7, [sp, #16]\n"
                     "ldr r0, [sp, #20]\n"
                     "mov r8, r0\n"
                     "ldr r6, [sp, #12]\n" ROW(0) ROW(4)
                         ROW(8) "ldr r6, [sp, #32]\n"
                                "lsls r1, r7, #16\n"
                                "mov r0, r8\n"
                                "subs r0, r0, r1\n" SCALE_BY_STACK "mov r1, lr\n"
                                "strb r0, [r1]\n"
                                "ldr r2, [sp, #56]\n"
                                "subs r2, #2\n"
                                "bmi 2f\n"
                                "str r2, [sp, #56]\n"
                                "mov r0, r7\n" SCALE_BY_STACK "mov r1, lr\n"
                                "ldr r2, [sp, #48]\n"
                                "strb r0, [r1, r2]\n"
                                "lsls r2, r2, #1\n"
                                "add lr, r2\n"
                                "add r9, r10\n"
                                "ldr r2, [sp, #56]\n"
                                "cmp r2, #0\n"
                                "beq 2f\n"
                                "b 1b\n"
                                "2:\n"
                                "add sp, #60\n" LEAVE);
}

#endif

#endif
