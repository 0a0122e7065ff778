/* interval.c: Student's t, and the interval of paired differences. */
#include "run/interval.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

/* P(|T| < t). With theta = atan(t / sqrt(v)): for even v
 *   sin (1 + 1/2 cos^2 + 1*3/(2*4) cos^4 + ...), up to cos^(v-2);
 * for odd v
 *   2/pi (theta + sin (cos + 2/3 cos^3 + 2*4/(3*5) cos^5 + ...)), up to cos^(v-2). */
static double share_within(double t, int v)
{
    const double theta = atan(t / sqrt(v)), c = cos(theta);
    const int odd = v % 2;
    double term = odd ? c : 1, sum = 0;

    for (int k = odd ? 3 : 2; k <= v; k += 2) {
        sum += term;
        term *= c * c * (k - 1) / k;
    }
    return odd ? 2 / pi * (theta + sin(theta) * sum) : sin(theta) * sum;
}

double lb_t_quantile(double p, int freedom)
{
    const double wanted = 2 * p - 1;
    double low = 0, high = 1;

    while (share_within(high, freedom) < wanted && high < 1e15)
        high *= 2;
    for (int i = 0; i < 100; i++) {
        const double middle = low + (high - low) / 2;
        if (share_within(middle, freedom) < wanted)
            low = middle;
        else
            high = middle;
    }
    return high;
}

lb_interval lb_paired_interval(const double *with, const double *without, int n)
{
    double sum = 0, squares = 0;

    for (int i = 0; i < n; i++)
        sum += with[i] - without[i];
    const double mean = sum / n;
    for (int i = 0; i < n; i++) {
        const double off = with[i] - without[i] - mean;
        squares += off * off;
    }
    if (n < 2)
        return (lb_interval){mean, NAN, NAN};
    const double half = lb_t_quantile(0.975, n - 1) * sqrt(squares / (n - 1) / n);
    return (lb_interval){mean, mean - half, mean + half};
}
