/* tflite_flat.h: reading a flatbuffer that nobody vouches for.
 *
 * A table is a place in the file: four bytes that lead to its vtable, then its fields.
 * The vtable tells where in the table each field stands, or that it is left out. Strings,
 * vectors and tables are reached over offsets.
 *
 * Every read is checked against the ends of the file. What does not fit sets `broken`,
 * and the answer is a harmless one (the usual value, no table, an empty vector), so that
 * readers need not ask at every step, but once at the end. Nothing here recurses or
 * follows more than one offset, so no cycle of offsets can hold a reader up. */
#ifndef LB_TFLITE_TFLITE_FLAT_H
#define LB_TFLITE_TFLITE_FLAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct lb_flat {
    const uint8_t *data;
    size_t size;
    bool broken;
} lb_flat;

typedef struct lb_flat_table {
    size_t at; /* 0: left out */
    size_t vtable, vtable_bytes, bytes;
} lb_flat_table;

/* n items in the file, all inside it; items may stand unaligned. */
typedef struct lb_flat_vector {
    const uint8_t *data; /* NULL: left out */
    size_t n;
} lb_flat_vector;

lb_flat_table lb_flat_root(lb_flat *f);

/* Fields by their number in the schema; `usual` where they are left out. */
int lb_flat_i8(lb_flat *f, const lb_flat_table *t, int field, int usual);
int lb_flat_u8(lb_flat *f, const lb_flat_table *t, int field, int usual);
int32_t lb_flat_i32(lb_flat *f, const lb_flat_table *t, int field, int32_t usual);
uint32_t lb_flat_u32(lb_flat *f, const lb_flat_table *t, int field, uint32_t usual);
uint64_t lb_flat_u64(lb_flat *f, const lb_flat_table *t, int field, uint64_t usual);
float lb_flat_f32(lb_flat *f, const lb_flat_table *t, int field, float usual);
lb_flat_table lb_flat_sub(lb_flat *f, const lb_flat_table *t, int field);

/* Vectors of items of `item` bytes; a string is a vector of bytes. */
lb_flat_vector lb_flat_items(lb_flat *f, const lb_flat_table *t, int field, size_t item);
int32_t lb_flat_item_i32(const lb_flat_vector *v, size_t i);
int64_t lb_flat_item_i64(const lb_flat_vector *v, size_t i);
float lb_flat_item_f32(const lb_flat_vector *v, size_t i);

/* Table i of a vector of tables, which was read with items of 4 bytes. */
lb_flat_table lb_flat_item_table(lb_flat *f, const lb_flat_vector *v, size_t i);

#endif
