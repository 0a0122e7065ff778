/* statistic.c: medians and distances, and their test. */
#include "bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(const double *x, int n)
{
    double sorted[BENCH_MAX_ROUNDS];

    if (n < 1 || n > BENCH_MAX_ROUNDS)
        return NAN;
    memcpy(sorted, x, (size_t)n * sizeof *x);
    qsort(sorted, (size_t)n, sizeof *sorted, ascending);
    return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
}

double bench_ratio(const double *a, const double *b, int n)
{
    double ratio[BENCH_MAX_ROUNDS];

    for (int i = 0; i < n && i < BENCH_MAX_ROUNDS; i++)
        ratio[i] = a[i] / b[i];
    return bench_median(ratio, n);
}

double bench_apart(const double *a, const double *b, int n)
{
    double most = 0;

    for (int i = 0; i < n; i++) {
        const double d = fabs(a[i] - b[i]) / fabs(b[i]);
        if (!(d <= most))
            most = d;
    }
    return most;
}

int bench_self_test(void)
{
    const double one[] = {7}, four[] = {4, 1, 3, 100}, odd[] = {9, 1, 5};
    const double a[] = {10, 90, 30}, b[] = {5, 30, 30}, bad[] = {1, NAN, 1};
    const bench_figure rows[] = {{.value = 2, .least = 2}, {.value = 1.99, .least = 2}};
    static bench_table table;
    const struct {
        const char *name;
        bool ok;
    } checks[] = {
        {"the median of one", bench_median(one, 1) == 7},
        {"the median of four is between the middle two", bench_median(four, 4) == 3.5},
        {"the median of three", bench_median(odd, 3) == 5},
        {"the median of none is no number", isnan(bench_median(odd, 0))},
        {"ratios are taken pair by pair", bench_ratio(a, b, 3) == 2},
        {"the distance is relative", bench_apart(a, b, 3) == 2},
        {"equal curves are not apart", bench_apart(a, a, 3) == 0},
        {"a value that is no number is not close",
         !(bench_apart(bad, one, 1) > 9 || bench_apart(bad, a, 2) < 9)},
    };
    const int n = (int)(sizeof checks / sizeof *checks);
    int failed = 0;

    for (int i = 0; i < n; i++) {
        printf("%s %d - %s\n", checks[i].ok ? "ok" : "not ok", i + 1, checks[i].name);
        failed += !checks[i].ok;
    }
    bench_table_add(&table, &rows[0]);
    bench_table_add(&table, &rows[1]);
    const bool judged = table.figure[0].met && !table.figure[1].met;
    printf("%s %d - a row is met at its limit and missed below\n1..%d\n",
           judged ? "ok" : "not ok", n + 1, n + 1);
    return failed + !judged;
}
