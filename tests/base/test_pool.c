/* test_pool.c: every thread works, barriers hold, with any number of threads. */
#include "base/pool.h"

#include "base/arena.h"

#include "check.h"

#include <stdatomic.h>

typedef struct shared {
    lb_pool *pool;
    atomic_int count;
    atomic_int wrong;
} shared;

static void work(void *arg, int thread)
{
    shared *const s = arg;

    (void)thread;
    for (int round = 1; round <= 200; round++) {
        atomic_fetch_add(&s->count, 1);
        lb_pool_barrier(s->pool);
        if (atomic_load(&s->count) != round * lb_pool_threads(s->pool))
            atomic_fetch_add(&s->wrong, 1);
        lb_pool_barrier(s->pool);
    }
}

static void barriers_hold(void)
{
    for (int n = 1; n <= 8; n++) {
        lb_error err = {0};
        shared s = {0};

        CHECK_OK(lb_pool_new(n, &s.pool, &err), &err);
        CHECK(lb_pool_threads(s.pool) == n);
        for (int i = 0; i < 20; i++) {
            atomic_store(&s.count, 0);
            lb_pool_run(s.pool, work, &s);
            CHECK(atomic_load(&s.count) == 200 * n);
        }
        CHECK(atomic_load(&s.wrong) == 0);
        lb_pool_free(s.pool);
    }
}

static void memory_grows_and_may_run_out(void)
{
    lb_pool *pool = NULL;
    lb_error err = {0};

    CHECK_OK(lb_pool_new(1, &pool, &err), &err);
    CHECK(lb_pool_memory(pool) == NULL);
    CHECK_OK(lb_pool_reserve(pool, 1000, &err), &err);
    const void *const first = lb_pool_memory(pool);
    CHECK(first && (uintptr_t)first % 64 == 0);
    CHECK_OK(lb_pool_reserve(pool, 10, &err), &err);
    CHECK(lb_pool_memory(pool) == first);
    CHECK_OK(lb_pool_reserve(pool, (size_t)1 << 23, &err), &err);
    memset(lb_pool_memory(pool), 1, (size_t)1 << 23);
    lb_arena_fail_after(0);
    CHECK(lb_pool_reserve(pool, (size_t)1 << 24, &err) == LB_ERR_MEMORY);
    lb_arena_fail_after(-1);
    CHECK(lb_pool_memory(pool) == NULL);
    CHECK_OK(lb_pool_reserve(pool, 64, &err), &err);
    CHECK(lb_pool_memory(pool) != NULL);
    lb_pool_free(pool);
}

static void silly_counts_are_refused(void)
{
    lb_error err = {0};
    lb_pool *pool = NULL;

    CHECK(lb_pool_new(-1, &pool, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "between 1 and 64");
}

int main(void)
{
    RUN(barriers_hold);
    RUN(memory_grows_and_may_run_out);
    RUN(silly_counts_are_refused);
    return DONE();
}
