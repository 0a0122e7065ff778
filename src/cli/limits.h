/* limits.h: the device that a command is given, its limits, and what a network costs
 * there. */
#ifndef LB_CLI_LIMITS_H
#define LB_CLI_LIMITS_H

#include "base/json.h"
#include "cli/command.h"
#include "device/device.h"

/* Rows of options. */
#define LB_LIMIT_OPTIONS \
    {.name = "flash", .value = "BYTES", .help = "most flash, as in 256K"}, \
        {.name = "sram", .value = "BYTES", .help = "most SRAM, as in 64K"}, \
        {.name = "latency", .value = "TIME", .help = "longest inference, as in 50ms"}, \
    { \
        .name = "energy", .value = "JOULES", .help = "most of one inference, as in 2mJ" \
    }

/* From --device and the rows above: what was not given stays NULL and 0. */
lb_code lb_limits_read(const lb_args *args, lb_arena *arena, lb_device_options *out,
                       lb_error *err) LB_MUST_USE;

/* "8.5 to 31 ms": low and high end. */
enum { LB_RANGE_TEXT = 48 };
const char *lb_limits_range(const lb_range *range, const char *unit,
                            char out[LB_RANGE_TEXT]);

/* The keys flash_bytes, sram_bytes, instructions, latency_ms, energy_uj and fits; null
 * for an estimate of NULL. */
void lb_limits_json(lb_json *json, const lb_estimate *estimate, bool fits);

#endif
