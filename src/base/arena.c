/* arena.c: blocks of memory in a list; the only place that takes memory from the system.
 *
 * Under AddressSanitizer every piece is a block of its own, so that an overrun inside
 * an arena is seen. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, madvise */
#include "base/arena.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define OWN_PAGES 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define OWN_PAGES 0
#else
#define OWN_PAGES 1
#endif
#else
#define OWN_PAGES 1
#endif
enum { ALIGN = 64, HUGE_PAGE = 2 << 20, PAGE = 4096 };
/* with the header a block fills whole pages */
enum { BLOCK_BYTES = OWN_PAGES ? 64 * 1024 - ALIGN : 0 };

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

void *lb_heap_take(size_t size)
{
    size_t rounded;

    if (fail_at >= 0 && takes >= fail_at)
        return NULL;
    if (!lb_size_add(size, ALIGN, &rounded))
        return NULL;
    takes++;
    rounded = rounded / ALIGN * ALIGN;
    void *const p = aligned_alloc(ALIGN, rounded);
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

#if OWN_PAGES
/* Large pieces get 2 MiB boundaries: huge pages spare kernels that walk many rows at once
 * most of their address look-ups; the system may decline. */
static void *take_pages(size_t size)
{
    const size_t spare = size >= 2 * (size_t)HUGE_PAGE ? (size_t)HUGE_PAGE : 0;
    size_t mapped;

    if (!lb_size_add(size, spare, &mapped))
        return NULL;
    char *const at =
        mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return NULL;
    if (!spare)
        return at;
    const size_t before = (spare - (uintptr_t)at % spare) % spare;
    if (before)
        munmap(at, before);
    if (spare - before)
        munmap(at + before + size, spare - before);
#if defined(MADV_HUGEPAGE)
    (void)madvise(at + before, size, MADV_HUGEPAGE);
#endif
    return at + before;
}

static void give_block(block *b)
{
    munmap(b, ALIGN + b->size);
}

/* Zeroed pages of its own for each block: what is not touched costs nothing, and what is
 * given back is the system's at once. */
static block *take_block(size_t size)
{
    size_t bytes;

    if ((fail_at >= 0 && takes >= fail_at) ||
        !lb_size_add(size, ALIGN + PAGE - 1, &bytes))
        return NULL;
    takes++;
    bytes = bytes / PAGE * PAGE;
    block *const b = take_pages(bytes);
    if (b)
        b->size = bytes - ALIGN;
    return b;
}
#else
static void give_block(block *b)
{
    lb_heap_give(b);
}

static block *take_block(size_t size)
{
    size_t bytes;

    if (!lb_size_add(size, ALIGN, &bytes))
        return NULL;
    block *const b = lb_heap_take(bytes);
    if (b)
        b->size = size;
    return b;
}
#endif

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
        give_block(b);
        b = next;
    }
    lb_heap_give(arena);
}

static block *add_block(lb_arena *arena, size_t size)
{
    block *const b = take_block(size > (size_t)BLOCK_BYTES ? size : (size_t)BLOCK_BYTES);

    if (!b)
        return NULL;
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
