/* tflite_build.h: writes flatbuffers.
 *
 * The buffer grows forwards: a table is written with room for the offsets in it, and what
 * they lead to follows and is linked. All numbers stand at multiples of their size, as
 * the format asks. A failure (out of memory, beyond 2 GB) is held; the owner asks at the
 * end. */
#ifndef LB_TFLITE_TFLITE_BUILD_H
#define LB_TFLITE_TFLITE_BUILD_H

#include "base/arena.h"

typedef struct lb_flat_out {
    lb_arena *arena; /* borrowed; old copies stay behind in it */
    uint8_t *data;
    size_t n, capacity;
    bool failed;
} lb_flat_out;

/* A field of a table: `bytes` of a little-endian number, 1, 4 or 8. Those that are not
 * named are left out. An offset is 4 bytes of 0 until it is linked. */
typedef struct lb_flat_field {
    int number; /* in the schema */
    int bytes;
    uint64_t value;
} lb_flat_field;

enum { LB_FLAT_MOST_FIELDS = 16 };

/* Begins with room for the root's offset and an identifier of four characters. */
void lb_flat_begin(lb_flat_out *out, lb_arena *arena, const char *identifier);

/* Returns where the table stands. The fields are in the order of their numbers. */
size_t lb_flat_put_table(lb_flat_out *out, const lb_flat_field *fields, int n);

/* n items of item bytes, each at a multiple of `align` where the first one is; returns
 * where the vector stands. items NULL: zeros, to be linked. */
size_t lb_flat_put_vector(lb_flat_out *out, const void *items, size_t n, size_t item,
                          size_t align);
size_t lb_flat_put_text(lb_flat_out *out, const char *text);

/* Lets the offset in a field of a table, or an item of a vector, or the root, lead to
 * target, which stands behind it. */
void lb_flat_link_field(lb_flat_out *out, size_t table, int field, size_t target);
void lb_flat_link_item(lb_flat_out *out, size_t vector, size_t i, size_t target);
void lb_flat_link_root(lb_flat_out *out, size_t target);

static inline lb_flat_field lb_flat_offset(int number)
{
    return (lb_flat_field){number, 4, 0};
}
static inline lb_flat_field lb_flat_int(int number, int32_t value)
{
    return (lb_flat_field){number, 4, (uint32_t)value};
}
static inline lb_flat_field lb_flat_byte(int number, int value)
{
    return (lb_flat_field){number, 1, (uint8_t)value};
}

#endif
