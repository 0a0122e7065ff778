/* results.c: numbers and JSON on stdout. */
#include "cli/results.h"

#include <math.h>
#include <stdio.h>

lb_code lb_results_json(const lb_json *json, lb_error *err)
{
    if (json->text.failed)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the results");
    printf("%s\n", json->text.chars);
    return LB_OK;
}

const char *lb_results_short(double value, char out[32])
{
    static const char *const units[] = {"", " k", " M", " G", " T"};
    int u = 0;

    if (!isfinite(value)) {
        snprintf(out, 32, "-");
        return out;
    }
    while (fabs(value) >= 1000 && u < 4) {
        value /= 1000;
        u++;
    }
    snprintf(out, 32,
             u == 0             ? "%.0f%s"
             : fabs(value) < 10 ? "%.2f%s"
                                : "%.1f%s",
             value, units[u]);
    return out;
}
