/* counted.h: counts what a training step must not do, in the whole process.
 *
 * Memory: malloc and its relatives are defined here, so that the loader takes these for
 * every library; they hand on to glibc's own. Under a sanitizer, which has its own, they
 * are left alone. Words and layouts: the linker's --wrap (see meson.build) sends the
 * calls of limbeck's own files through the functions below. */
#ifndef LB_TESTS_COUNTED_H
#define LB_TESTS_COUNTED_H

#ifndef _GNU_SOURCE
#error "define _GNU_SOURCE before anything is included"
#endif

#include "engine/onednn/dnnl_call.h"

#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define LB_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LB_SANITIZED 1
#endif
#if defined(__GLIBC__) && !defined(LB_SANITIZED)
#define LB_COUNTS_MEMORY 1
#else
#define LB_COUNTS_MEMORY 0
#endif

typedef struct counts {
    long memory;     /* taken and given back: limbeck, C library, OpenMP */
    long foreign;    /* the same within oneDNN's execution, which copies its arguments */
    long executions; /* of oneDNN */
    long words, layouts, packs;
} counts;

static atomic_long n_memory, n_foreign, n_executions, n_words, n_layouts, n_packs;
static _Thread_local int abroad;

static inline counts count_now(void)
{
    return (counts){.memory = atomic_load(&n_memory),
                    .foreign = atomic_load(&n_foreign),
                    .executions = atomic_load(&n_executions),
                    .words = atomic_load(&n_words),
                    .layouts = atomic_load(&n_layouts),
                    .packs = atomic_load(&n_packs)};
}

static inline counts counts_between(counts from, counts to)
{
    return (counts){.memory = to.memory - from.memory,
                    .foreign = to.foreign - from.foreign,
                    .executions = to.executions - from.executions,
                    .words = to.words - from.words,
                    .layouts = to.layouts - from.layouts,
                    .packs = to.packs - from.packs};
}

#if LB_COUNTS_MEMORY

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *p);

static void count_memory(void)
{
    atomic_fetch_add(abroad ? &n_foreign : &n_memory, 1);
}

void *malloc(size_t size)
{
    count_memory();
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    count_memory();
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
    count_memory();
    return __libc_realloc(p, size);
}

void free(void *p)
{
    if (p)
        count_memory();
    __libc_free(p);
}

void *memalign(size_t alignment, size_t size)
{
    count_memory();
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    count_memory();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    count_memory();
    void *const p = __libc_memalign(alignment, size);
    if (!p)
        return ENOMEM;
    *out = p;
    return 0;
}

void *mmap(void *at, size_t size, int protection, int flags, int file, off_t offset)
{
    count_memory();
    const long p = syscall(SYS_mmap, at, size, protection, flags, file, offset);
    return p == -1 ? MAP_FAILED : (void *)p;
}

int munmap(void *at, size_t size)
{
    count_memory();
    return (int)syscall(SYS_munmap, at, size);
}

#endif

/* What the linker makes of a wrapped name. */
#define WRAP(type, name, list, args, counter) \
    type __real_##name list; \
    type __wrap_##name list; \
    type __wrap_##name list \
    { \
        atomic_fetch_add(&counter, 1); \
        return __real_##name args; \
    }

WRAP(int, strcmp, (const char *a, const char *b), (a, b), n_words)
WRAP(int, strncmp, (const char *a, const char *b, size_t n), (a, b, n), n_words)
WRAP(int, strcasecmp, (const char *a, const char *b), (a, b), n_words)
WRAP(size_t, strlen, (const char *a), (a), n_words)
WRAP(char *, strchr, (const char *a, int c), (a, c), n_words)
WRAP(char *, strstr, (const char *a, const char *b), (a, b), n_words)
WRAP(int, memcmp, (const void *a, const void *b, size_t n), (a, b, n), n_words)
WRAP(int, vsnprintf, (char *to, size_t n, const char *format, va_list list),
     (to, n, format, list), n_words)

void __real_lb_to_blocked(const lb_shape *shape, int block, const float *plain,
                          float *blocked);
void __wrap_lb_to_blocked(const lb_shape *shape, int block, const float *plain,
                          float *blocked);
void __wrap_lb_to_blocked(const lb_shape *shape, int block, const float *plain,
                          float *blocked)
{
    atomic_fetch_add(&n_layouts, 1);
    __real_lb_to_blocked(shape, block, plain, blocked);
}

void __real_lb_to_plain(const lb_shape *shape, int block, const float *blocked,
                        float *plain);
void __wrap_lb_to_plain(const lb_shape *shape, int block, const float *blocked,
                        float *plain);
void __wrap_lb_to_plain(const lb_shape *shape, int block, const float *blocked,
                        float *plain)
{
    atomic_fetch_add(&n_layouts, 1);
    __real_lb_to_plain(shape, block, blocked, plain);
}

dnnl_status_t __real_dnnl_primitive_execute(const_dnnl_primitive_t primitive,
                                            dnnl_stream_t stream, int n,
                                            const dnnl_exec_arg_t *args);
dnnl_status_t __wrap_dnnl_primitive_execute(const_dnnl_primitive_t primitive,
                                            dnnl_stream_t stream, int n,
                                            const dnnl_exec_arg_t *args);
dnnl_status_t __wrap_dnnl_primitive_execute(const_dnnl_primitive_t primitive,
                                            dnnl_stream_t stream, int n,
                                            const dnnl_exec_arg_t *args)
{
    atomic_fetch_add(&n_executions, 1);
    abroad = 1;
    const dnnl_status_t status =
        __real_dnnl_primitive_execute(primitive, stream, n, args);
    abroad = 0;
    return status;
}

void __real_lb_dnnl_reorder(lb_dnnl *call, const void *from, void *to);
void __wrap_lb_dnnl_reorder(lb_dnnl *call, const void *from, void *to);
void __wrap_lb_dnnl_reorder(lb_dnnl *call, const void *from, void *to)
{
    atomic_fetch_add(&n_packs, 1);
    __real_lb_dnnl_reorder(call, from, to);
}

#endif
