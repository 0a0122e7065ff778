/* methods_table.c: the table of docs/results.md, in Markdown. */
#include "methods.h"

#include "run/interval.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct figures {
    int n;
    double accuracy[METHODS_SEEDS], twin[METHODS_SEEDS], last[METHODS_SEEDS],
        twin_last[METHODS_SEEDS];
    double mean, cpu; /* cpu: NaN if not known of all */
} figures;

/* Of the seeds with which both are done; without a twin, of those of the row. */
static figures gather(const methods *all, const method *row, const method *twin)
{
    figures f = {0};

    for (int s = 0; s < all->seeds; s++) {
        const methods_run *const run = &row->run[s];
        if (!run->done || (twin && !twin->run[s].done))
            continue;
        f.accuracy[f.n] = run->figures.accuracy;
        f.last[f.n] = run->figures.last_accuracy;
        f.twin[f.n] = twin ? twin->run[s].figures.accuracy : NAN;
        f.twin_last[f.n] = twin ? twin->run[s].figures.last_accuracy : NAN;
        f.mean += run->figures.accuracy;
        f.cpu += run->cpu_seconds;
        f.n++;
    }
    f.mean /= f.n;
    f.cpu /= f.n;
    return f;
}

static void print_difference(const double *with, const double *without, int n)
{
    const lb_interval d = lb_paired_interval(with, without, n);

    printf(" %+.2f |", 100 * d.mean);
    if (isnan(d.low))
        printf(" |");
    else
        printf(" %+.2f to %+.2f |", 100 * d.low, 100 * d.high);
}

static const char *verdict(const double *with, const double *without, int n)
{
    const lb_interval d = lb_paired_interval(with, without, n);

    if (isnan(d.low))
        return "one seed";
    return d.low > 0 ? "helps" : d.high < 0 ? "hurts" : "not to be told";
}

static void print_row(const methods *all, const method *row)
{
    const method *const twin =
        row->twin && !row->candidate ? methods_twin(all, row->twin) : NULL;
    const figures f = gather(all, row, twin);

    if (f.n == 0)
        return;
    printf("| `%s` | %d | %.2f |", row->name, f.n, 100 * f.mean);
    if (twin) {
        print_difference(f.accuracy, f.twin, f.n);
        printf(" %s |", verdict(f.accuracy, f.twin, f.n));
        const lb_interval last = lb_paired_interval(f.last, f.twin_last, f.n);
        printf(" %+.2f |", 100 * last.mean);
    } else
        printf(" | | %s | |", row->candidate ? row->twin : "");
    if (isnan(f.cpu))
        printf(" |\n");
    else
        printf(" %.0f |\n", f.cpu);
}

void methods_print(const methods *all)
{
    printf(
        "| method | seeds | test accuracy | difference | 95 %% interval | the teacher | "
        "last epoch | CPU seconds |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- |\n");
    for (int i = 0; i < all->n; i++) {
        const method *const row = &all->row[i];
        if (!row->candidate || methods_twin(all, row->twin) == row)
            print_row(all, row);
    }
    for (int i = 0; i < all->n; i++) {
        const method *const row = &all->row[i];
        if (row->candidate && row->run[0].done)
            printf("%s: %.2f %% of the validation samples%s\n", row->name,
                   100 * row->run[0].figures.validation_accuracy,
                   methods_twin(all, row->twin) == row ? ", taken" : "");
    }
}
