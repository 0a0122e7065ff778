/* arena.h: memory that is taken piece by piece and released all at once.
 *
 * Every lasting thing in limbeck lives in an arena: a recipe, a graph, a plan. Pieces
 * are zeroed and 64-byte aligned. lb_arena_take returns NULL when memory is gone or
 * the arena's limit would be passed; callers turn that into LB_ERR_MEMORY with words.
 * An arena is used by one thread at a time. */
#ifndef LB_BASE_ARENA_H
#define LB_BASE_ARENA_H

#include "base/error.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct lb_arena lb_arena;

/* limit: most bytes that may be taken in all; 0 for no limit. NULL if out of memory. */
lb_arena *lb_arena_new(size_t limit);

/* Takes NULL. Everything taken from the arena is gone. */
void lb_arena_free(lb_arena *arena);

/* Zeroed, 64-byte aligned; NULL if there is no memory or the limit is reached. */
void *lb_arena_take(lb_arena *arena, size_t size);

/* n * size with an overflow check. */
void *lb_arena_take_array(lb_arena *arena, size_t n, size_t size);

/* Bytes taken so far. */
size_t lb_arena_used(const lb_arena *arena);

/* Copies of text; NULL as for take. lb_arena_text formats as printf does. */
char *lb_arena_copy_text(lb_arena *arena, const char *text);
char *lb_arena_copy_chars(lb_arena *arena, const char *chars, size_t n);
char *lb_arena_text(lb_arena *arena, const char *format, ...) LB_PRINTF(2, 3);

#define LB_TAKE(arena, type) ((type *)lb_arena_take((arena), sizeof(type)))
#define LB_TAKE_ARRAY(arena, n, type) \
    ((type *)lb_arena_take_array((arena), (size_t)(n), sizeof(type)))

/* Grows *array (of *capacity items of item_size bytes, n of them used) so that one more
 * item fits; the old copy stays behind in the arena. False if there is no memory. */
bool lb_arena_grow(lb_arena *arena, void **array, int *capacity, int n, size_t item_size);

/* True, and the product or sum in *out, unless it does not fit a size_t. */
bool lb_size_mul(size_t a, size_t b, size_t *out);
bool lb_size_add(size_t a, size_t b, size_t *out);

/* For short-lived heap blocks that cannot live in an arena (rare: a block that is given
 * back within the same function, or a pool of threads). Zeroed, 64-byte aligned. */
void *lb_heap_take(size_t size);
void lb_heap_give(void *block);

/* Tests only: after n more successful takes every take fails; a negative n never fails.
 * Counts takes of this thread. */
void lb_arena_fail_after(long n);
long lb_arena_takes(void);

#endif
