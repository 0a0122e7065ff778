/* elf.c: the sizes of an object file's sections (ELF, 32 and 64 bits, little endian), and
 * the functions of a linked program (32 bits). */
#include "prove/prove_int.h"

#include <stdlib.h>
#include <string.h>

enum {
    TYPE_SYMBOLS = 2,
    TYPE_NOBITS = 8,
    FLAG_WRITE = 1,
    FLAG_ALLOC = 2,
    FLAG_CODE = 4,
    MACHINE_ARM = 40,
    SYMBOL = 16, /* bytes of each, 32 bits */
    SYMBOL_FUNCTION = 2
};

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
        if (!(flags & FLAG_WRITE)) {
            out->fixed += bytes;
            out->code += flags & FLAG_CODE ? bytes : 0;
        } else if (type == TYPE_NOBITS) {
            out->zeroed += bytes;
        } else {
            out->initialised += bytes;
        }
    }
    return true;
}

/* A section's bytes within the file; false if they are not there. */
static bool section_bytes(const uint8_t *data, size_t size, const layout *l, uint64_t i,
                          const uint8_t **bytes, uint64_t *n)
{
    if (i >= (uint64_t)l->count)
        return false;
    const uint8_t *const h = data + l->table + i * (uint64_t)l->entry;
    const uint64_t offset = read_number(h + 16, 4);

    *n = read_number(h + 20, 4);
    *bytes = data + offset;
    return offset <= size && *n <= size - offset;
}

static int by_address(const void *a, const void *b)
{
    const lb_function *const x = a, *const y = b;

    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    return strcmp(x->name, y->name);
}

typedef struct symbols {
    const uint8_t *table, *names;
    uint64_t n_table, n_names;
    bool thumb; /* the lowest bit of an address says how code is to be read */
} symbols;

/* The functions among the symbols, as they stand; -1 without memory. */
static int take_functions(const symbols *s, lb_arena *arena, lb_function *out)
{
    int n = 0;

    for (uint64_t at = 0; at + SYMBOL <= s->n_table; at += SYMBOL) {
        const uint8_t *const e = s->table + at;
        const uint64_t name = read_number(e, 4), bytes = read_number(e + 8, 4);
        if ((e[12] & 15) != SYMBOL_FUNCTION || bytes == 0 || name >= s->n_names ||
            !memchr(s->names + name, 0, s->n_names - name))
            continue;
        lb_function *const f = &out[n++];
        f->name = lb_arena_copy_text(arena, (const char *)s->names + name);
        f->first = read_number(e + 4, 4) & ~(uint64_t)s->thumb;
        f->end = f->first + bytes;
        if (!f->name)
            return -1;
    }
    return n;
}

bool lb_elf_functions(const uint8_t *data, size_t size, lb_arena *arena,
                      lb_function **out, int *n)
{
    layout l;
    symbols s = {0};

    *n = 0;
    if (!read_layout(data, size, &l) || l.wide)
        return false;
    for (int i = 0; i < l.count; i++) {
        const uint8_t *const h = data + l.table + (uint64_t)i * (uint64_t)l.entry;
        if (read_number(h + 4, 4) == TYPE_SYMBOLS &&
            (!section_bytes(data, size, &l, (uint64_t)i, &s.table, &s.n_table) ||
             !section_bytes(data, size, &l, read_number(h + 24, 4), &s.names,
                            &s.n_names)))
            return false;
    }
    s.thumb = read_number(data + 18, 2) == MACHINE_ARM;
    *out = LB_TAKE_ARRAY(arena, s.n_table / SYMBOL + 1, lb_function);
    const int all = *out ? take_functions(&s, arena, *out) : -1;
    if (all < 0)
        return false;
    qsort(*out, (size_t)all, sizeof **out, by_address);
    for (int i = 0; i < all; i++)
        if (*n == 0 || (*out)[i].first >= (*out)[*n - 1].end)
            (*out)[(*n)++] = (*out)[i];
    return true;
}
