/* budget.c: holds estimates against limits. */
#include "device/device.h"

#include <stdarg.h>
#include <stdio.h>

/* The limit that counts: what was asked for, or the part's own. */
static double limit_of(double asked, double own)
{
    return asked > 0 ? asked : own;
}

static const char *heaviest(const lb_low *low, size_t *bytes)
{
    const char *name = "";

    *bytes = 0;
    for (int i = 0; i < low->n_steps; i++) {
        const size_t n = lb_low_constant_bytes(low, &low->step[i]);
        if (n > *bytes) {
            *bytes = n;
            name = low->step[i].name;
        }
    }
    return name;
}

static const char *slowest(const lb_low *low, const lb_device *device, double *share)
{
    const char *name = "";
    double most = 0, all = 0;

    for (int i = 0; i < low->n_steps; i++) {
        const double cycles = lb_device_step_cycles(&low->step[i], device).high;
        all += cycles;
        if (cycles > most) {
            most = cycles;
            name = low->step[i].name;
        }
    }
    *share = all > 0 ? most / all : 0;
    return name;
}

typedef struct verdict {
    char text[3000];
    size_t n;
    int breaches;
} verdict;

static void tell(verdict *v, const char *format, ...) LB_PRINTF(2, 3);

static void tell(verdict *v, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (v->breaches++ > 0)
        v->n += (size_t)snprintf(v->text + v->n, sizeof v->text - v->n, "; ");
    const int n = vsnprintf(v->text + v->n, sizeof v->text - v->n, format, args);
    va_end(args);
    if (n > 0)
        v->n += (size_t)n;
    if (v->n >= sizeof v->text)
        v->n = sizeof v->text - 1;
}

static void check_flash(verdict *v, const lb_low *low, double limit, const lb_estimate *e)
{
    size_t bytes;
    const char *const name = heaviest(low, &bytes);

    if ((double)e->flash_bytes > limit)
        tell(v,
             "it needs %zu bytes of flash, %.0f more than the %.0f allowed (layer '%s' "
             "has the most weights, %zu bytes)",
             e->flash_bytes, (double)e->flash_bytes - limit, limit, name, bytes);
}

static void check_sram(verdict *v, const lb_low *low, double limit, const lb_estimate *e)
{
    if ((double)e->sram_bytes > limit)
        tell(v,
             "it needs %zu bytes of SRAM, %.0f more than the %.0f allowed (%zu for "
             "activations, fullest at layer '%s', and %zu for the stack)",
             e->sram_bytes, (double)e->sram_bytes - limit, limit, e->arena_bytes,
             low->step[e->peak_step].name, e->stack_bytes);
}

static void check_range(verdict *v, const lb_range *r, double limit, const char *verb,
                        const char *unit, const char *name, double share)
{
    if (limit > 0 && r->high > limit)
        tell(v,
             "it %s %.4g to %.4g %s, up to %.4g more than the %.4g allowed (layer '%s' "
             "has %.0f%% of it)",
             verb, r->low, r->high, unit, r->high - limit, limit, name, 100 * share);
}

lb_code lb_device_check(const lb_low *low, const lb_device *device,
                        const lb_device_options *limits, const lb_estimate *estimate,
                        lb_error *err)
{
    verdict v = {.n = 0};
    double share;
    const char *const slow = slowest(low, device, &share);

    check_flash(&v, low, limit_of(limits->flash, device->flash_bytes), estimate);
    check_sram(&v, low, limit_of(limits->sram, device->sram_bytes), estimate);
    check_range(&v, &estimate->latency_ms, limits->latency * 1e3, "takes", "ms", slow,
                share);
    check_range(&v, &estimate->energy_uj, limits->energy * 1e6, "spends", "uJ", slow,
                share);
    if (v.breaches == 0)
        return LB_OK;
    return lb_raise(err, LB_ERR_BUDGET, "the network does not fit '%s': %s", device->name,
                    v.text);
}
