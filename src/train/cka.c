/* cka.c: Gram matrices of layers, and their alignment. */
#include "train/cka.h"

#include <math.h>

/* Columns of the rows that are widened and multiplied at a time: for 64 rows they stay in
 * the cache of a core. */
enum { COLUMNS = 512, STEP = 4 };

size_t lb_gram_scratch(int n)
{
    return (size_t)n * COLUMNS;
}

typedef struct job {
    const lb_rows *rows;
    lb_pool *pool;
    double *columns; /* [COLUMNS, n]: the stretch under way, turned over */
    double *out;
} job;

static void widen(const job *j, int i, size_t first, size_t n)
{
    const lb_rows *const rows = j->rows;
    double wide[COLUMNS];

    lb_widen(rows->dtype, (const char *)rows->row[i] + first * lb_dtype_size(rows->dtype),
             n, wide);
    for (size_t c = 0; c < n; c++)
        j->columns[c * (size_t)rows->n + (size_t)i] = wide[c];
}

/* Adds to row i, up to its diagonal. Each sum runs over the columns in order, four at a
 * time; neighbours are summed side by side. */
static void add_row(const job *j, int i, size_t n_columns)
{
    const size_t n = (size_t)j->rows->n;
    double *const to = j->out + (size_t)i * n;
    size_t c = 0;

    for (; c + STEP <= n_columns; c += STEP) {
        const double *const x = j->columns + c * n;
        const double a = x[i], b = x[n + (size_t)i], d = x[2 * n + (size_t)i],
                     e = x[3 * n + (size_t)i];
        for (int k = 0; k <= i; k++)
            to[k] += a * x[k] + b * x[n + (size_t)k] + d * x[2 * n + (size_t)k] +
                     e * x[3 * n + (size_t)k];
    }
    for (; c < n_columns; c++) {
        const double *const x = j->columns + c * n;
        const double a = x[i];
        for (int k = 0; k <= i; k++)
            to[k] += a * x[k];
    }
}

static void work(void *arg, int thread)
{
    const job *const j = arg;
    const int n = j->rows->n, n_threads = lb_pool_threads(j->pool);

    for (size_t first = 0; first < j->rows->d; first += COLUMNS) {
        const size_t left = j->rows->d - first, here = left < COLUMNS ? left : COLUMNS;
        for (int i = thread; i < n; i += n_threads)
            widen(j, i, first, here);
        lb_pool_barrier(j->pool);
        for (int i = thread; i < n; i += n_threads)
            add_row(j, i, here);
        lb_pool_barrier(j->pool);
    }
}

void lb_gram(const lb_rows *rows, lb_pool *pool, double *scratch, double *out)
{
    const size_t n = (size_t)rows->n;
    job j = {.rows = rows, .pool = pool, .columns = scratch, .out = out};

    for (size_t i = 0; i < n * n; i++)
        out[i] = 0;
    lb_pool_run(pool, work, &j);
}

/* Both halves; the diagonal becomes zero. Returns the sum of all that is left. */
static double mirror(double *gram, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        gram[i * n + i] = 0;
        for (size_t k = 0; k < i; k++) {
            gram[k * n + i] = gram[i * n + k];
            sum += 2 * gram[i * n + k];
        }
    }
    return sum;
}

static double row_sum(const double *gram, size_t n, size_t i)
{
    double sum = 0;

    for (size_t k = 0; k < n; k++)
        sum += gram[i * n + k];
    return sum;
}

double lb_gram_centre(double *gram, int size)
{
    const size_t n = (size_t)size;
    const double all = mirror(gram, n) / ((size - 1.0) * (size - 2.0));
    const double raw = lb_gram_product(gram, gram, size);

    /* the diagonal is free: row sums wait there until all of them are known */
    for (size_t i = 0; i < n; i++)
        gram[i * n + i] = row_sum(gram, n, i) / (size - 2.0);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++) {
            const double u = gram[i * n + k] - gram[i * n + i] - gram[k * n + k] + all;
            gram[i * n + k] = gram[k * n + i] = u;
        }
    for (size_t i = 0; i < n; i++)
        gram[i * n + i] = 0;
    return raw;
}

double lb_gram_product(const double *a, const double *b, int n)
{
    const size_t cells = (size_t)n * (size_t)n;
    double sum = 0;

    for (size_t i = 0; i < cells; i++)
        sum += a[i] * b[i];
    return sum;
}

double lb_cka(double xy, double xx, double yy, double raw_x, double raw_y)
{
    /* where all rows are equal, the rounding of sums in double leaves some 1e-29 */
    const double flat = 1e-26;

    if (!(xx > flat * raw_x) || !(yy > flat * raw_y))
        return NAN;
    const double cka = xy / (sqrt(xx) * sqrt(yy));
    return !isfinite(cka) ? (double)NAN : cka > 1 ? 1 : cka < -1 ? -1 : cka;
}
