/* limits.c: --device, --flash, --sram, --latency, --energy. */
#include "cli/limits.h"

#include "cli/network.h"

#include <stdio.h>
#include <string.h>

lb_code lb_limits_read(const lb_args *args, lb_arena *arena, lb_device_options *out,
                       lb_error *err)
{
    const lb_device *device = NULL;

    *out = (lb_device_options){.profile = lb_arg(args, "device")};
    for (const lb_key *key = lb_device_keys; key->name; key++) {
        const char *const text =
            strcmp(key->name, "profile") == 0 ? NULL : lb_arg(args, key->name);
        if (text && lb_key_set(key, out, text, arena, err) != LB_OK)
            return lb_within(err, "--%s", key->name);
    }
    return lb_network_device(out->profile, &device, err);
}

const char *lb_limits_range(const lb_range *range, const char *unit,
                            char out[LB_RANGE_TEXT])
{
    snprintf(out, LB_RANGE_TEXT, "%.3g to %.3g %s", range->low, range->high, unit);
    return out;
}

void lb_limits_json(lb_json *json, const lb_estimate *e, bool fits)
{
    static const char *const keys[] = {"flash_bytes", "sram_bytes", "instructions",
                                       "latency_ms",  "energy_uj",  "fits"};

    for (size_t i = 0; !e && i < sizeof keys / sizeof *keys; i++)
        lb_json_null(json, keys[i]);
    if (!e)
        return;
    lb_json_int(json, "flash_bytes", (int64_t)e->flash_bytes);
    lb_json_int(json, "sram_bytes", (int64_t)e->sram_bytes);
    lb_json_number(json, "instructions", e->instructions);
    lb_json_range(json, "latency_ms", e->latency_ms.low, e->latency_ms.mid,
                  e->latency_ms.high);
    lb_json_range(json, "energy_uj", e->energy_uj.low, e->energy_uj.mid,
                  e->energy_uj.high);
    lb_json_bool(json, "fits", fits);
}
