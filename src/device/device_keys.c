/* device_keys.c: what a recipe may ask of a device. */
#include "device/device.h"

#include <stddef.h>

#define AT(field) offsetof(lb_device_options, field)
const lb_key lb_device_keys[] = {
    {.name = "profile",
     .type = LB_KEY_TEXT,
     .offset = AT(profile),
     .usual = NULL,
     .help = "a device that `limbeck devices` lists"},
    {.name = "flash",
     .type = LB_KEY_BYTES,
     .offset = AT(flash),
     .min = 1,
     .max = 1e12,
     .usual = "",
     .help = "most bytes of flash, as in 256K; usually the device's own"},
    {.name = "sram",
     .type = LB_KEY_BYTES,
     .offset = AT(sram),
     .min = 1,
     .max = 1e12,
     .usual = "",
     .help = "most bytes of SRAM, as in 64K; usually the device's own"},
    {.name = "latency",
     .type = LB_KEY_SECONDS,
     .offset = AT(latency),
     .min = 1e-9,
     .max = 1e6,
     .usual = "",
     .help = "longest time of one inference, as in 50ms"},
    {.name = "energy",
     .type = LB_KEY_JOULES,
     .offset = AT(energy),
     .min = 1e-12,
     .max = 1e6,
     .usual = "",
     .help = "most energy of one inference, as in 2mJ"},
    {0},
};
#undef AT
