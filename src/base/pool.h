/* pool.h: a persistent pool of threads that run one function together.
 *
 * lb_pool_run calls work(arg, thread) once for each thread 0..n-1 (0 is the caller) and
 * returns when all are done. Inside, lb_pool_barrier waits for every thread. Waits spin
 * briefly, then sleep: on a busy machine endless spinning starves the threads that
 * have work. What runs in a pool must not depend on n for its result. */
#ifndef LB_BASE_POOL_H
#define LB_BASE_POOL_H

#include "base/error.h"

#include <stddef.h>

typedef struct lb_pool lb_pool;
typedef void (*lb_pool_work)(void *arg, int thread);

/* n_threads: 1..64; 0 for as many as the process may use. */
lb_code lb_pool_new(int n_threads, lb_pool **out, lb_error *err) LB_MUST_USE;
void lb_pool_free(lb_pool *pool); /* takes NULL */
int lb_pool_threads(const lb_pool *pool);
void lb_pool_run(lb_pool *pool, lb_pool_work work, void *arg);
void lb_pool_barrier(lb_pool *pool);

/* Memory to work in, shared by all that runs on the pool one after the other: at least so
 * many bytes, 64-byte aligned. It holds nothing from one run to the next, and moves when
 * somebody reserves more: who works in it asks where it is when a run begins. */
lb_code lb_pool_reserve(lb_pool *pool, size_t bytes, lb_error *err) LB_MUST_USE;
void *lb_pool_memory(const lb_pool *pool);

#endif
