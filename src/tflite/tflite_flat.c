/* tflite_flat.c: reading a flatbuffer that nobody vouches for. */
#include "tflite/tflite_flat.h"

#include <string.h>

/* Numbers are little endian and may stand anywhere. */
static uint64_t number(const uint8_t *p, size_t bytes)
{
    uint64_t x = 0;

    for (size_t i = 0; i < bytes; i++)
        x |= (uint64_t)p[i] << 8 * i;
    return x;
}

static bool holds(lb_flat *f, size_t at, size_t bytes)
{
    if (at <= f->size && bytes <= f->size - at)
        return true;
    f->broken = true;
    return false;
}

/* Where the offset at `at` leads; 0 if out of the file. */
static size_t follow(lb_flat *f, size_t at)
{
    if (!holds(f, at, 4))
        return 0;
    const size_t offset = (size_t)number(f->data + at, 4);
    if (offset == 0 || offset > f->size - at) {
        f->broken = true;
        return 0;
    }
    return at + offset;
}

static lb_flat_table no_table(lb_flat *f)
{
    f->broken = true;
    return (lb_flat_table){0};
}

static lb_flat_table table_at(lb_flat *f, size_t at)
{
    lb_flat_table t = {.at = at};

    if (at == 0 || !holds(f, at, 4))
        return no_table(f);
    /* the offset is signed, and points backwards where it is above 0 */
    const int64_t vtable = (int64_t)at - (int32_t)(uint32_t)number(f->data + at, 4);
    if (vtable < 0 || !holds(f, (size_t)vtable, 4))
        return no_table(f);
    t.vtable = (size_t)vtable;
    t.vtable_bytes = (size_t)number(f->data + vtable, 2);
    t.bytes = (size_t)number(f->data + vtable + 2, 2);
    if (t.vtable_bytes < 4 || t.bytes < 4 || !holds(f, t.vtable, t.vtable_bytes) ||
        !holds(f, at, t.bytes))
        return no_table(f);
    return t;
}

lb_flat_table lb_flat_root(lb_flat *f)
{
    return table_at(f, follow(f, 0));
}

/* Where a field of that many bytes stands; 0 if it is left out. */
static size_t field_at(lb_flat *f, const lb_flat_table *t, int field, size_t bytes)
{
    const size_t slot = 4 + 2 * (size_t)field;

    if (t->at == 0 || slot + 2 > t->vtable_bytes)
        return 0;
    const size_t offset = (size_t)number(f->data + t->vtable + slot, 2);
    if (offset == 0)
        return 0;
    if (offset < 4 || offset + bytes > t->bytes) {
        f->broken = true;
        return 0;
    }
    return t->at + offset;
}

int lb_flat_i8(lb_flat *f, const lb_flat_table *t, int field, int usual)
{
    const size_t at = field_at(f, t, field, 1);

    return at ? (int8_t)f->data[at] : usual;
}

int lb_flat_u8(lb_flat *f, const lb_flat_table *t, int field, int usual)
{
    const size_t at = field_at(f, t, field, 1);

    return at ? f->data[at] : usual;
}

int32_t lb_flat_i32(lb_flat *f, const lb_flat_table *t, int field, int32_t usual)
{
    return (int32_t)lb_flat_u32(f, t, field, (uint32_t)usual);
}

uint32_t lb_flat_u32(lb_flat *f, const lb_flat_table *t, int field, uint32_t usual)
{
    const size_t at = field_at(f, t, field, 4);

    return at ? (uint32_t)number(f->data + at, 4) : usual;
}

uint64_t lb_flat_u64(lb_flat *f, const lb_flat_table *t, int field, uint64_t usual)
{
    const size_t at = field_at(f, t, field, 8);

    return at ? number(f->data + at, 8) : usual;
}

static float float_of(uint32_t bits)
{
    float x;

    memcpy(&x, &bits, sizeof x);
    return x;
}

float lb_flat_f32(lb_flat *f, const lb_flat_table *t, int field, float usual)
{
    const size_t at = field_at(f, t, field, 4);

    return at ? float_of((uint32_t)number(f->data + at, 4)) : usual;
}

lb_flat_table lb_flat_sub(lb_flat *f, const lb_flat_table *t, int field)
{
    const size_t at = field_at(f, t, field, 4);

    return at ? table_at(f, follow(f, at)) : (lb_flat_table){0};
}

lb_flat_vector lb_flat_items(lb_flat *f, const lb_flat_table *t, int field, size_t item)
{
    const lb_flat_vector none = {0};
    const size_t field_offset = field_at(f, t, field, 4);

    if (field_offset == 0)
        return none;
    const size_t at = follow(f, field_offset);
    if (at == 0 || !holds(f, at, 4))
        return none;
    const size_t n = (size_t)number(f->data + at, 4);
    if (n > (f->size - at - 4) / item) {
        f->broken = true;
        return none;
    }
    return (lb_flat_vector){f->data + at + 4, n};
}

int32_t lb_flat_item_i32(const lb_flat_vector *v, size_t i)
{
    return (int32_t)(uint32_t)number(v->data + 4 * i, 4);
}

int64_t lb_flat_item_i64(const lb_flat_vector *v, size_t i)
{
    return (int64_t)number(v->data + 8 * i, 8);
}

float lb_flat_item_f32(const lb_flat_vector *v, size_t i)
{
    return float_of((uint32_t)number(v->data + 4 * i, 4));
}

lb_flat_table lb_flat_item_table(lb_flat *f, const lb_flat_vector *v, size_t i)
{
    return table_at(f, follow(f, (size_t)(v->data - f->data) + 4 * i));
}
