/* clones.h: functions that are compiled for several generations of CPUs; one is picked
 * when the program is loaded. For plain loops that compilers vectorise. */
#ifndef LB_BASE_CLONES_H
#define LB_BASE_CLONES_H

#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && \
    !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define LB_CLONES \
    __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define LB_CLONES
#endif

#endif
