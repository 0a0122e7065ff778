/* front.c: which runs are better than others. */
#include "run/sweep_int.h"

#include <math.h>

bool lb_figures_better(const lb_run_figures *a, const lb_run_figures *b)
{
    if (isnan(b->validation_accuracy) || isnan(a->validation_accuracy))
        return isnan(b->validation_accuracy) && !isnan(a->validation_accuracy);
    if (a->validation_accuracy != b->validation_accuracy)
        return a->validation_accuracy > b->validation_accuracy;
    return a->validation_loss < b->validation_loss;
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
