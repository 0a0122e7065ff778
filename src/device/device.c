/* device.c: the table of devices. */
#include "device/device.h"

#include <string.h>

const lb_device lb_devices[] = {
#include "device/devices.def"
    {0},
};

const lb_device *lb_device_find(const char *name)
{
    for (const lb_device *d = lb_devices; name && d->name; d++)
        if (strcmp(d->name, name) == 0)
            return d;
    return NULL;
}
