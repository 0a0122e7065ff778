/* elf.c: the sizes of an object file's sections (ELF, 32 and 64 bits, little endian). */
#include "prove/prove_int.h"

#include <string.h>

enum { TYPE_NOBITS = 8, FLAG_WRITE = 1, FLAG_ALLOC = 2, MOST_SECTIONS = 65535 };

static uint64_t read_number(const uint8_t *at, int bytes)
{
    uint64_t v = 0;

    for (int i = bytes - 1; i >= 0; i--)
        v = v << 8 | at[i];
    return v;
}

typedef struct layout {
    uint64_t table;   /* where the section headers begin */
    int entry, count; /* bytes of each, and how many */
    bool wide;        /* 64 bits */
} layout;

static bool read_layout(const uint8_t *data, size_t size, layout *out)
{
    static const uint8_t magic[] = {0x7f, 'E', 'L', 'F'};

    if (size < 64 || memcmp(data, magic, sizeof magic) != 0 || data[5] != 1)
        return false;
    out->wide = data[4] == 2;
    out->table = out->wide ? read_number(data + 40, 8) : read_number(data + 32, 4);
    out->entry = (int)read_number(data + (out->wide ? 58 : 46), 2);
    out->count = (int)read_number(data + (out->wide ? 60 : 48), 2);
    return out->entry >= (out->wide ? 64 : 40) && out->table <= size &&
           (uint64_t)out->entry * (uint64_t)out->count <= size - out->table;
}

bool lb_elf_sections(const uint8_t *data, size_t size, lb_sections *out)
{
    layout l;

    *out = (lb_sections){0};
    if (!read_layout(data, size, &l))
        return false;
    for (int i = 0; i < l.count; i++) {
        const uint8_t *const h = data + l.table + (uint64_t)i * (uint64_t)l.entry;
        const uint64_t type = read_number(h + 4, 4);
        const uint64_t flags = read_number(h + 8, l.wide ? 8 : 4);
        const uint64_t bytes = l.wide ? read_number(h + 32, 8) : read_number(h + 20, 4);
        /* unwinding tables and notes stay behind */
        if (!(flags & FLAG_ALLOC) || (type != 1 && type != TYPE_NOBITS) ||
            bytes > (uint64_t)1 << 40)
            continue;
        if (!(flags & FLAG_WRITE))
            out->fixed += bytes;
        else if (type == TYPE_NOBITS)
            out->zeroed += bytes;
        else
            out->initialised += bytes;
    }
    return true;
}
