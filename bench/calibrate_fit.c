/* calibrate_fit.c: least squares without negative costs. */
#include "calibrate.h"

#include <math.h>
#include <string.h>

typedef struct normal {
    double a[MOST_FEATURES][MOST_FEATURES], b[MOST_FEATURES], c; /* |Ax - b|^2 */
    int n;
} normal;

static void add_row(normal *s, const calibration_row *row)
{
    const double y = row->target / row->scale;

    for (int i = 0; i < s->n; i++) {
        const double f = row->feature[i] / row->scale;
        s->b[i] += f * y;
        for (int j = 0; j < s->n; j++)
            s->a[i][j] += f * row->feature[j] / row->scale;
    }
    s->c += y * y;
}

/* Cholesky on the features in `set`; false if they depend on each other. */
static bool factor(const normal *s, unsigned set, double l[][MOST_FEATURES])
{
    for (int i = 0; i < s->n; i++) {
        if (!(set >> i & 1))
            continue;
        for (int j = 0; j <= i; j++) {
            double sum = s->a[i][j];
            if (!(set >> j & 1))
                continue;
            for (int k = 0; k < j; k++)
                sum -= set >> k & 1 ? l[i][k] * l[j][k] : 0;
            if (i == j && sum < 1e-9 * s->a[i][i])
                return false;
            l[i][j] = i == j ? sqrt(sum) : sum / l[j][j];
        }
    }
    return true;
}

static bool solve(const normal *s, unsigned set, double *x)
{
    double l[MOST_FEATURES][MOST_FEATURES];

    memset(x, 0, (size_t)s->n * sizeof *x);
    if (!factor(s, set, l))
        return false;
    for (int i = 0; i < s->n; i++) {
        double sum = s->b[i];
        if (!(set >> i & 1))
            continue;
        for (int k = 0; k < i; k++)
            sum -= set >> k & 1 ? l[i][k] * x[k] : 0;
        x[i] = sum / l[i][i];
    }
    for (int i = s->n - 1; i >= 0; i--) {
        if (!(set >> i & 1))
            continue;
        for (int k = i + 1; k < s->n; k++)
            x[i] -= set >> k & 1 ? l[k][i] * x[k] : 0;
        x[i] /= l[i][i];
        if (x[i] < 0)
            return false;
    }
    return true;
}

static double squares(const normal *s, const double *x)
{
    double sum = s->c;

    for (int i = 0; i < s->n; i++) {
        double ax = 0;
        for (int j = 0; j < s->n; j++)
            ax += s->a[i][j] * x[j];
        sum += x[i] * (ax - 2 * s->b[i]);
    }
    return sum;
}

void calibration_fit(const calibration_row *row, int n_rows, int n, double *x)
{
    normal s = {.n = n};
    double best = HUGE_VAL, trial[MOST_FEATURES];

    memset(x, 0, (size_t)n * sizeof *x);
    for (int i = 0; i < n_rows; i++)
        add_row(&s, &row[i]);
    for (unsigned set = 1; set < 1u << n; set++) {
        if (!solve(&s, set, trial))
            continue;
        const double found = squares(&s, trial);
        /* what makes no difference is not worth a cost */
        if (found < best * (1 - 1e-6)) {
            best = found;
            memcpy(x, trial, (size_t)n * sizeof *x);
        }
    }
}
