/* pool.c: the thread pool and its barrier. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "base/pool.h"

#include "base/arena.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

enum { MAX_THREADS = 64, SPINS = 4000 };

typedef struct worker {
    lb_pool *pool;
    pthread_t thread;
    int index;
} worker;

struct lb_pool {
    int n;
    lb_pool_work work;
    void *arg;
    atomic_int waiting;            /* at the barrier */
    atomic_uint generation, round; /* of the barrier; of lb_pool_run */
    atomic_bool quit;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    lb_arena *arena; /* of the memory to work in; NULL: none was reserved */
    void *memory;
    size_t bytes;
    worker workers[MAX_THREADS];
};

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Waits until *word is no longer `old`. */
static void wait_change(lb_pool *pool, atomic_uint *word, unsigned old)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(word, memory_order_acquire) != old)
            return;
        relax();
    }
    pthread_mutex_lock(&pool->lock);
    while (atomic_load(word) == old)
        pthread_cond_wait(&pool->wake, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

static void announce(lb_pool *pool, atomic_uint *word)
{
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(word, 1);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
}

void lb_pool_barrier(lb_pool *pool)
{
    if (pool->n == 1)
        return;
    const unsigned old = atomic_load(&pool->generation);
    if (atomic_fetch_add(&pool->waiting, 1) == pool->n - 1) {
        atomic_store(&pool->waiting, 0);
        announce(pool, &pool->generation);
    } else {
        wait_change(pool, &pool->generation, old);
    }
}

static void *loop(void *arg)
{
    worker *const w = arg;
    lb_pool *const pool = w->pool;

    for (unsigned round = 0;; round++) {
        wait_change(pool, &pool->round, round);
        if (atomic_load(&pool->quit))
            return NULL;
        pool->work(pool->arg, w->index);
        lb_pool_barrier(pool);
    }
}

void lb_pool_run(lb_pool *pool, lb_pool_work work, void *arg)
{
    pool->work = work;
    pool->arg = arg;
    if (pool->n > 1)
        announce(pool, &pool->round);
    work(arg, 0);
    lb_pool_barrier(pool);
}

lb_code lb_pool_reserve(lb_pool *pool, size_t bytes, lb_error *err)
{
    if (bytes <= pool->bytes)
        return LB_OK;
    /* the old one goes first: both at once are never needed */
    lb_arena_free(pool->arena);
    pool->memory = NULL;
    pool->bytes = 0;
    pool->arena = lb_arena_new(0);
    if (pool->arena)
        pool->memory = lb_arena_take(pool->arena, bytes);
    if (!pool->memory)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for %zu bytes to work in", bytes);
    pool->bytes = bytes;
    return LB_OK;
}

void *lb_pool_memory(const lb_pool *pool)
{
    return pool->memory;
}

static int usable_cores(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    const int n = CPU_COUNT(&set);
    return n > MAX_THREADS ? MAX_THREADS : n;
}

lb_code lb_pool_new(int n_threads, lb_pool **out, lb_error *err)
{
    const int n = n_threads ? n_threads : usable_cores();

    if (n < 1 || n > MAX_THREADS)
        return lb_raise(err, LB_ERR_INPUT, "threads must be between 1 and %d, not %d",
                        MAX_THREADS, n_threads);
    lb_pool *const pool = lb_heap_take(sizeof *pool);
    if (!pool)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for %d threads", n);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pool->n = 1;
    for (int i = 1; i < n; i++) {
        pool->workers[i] = (worker){.pool = pool, .index = i};
        const int code =
            pthread_create(&pool->workers[i].thread, NULL, loop, &pool->workers[i]);
        if (code != 0) {
            lb_pool_free(pool);
            return lb_raise(err, LB_ERR_FAILED, "cannot start %d threads: %s", n,
                            strerror(code));
        }
        pool->n++;
    }
    *out = pool;
    return LB_OK;
}

void lb_pool_free(lb_pool *pool)
{
    if (!pool)
        return;
    atomic_store(&pool->quit, true);
    announce(pool, &pool->round);
    for (int i = 1; i < pool->n; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    lb_arena_free(pool->arena);
    lb_heap_give(pool);
}

int lb_pool_threads(const lb_pool *pool)
{
    return pool->n;
}
