/* machine.c: the CPU and what its multipliers can do. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

enum { CHAINS = 10, LOOPS = 1000000 };

/* Multiply-adds that do not wait for each other; returns a number that depends on all. */
__attribute__((target("avx512f"), noinline)) static float wide(void)
{
    __m512 sum[CHAINS];
    const __m512 x = _mm512_set1_ps(0.999f), y = _mm512_set1_ps(0.001f);

    for (int k = 0; k < CHAINS; k++)
        sum[k] = _mm512_set1_ps((float)k);
    for (int i = 0; i < LOOPS; i++)
#pragma GCC unroll 10
        for (int k = 0; k < CHAINS; k++)
            sum[k] = _mm512_fmadd_ps(sum[k], x, y);
    for (int k = 1; k < CHAINS; k++)
        sum[0] = _mm512_add_ps(sum[0], sum[k]);
    return _mm512_reduce_add_ps(sum[0]);
}

__attribute__((target("avx2,fma"), noinline)) static float narrow(void)
{
    __m256 sum[CHAINS];
    const __m256 x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(0.001f);

    for (int k = 0; k < CHAINS; k++)
        sum[k] = _mm256_set1_ps((float)k);
    for (int i = 0; i < LOOPS; i++)
#pragma GCC unroll 10
        for (int k = 0; k < CHAINS; k++)
            sum[k] = _mm256_fmadd_ps(sum[k], x, y);
    for (int k = 1; k < CHAINS; k++)
        sum[0] = _mm256_add_ps(sum[0], sum[k]);
    return _mm256_cvtss_f32(sum[0]);
}

static double peak_of(float (*run)(void), int lanes)
{
    double best = 0;

    for (int i = 0; i < 25; i++) {
        struct timespec from, to;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
        const volatile float keep = run();
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
        (void)keep;
        const double seconds = (double)(to.tv_sec - from.tv_sec) +
                               1e-9 * (double)(to.tv_nsec - from.tv_nsec);
        const double rate = 2.0 * CHAINS * LOOPS * lanes / seconds / 1e9;
        best = rate > best ? rate : best;
    }
    return best;
}

static void look_at_isa(bench_machine *m)
{
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f")) {
        snprintf(m->isa, sizeof m->isa, "AVX-512");
        m->peak = peak_of(wide, 16);
    } else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        snprintf(m->isa, sizeof m->isa, "AVX2");
        m->peak = peak_of(narrow, 8);
    } else {
        snprintf(m->isa, sizeof m->isa, "x86-64");
    }
}
#else
static void look_at_isa(bench_machine *m)
{
    snprintf(m->isa, sizeof m->isa, "not x86-64");
}
#endif

void bench_machine_look(bench_machine *m)
{
    FILE *const f = fopen("/proc/cpuinfo", "r");
    char line[256];

    memset(m, 0, sizeof *m);
    snprintf(m->cpu, sizeof m->cpu, "unknown CPU");
    while (f && fgets(line, sizeof line, f)) {
        const char *const colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon)
            continue;
        line[strcspn(line, "\n")] = 0;
        snprintf(m->cpu, sizeof m->cpu, "%.120s", colon + 2);
        break;
    }
    if (f)
        fclose(f);
    m->cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
    look_at_isa(m);
}
