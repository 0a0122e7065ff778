/* cmd_devices.c: the devices there are. */
#include "cli/results.h"
#include "device/device.h"

#include <stdio.h>

static const lb_option options[] = {{0}};

static lb_code run(const lb_args *args, lb_arena *arena, lb_error *err)
{
    lb_json json;

    lb_json_init(&json, arena);
    lb_json_open(&json, NULL, '{');
    lb_json_open(&json, "devices", '[');
    for (const lb_device *d = lb_devices; d->name; d++) {
        if (!args->json)
            printf("%-12s %-18s %5.0f MHz  flash %7.0f KB  sram %7.0f KB\n", d->name,
                   d->core, d->clock_hz / 1e6, d->flash_bytes / 1024,
                   d->sram_bytes / 1024);
        lb_json_open(&json, NULL, '{');
        lb_json_text(&json, "name", d->name);
        lb_json_text(&json, "core", d->core);
        lb_json_text(&json, "source", d->source);
        lb_json_number(&json, "clock_hz", d->clock_hz);
        lb_json_number(&json, "flash_bytes", d->flash_bytes);
        lb_json_number(&json, "sram_bytes", d->sram_bytes);
        lb_json_close(&json, '}');
    }
    lb_json_close(&json, ']');
    lb_json_close(&json, '}');
    return args->json ? lb_results_json(&json, err) : LB_OK;
}

const lb_cmd lb_cmd_devices = {
    .name = "devices",
    .usage = "",
    .help = "the devices there are",
    .example = "limbeck devices",
    .options = options,
    .run = run,
};
