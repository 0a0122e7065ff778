/* onnx_names.c: from the names in an ONNX file to values. */
#include "onnx/onnx_int.h"

#include <string.h>

bool lb_onnx_names_init(lb_onnx_names *names, lb_arena *arena, size_t most)
{
    size_t n_slots = 16;

    while (n_slots / 2 <= most) {
        if (!lb_size_mul(n_slots, 2, &n_slots))
            return false;
    }
    *names = (lb_onnx_names){.n_slots = n_slots};
    names->slot = lb_arena_take_array(arena, n_slots, sizeof *names->slot);
    return names->slot != NULL;
}

static size_t find_slot(const lb_onnx_names *names, const char *name)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */

    for (const char *c = name; *c; c++)
        h = (h ^ (uint8_t)*c) * 1099511628211u;
    size_t i = (size_t)(h ^ h >> 32) & (names->n_slots - 1);
    while (names->slot[i].name && strcmp(names->slot[i].name, name) != 0)
        i = (i + 1) & (names->n_slots - 1);
    return i;
}

const lb_onnx_name *lb_onnx_names_find(const lb_onnx_names *names, const char *name)
{
    const lb_onnx_name *const found = &names->slot[find_slot(names, name)];

    return found->name ? found : NULL;
}

bool lb_onnx_names_put(lb_onnx_names *names, const char *name, lb_value value)
{
    lb_onnx_name *const slot = &names->slot[find_slot(names, name)];

    if (!slot->name) {
        if (names->n >= names->n_slots / 2)
            return false;
        names->n++;
        slot->name = name;
    }
    slot->value = value;
    return true;
}
