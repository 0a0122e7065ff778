/* front.c: which runs are better than others. */
#include "run/sweep_int.h"

#include <math.h>

/* Below every accuracy that is one. */
static double accuracy_of(const lb_run_figures *f)
{
    return isnan(f->validation_accuracy) ? -1 : f->validation_accuracy;
}

static double loss_of(const lb_run_figures *f)
{
    return isnan(f->validation_loss) ? INFINITY : f->validation_loss;
}

/* By no more than one sample, or without a split of known size not at all. */
static bool is_near(const lb_run_figures *f, double accuracy)
{
    const double own = accuracy_of(f), gap = fabs(own - accuracy);
    const bool counted = own >= 0 && accuracy >= 0 && f->validation > 0;

    return gap <= 0 || (counted && gap * f->validation < 1.5);
}

/* sign 1: the highest accuracy and the lowest loss; -1: the other way round. */
static int extreme(const lb_run_figures *const *runs, int n, double sign)
{
    double accuracy = -INFINITY;
    int found = -1;

    for (int i = 0; i < n; i++)
        if (runs[i])
            accuracy = fmax(accuracy, sign * accuracy_of(runs[i]));
    for (int i = 0; i < n; i++) {
        if (!runs[i] || !is_near(runs[i], sign * accuracy))
            continue;
        const double gain =
            found < 0 ? 1 : sign * (loss_of(runs[found]) - loss_of(runs[i]));
        if (gain > 0 || (sign < 0 && !(gain < 0)))
            found = i;
    }
    return found;
}

int lb_figures_best(const lb_run_figures *const *runs, int n)
{
    return extreme(runs, n, 1);
}

int lb_figures_worst(const lb_run_figures *const *runs, int n)
{
    return extreme(runs, n, -1);
}

/* At least as good in everything, better in something. */
static bool dominates(const double *a, const double *b, int n)
{
    bool better = false;

    for (int k = 0; k < n; k++) {
        const double gain = k == 0 ? a[k] - b[k] : b[k] - a[k];
        if (gain < 0)
            return false;
        better = better || gain > 0;
    }
    return better;
}

void lb_pareto_front(const double *const *value, int n, int n_values, bool *on_front)
{
    for (int i = 0; i < n; i++) {
        on_front[i] = true;
        for (int k = 0; k < n && on_front[i]; k++)
            on_front[i] = !dominates(value[k], value[i], n_values);
    }
}
