/* small.h: the networks of tests/tflite/fixtures, which tests/golden/tflite_small.py
 * made. */
#ifndef LB_TESTS_TFLITE_SMALL_H
#define LB_TESTS_TFLITE_SMALL_H

#include "base/file.h"
#include "tflite/tflite.h"

#include "evaluate.h"

static inline const char *small_path(lb_arena *arena, const char *name)
{
    return test_path(arena, false,
                     lb_arena_text(arena, "tests/tflite/fixtures/%s", name));
}

static inline lb_bytes small_bytes(lb_arena *arena, const char *name)
{
    lb_bytes bytes = {0};
    lb_error err = {0};

    CHECK_OK(lb_read_file(arena, small_path(arena, name), 1 << 20, &bytes, &err), &err);
    return bytes;
}

static inline lb_graph *small_graph(lb_arena *arena, const char *name)
{
    lb_graph *graph = NULL;
    lb_error err = {0};
    const char *const file = lb_arena_text(arena, "%s.tflite", name);

    CHECK_OK(lb_tflite_load(small_path(arena, file), &graph, NULL, &err), &err);
    return graph;
}

/* NAME_WHAT.npy */
static inline lb_tensor *small_array(lb_arena *arena, const char *name, const char *what)
{
    lb_tensor *t = NULL;
    lb_error err = {0};
    const char *const file = lb_arena_text(arena, "%s_%s.npy", name, what);

    CHECK_OK(lb_npy_load(arena, small_path(arena, file), 1 << 20, &t, &err), &err);
    return t;
}

#endif
