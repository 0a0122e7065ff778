/* machine.c: measures the processor's peak and the bandwidth of its memory. */
#define _GNU_SOURCE /* the sizes of caches that sysconf knows */
#include "engine/machine.h"

#include "base/arena.h"
#include "base/clock.h"
#include "engine/simd/simd_table.h"

#include <stdlib.h>
#include <unistd.h>

enum { REPEATS = 7, MOST_THREADS = 64 };
static const double repeat_seconds = 0.006;

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double lb_median(double *x, int n)
{
    qsort(x, (size_t)n, sizeof *x, by_size);
    return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

/* Multiply-adds of every thread of a pool. */
typedef struct sprint {
    size_t rounds;
    double rate[MOST_THREADS];
    volatile float sum[MOST_THREADS]; /* nobody reads it: it keeps the work from being
                                         optimised away */
} sprint;

static void run_sprint(void *arg, int thread)
{
    sprint *const s = arg;
    double flops;
    const double start = lb_clock_thread();

    s->sum[thread] = lb_simd_best()->peak(s->rounds, 0.999F, &flops);
    const double took = lb_clock_thread() - start;
    s->rate[thread] = took > 0 ? flops / took : 0;
}

/* Rounds that take long enough for the clock. */
static size_t sprint_rounds(void)
{
    sprint s = {.rounds = 1024};

    for (;;) {
        const double start = lb_clock_thread();
        run_sprint(&s, 0);
        if (lb_clock_thread() - start > repeat_seconds || s.rounds > (size_t)1 << 30)
            return s.rounds;
        s.rounds *= 2;
    }
}

static void measure_peak(lb_pool *pool, lb_machine *m)
{
    sprint s = {.rounds = sprint_rounds()};
    double alone[REPEATS], together[REPEATS] = {0};

    for (int i = 0; i < REPEATS; i++) {
        run_sprint(&s, 0);
        alone[i] = s.rate[0];
        lb_pool_run(pool, run_sprint, &s);
        for (int t = 0; t < m->threads; t++)
            together[i] += s.rate[t];
    }
    m->thread_flops = lb_median(alone, REPEATS);
    m->flops = m->threads > 1 ? lb_median(together, REPEATS) : m->thread_flops;
}

/* What fills half of a cache, or a usual size where the system does not tell. */
static size_t half_cache(int name, size_t usual, size_t most)
{
    const long cache = name >= 0 ? sysconf(name) : 0;
    size_t bytes = cache > 0 ? (size_t)cache / 2 : usual;

    if (bytes < usual / 2)
        bytes = usual / 2;
    return bytes < most ? bytes : most;
}

static void choose_levels(lb_machine *m)
{
#if defined(_SC_LEVEL2_CACHE_SIZE) && defined(_SC_LEVEL3_CACHE_SIZE)
    const int l2 = _SC_LEVEL2_CACHE_SIZE, l3 = _SC_LEVEL3_CACHE_SIZE;
#else
    const int l2 = -1, l3 = -1;
#endif
    const size_t near = half_cache(l2, (size_t)256 << 10, (size_t)1 << 20);
    const size_t shared = half_cache(l3, (size_t)4 << 20, (size_t)8 << 20);

    m->level[0] = (lb_machine_level){.name = "L2", .bytes = near};
    m->level[1] = (lb_machine_level){.name = "L3", .bytes = shared};
    m->level[2] = (lb_machine_level){.name = "DRAM", .bytes = (size_t)192 << 20};
}

/* memory: three streams one after the other, for n floats each. */
static double measure_level(float *memory, size_t bytes)
{
    const size_t n = bytes / 3 / sizeof(float) / 64 * 64;
    float *const a = memory, *const b = a + n, *const c = b + n;
    const double moved = 3.0 * (double)(n * sizeof(float));
    double rate[REPEATS];

    lb_simd_best()->triad(n, 0.5F, b, c, a);
    for (int i = 0; i < REPEATS; i++) {
        const double start = lb_clock_thread();
        double took = 0;
        int runs = 0;
        while (took < repeat_seconds) {
            lb_simd_best()->triad(n, 0.5F, b, c, a);
            runs++;
            took = lb_clock_thread() - start;
        }
        rate[i] = moved * runs / took;
    }
    return lb_median(rate, REPEATS);
}

lb_code lb_machine_measure(lb_pool *pool, lb_machine *out, lb_error *err)
{
    lb_machine m = {.threads = lb_pool_threads(pool)};

    if (m.threads > MOST_THREADS)
        return lb_bug(err, "%d threads are too many to measure", m.threads);
    choose_levels(&m);
    const size_t most = m.level[LB_MACHINE_LEVELS - 1].bytes;
    float *const memory = lb_heap_take(most);
    if (!memory)
        return lb_raise(err, LB_ERR_MEMORY,
                        "no memory to measure the machine with: %zu bytes", most);
    for (size_t i = 0; i < most / sizeof *memory; i += 512)
        memory[i] = 1; /* pages are there before the clock runs */
    measure_peak(pool, &m);
    for (int i = 0; i < LB_MACHINE_LEVELS; i++)
        m.level[i].bytes_per_second = measure_level(memory, m.level[i].bytes);
    lb_heap_give(memory);
    *out = m;
    return LB_OK;
}
