/* arena.c: blocks of memory in a list; the only place that calls malloc.
 *
 * Under AddressSanitizer every piece is a block of its own, so that an overrun inside
 * an arena is seen. */
#define _DEFAULT_SOURCE /* madvise */
#include "base/arena.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
enum { BLOCK_BYTES = 0 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
enum { BLOCK_BYTES = 0 };
#else
enum { BLOCK_BYTES = 64 * 1024 };
#endif
#else
enum { BLOCK_BYTES = 64 * 1024 };
#endif
enum { ALIGN = 64, HUGE_PAGE = 2 << 20 };

typedef struct block {
    struct block *next;
    size_t size, used; /* of the bytes behind the header */
} block;

struct lb_arena {
    block *blocks; /* the newest first */
    size_t limit, used;
};

/* How the tests make memory run out; counted per thread so that tests stay apart. */
static _Thread_local long takes, fail_at = -1;

void lb_arena_fail_after(long n)
{
    takes = 0;
    fail_at = n;
}

long lb_arena_takes(void)
{
    return takes;
}

/* Huge pages spare kernels that walk many rows at once most of their address look-ups;
 * the system may decline. */
static void *take_aligned(size_t size)
{
    const bool large = size >= 2 * (size_t)HUGE_PAGE;
    const size_t alignment = large ? (size_t)HUGE_PAGE : (size_t)ALIGN;
    size_t whole; /* C11 wants a multiple */

    if (!lb_size_add(size, alignment - 1, &whole))
        return NULL;
    void *const p = aligned_alloc(alignment, whole / alignment * alignment);

#if defined(MADV_HUGEPAGE)
    if (p && large)
        (void)madvise(p, size, MADV_HUGEPAGE);
#endif
    return p;
}

void *lb_heap_take(size_t size)
{
    size_t rounded;

    if (fail_at >= 0 && takes >= fail_at)
        return NULL;
    if (!lb_size_add(size, ALIGN, &rounded))
        return NULL;
    takes++;
    rounded = rounded / ALIGN * ALIGN;
    void *const p = take_aligned(rounded);
    if (p)
        memset(p, 0, rounded);
    return p;
}

void lb_heap_give(void *p)
{
    free(p);
}

bool lb_size_mul(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

bool lb_size_add(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

lb_arena *lb_arena_new(size_t limit)
{
    lb_arena *const arena = lb_heap_take(sizeof *arena);

    if (arena)
        arena->limit = limit;
    return arena;
}

void lb_arena_free(lb_arena *arena)
{
    if (!arena)
        return;
    for (block *b = arena->blocks; b;) {
        block *const next = b->next;
        lb_heap_give(b);
        b = next;
    }
    lb_heap_give(arena);
}

static block *add_block(lb_arena *arena, size_t size)
{
    const size_t want = size > (size_t)BLOCK_BYTES ? size : (size_t)BLOCK_BYTES;
    size_t bytes;

    if (!lb_size_add(want, ALIGN, &bytes))
        return NULL;
    block *const b = lb_heap_take(bytes);
    if (!b)
        return NULL;
    b->size = want;
    /* a large piece goes behind the open block, which stays in use */
    if (arena->blocks && size > (size_t)BLOCK_BYTES / 2) {
        b->next = arena->blocks->next;
        arena->blocks->next = b;
    } else {
        b->next = arena->blocks;
        arena->blocks = b;
    }
    return b;
}

void *lb_arena_take(lb_arena *arena, size_t size)
{
    size_t rounded;

    if (fail_at >= 0 && takes >= fail_at)
        return NULL;
    if (!lb_size_add(size ? size : 1, ALIGN - 1, &rounded))
        return NULL;
    rounded = rounded / ALIGN * ALIGN;
    if (arena->limit && (rounded > arena->limit || arena->used > arena->limit - rounded))
        return NULL;
    block *b = arena->blocks;
    if (!b || b->size - b->used < rounded)
        b = add_block(arena, rounded);
    else
        takes++;
    if (!b)
        return NULL;
    void *const p = (char *)b + ALIGN + b->used;
    b->used += rounded;
    arena->used += rounded;
    return p;
}

void *lb_arena_take_array(lb_arena *arena, size_t n, size_t size)
{
    size_t bytes;

    return lb_size_mul(n, size, &bytes) ? lb_arena_take(arena, bytes) : NULL;
}

size_t lb_arena_used(const lb_arena *arena)
{
    return arena->used;
}

char *lb_arena_copy_chars(lb_arena *arena, const char *chars, size_t n)
{
    size_t bytes;

    if (!lb_size_add(n, 1, &bytes))
        return NULL;
    char *const copy = lb_arena_take(arena, bytes);
    if (copy && n)
        memcpy(copy, chars, n);
    return copy;
}

char *lb_arena_copy_text(lb_arena *arena, const char *text)
{
    return lb_arena_copy_chars(arena, text, strlen(text));
}

char *lb_arena_text(lb_arena *arena, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    const int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *const text = n < 0 ? NULL : lb_arena_take(arena, (size_t)n + 1);
    if (!text)
        return NULL;
    va_start(args, format);
    vsnprintf(text, (size_t)n + 1, format, args);
    va_end(args);
    return text;
}

bool lb_arena_grow(lb_arena *arena, void **array, int *capacity, int n, size_t item_size)
{
    if (n < *capacity)
        return true;
    if (*capacity > 1 << 28)
        return false;
    const int wanted = *capacity ? *capacity * 2 : 16;
    void *const bigger = lb_arena_take_array(arena, (size_t)wanted, item_size);
    if (!bigger)
        return false;
    if (n)
        memcpy(bigger, *array, (size_t)n * item_size);
    *array = bigger;
    *capacity = wanted;
    return true;
}
