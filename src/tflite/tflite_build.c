/* tflite_build.c: writes flatbuffers. */
#include "tflite/tflite_build.h"

#include <limits.h>
#include <string.h>

static void put_number(uint8_t *at, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

/* Zeroed room; its place, or 0 after a failure. */
static size_t grow(lb_flat_out *out, size_t bytes)
{
    const size_t at = out->n;

    if (out->failed || bytes > INT_MAX - at) {
        out->failed = true;
        return 0;
    }
    if (at + bytes > out->capacity) {
        const size_t capacity = 2 * (at + bytes);
        uint8_t *const data = lb_arena_take(out->arena, capacity);
        if (!data) {
            out->failed = true;
            return 0;
        }
        if (at)
            memcpy(data, out->data, at);
        out->data = data;
        out->capacity = capacity;
    }
    out->n += bytes;
    return at;
}

/* So that what stands `ahead` bytes on is at a multiple of align. */
static void pad(lb_flat_out *out, size_t ahead, size_t align)
{
    const size_t off = (out->n + ahead) % align;

    if (off)
        grow(out, align - off);
}

void lb_flat_begin(lb_flat_out *out, lb_arena *arena, const char *identifier)
{
    *out = (lb_flat_out){.arena = arena};
    grow(out, 8);
    if (!out->failed)
        memcpy(out->data + 4, identifier, 4);
}

/* Where each field stands in its table: the widest first, so that none needs padding; the
 * table itself is placed for 8-byte fields to fit behind its 4 bytes. */
static size_t lay_out(const lb_flat_field *fields, int n, size_t *offset)
{
    static const int widths[] = {8, 4, 1};
    size_t at = 4;

    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
        for (int i = 0; i < n; i++)
            if (fields[i].bytes == widths[w]) {
                offset[i] = at;
                at += (size_t)fields[i].bytes;
            }
    return at;
}

size_t lb_flat_put_table(lb_flat_out *out, const lb_flat_field *fields, int n)
{
    size_t offset[LB_FLAT_MOST_FIELDS] = {0};
    const size_t bytes = lay_out(fields, n, offset);
    const int last = n > 0 ? fields[n - 1].number : -1;
    const size_t vtable_bytes = 4 + 2 * (size_t)(last + 1);

    pad(out, vtable_bytes + 4, 8);
    const size_t vtable = grow(out, vtable_bytes);
    const size_t table = grow(out, bytes);
    if (out->failed)
        return 0;
    put_number(out->data + vtable, vtable_bytes, 2);
    put_number(out->data + vtable + 2, bytes, 2);
    put_number(out->data + table, table - vtable, 4);
    for (int i = 0; i < n; i++) {
        const size_t slot = vtable + 4 + 2 * (size_t)fields[i].number;
        put_number(out->data + slot, offset[i], 2);
        put_number(out->data + table + offset[i], fields[i].value,
                   (size_t)fields[i].bytes);
    }
    return table;
}

size_t lb_flat_put_vector(lb_flat_out *out, const void *items, size_t n, size_t item,
                          size_t align)
{
    size_t bytes;

    if (n > INT_MAX || !lb_size_mul(n, item, &bytes)) {
        out->failed = true;
        return 0;
    }
    pad(out, 4, align < 4 ? 4 : align);
    const size_t at = grow(out, 4);
    grow(out, bytes);
    if (out->failed)
        return 0;
    put_number(out->data + at, n, 4);
    if (items && bytes)
        memcpy(out->data + at + 4, items, bytes);
    return at;
}

size_t lb_flat_put_text(lb_flat_out *out, const char *text)
{
    const size_t at = lb_flat_put_vector(out, text, strlen(text), 1, 4);

    grow(out, 1); /* ends with a zero that is not counted */
    return at;
}

static void link_at(lb_flat_out *out, size_t slot, size_t target)
{
    if (!out->failed)
        put_number(out->data + slot, target - slot, 4);
}

void lb_flat_link_field(lb_flat_out *out, size_t table, int field, size_t target)
{
    if (out->failed)
        return;
    size_t back = 0, offset = 0;
    for (size_t i = 0; i < 4; i++)
        back |= (size_t)out->data[table + i] << 8 * i;
    const uint8_t *const entry = out->data + table - back + 4 + 2 * (size_t)field;
    offset = (size_t)(entry[0] | entry[1] << 8);
    link_at(out, table + offset, target);
}

void lb_flat_link_item(lb_flat_out *out, size_t vector, size_t i, size_t target)
{
    link_at(out, vector + 4 + 4 * i, target);
}

void lb_flat_link_root(lb_flat_out *out, size_t target)
{
    link_at(out, 0, target);
}
